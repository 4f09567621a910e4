//! Runs the console blocks of documents. The blocks of one document are one session: they run from top
//! to bottom in one shell on a terminal, and print what the document says.

use std::fs;
use std::path::Path;

use crate::support::sandbox::{Sandbox, has};

/// A command of a session, and what the document says that it prints.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    command: String,
    prints: String,
}

/// Returns the steps of all console blocks. In a block, `$ ` begins a command and `> ` continues it.
fn steps(document: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_console = false;
    for line in document.lines() {
        if line.starts_with("```") {
            is_console = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| is_console) {
            steps.push(Step { command: command.to_owned(), prints: String::new() });
        } else if is_console {
            let step = steps.last_mut().expect("a block begins with a command");
            match line.strip_prefix("> ") {
                Some(more) => step.command.extend(["\n", more]),
                None => step.prints.extend([line, "\n"]),
            }
        }
    }
    steps
}

/// Masks the parts that differ from run to run, and the spaces that align columns.
fn plain(sandbox: &Sandbox, text: &str) -> Vec<String> {
    let text = text.replace("\r\n", "\n").replace(sandbox.root().to_str().unwrap(), "");
    let masked = sandbox.plain(&text);
    let mask = |word: &str| {
        // As in `bash (48213)`.
        let number = word.trim_start_matches('(').trim_end_matches(')');
        let is_pid = number.len() > 2 && number.bytes().all(|byte| byte.is_ascii_digit());
        if is_pid { word.replace(number, "PID") } else { word.to_owned() }
    };
    let line = |line: &str| line.split_whitespace().map(mask).collect::<Vec<_>>().join(" ");
    masked.lines().map(line).collect()
}

/// Runs the console blocks of a document in one shell.
pub(super) fn runs_as_shown(path: &str) {
    if !has("script") || !has("bash") {
        return;
    }
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let steps = steps(&fs::read_to_string(&document).unwrap());
    assert!(steps.len() > 1, "{path} has no console blocks");
    let sandbox = Sandbox::new();
    let mut script = String::new();
    for step in &steps {
        script.extend(["printf '\\036'\n", &step.command, "\n"]);
    }
    fs::write(sandbox.root().join("session.sh"), script).unwrap();
    let run = sandbox.sh("stty -echo 2>/dev/null; script -qec 'bash ../session.sh' /dev/null");
    let ran = run.env("TERM", "dumb").env("LC_ALL", "C.UTF-8").env("TMPX_DOCUMENT", document).run();
    let printed: Vec<&str> = ran.raw.split('\u{1e}').skip(1).collect();
    assert_eq!(printed.len(), steps.len(), "{path}: {ran:?}");
    let mut wrong = Vec::new();
    for (step, printed) in steps.iter().zip(printed) {
        let (printed, expected) = (plain(&sandbox, printed), plain(&sandbox, &step.prints));
        if printed != expected {
            wrong.push((&step.command, printed, expected));
        }
    }
    assert!(wrong.is_empty(), "{path}: command, what it prints, what it should print: {wrong:#?}");
    // Does the reaper's work for the lifetimes that ended with the shell.
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
    assert_eq!(sandbox.left(), Vec::<String>::new(), "{path} leaves files");
}

#[test]
fn a_console_block_is_commands_and_what_they_print() {
    let document = "$ not this\n```console\n$ a\nb\n$ c \\\n> d\n```\n```sh\n$ e\n```\n";
    let step =
        |command: &str, prints: &str| Step { command: command.into(), prints: prints.into() };
    assert_eq!(steps(document), [step("a", "b\n"), step("c \\\nd", "")]);
}

#[test]
fn the_idioms_of_mktemp_run_as_shown() {
    runs_as_shown("docs/from-mktemp.md");
}

#[test]
fn what_replaces_tempfile_runs_as_shown() {
    if ["python3", "jq", "git", "make"].into_iter().all(has) {
        runs_as_shown("docs/from-python.md");
    }
}

#[test]
fn the_steps_of_a_job_run_as_shown() {
    runs_as_shown("docs/ci.md");
}

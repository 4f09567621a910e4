//! The completions work in their shells.

use std::process::Command;

use super::files::{completions, write};
use crate::support::pty::Terminal;
use crate::support::sandbox::{Sandbox, has, skip_unless};

/// Creates a sandbox with the completions in its working directory.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    write(&sandbox, &completions());
    sandbox
}

/// Returns what bash offers for an unfinished command line.
fn bash_offers(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let last = words.len() - 1;
    let script = format!(
        "source ./tmpx.bash
        COMP_WORDS=({line}) COMP_CWORD={last}
        function=$(complete -p tmpx | sed 's/.* -F \\([^ ]*\\) .*/\\1/')
        $function tmpx {} {}
        printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words[last],
        words[last - 1],
    );
    sandbox().shell("bash", &script).succeeds().raw
}

#[test]
fn bash_completes_subcommands_options_and_values() {
    if has("bash") {
        assert_eq!(bash_offers("tmpx clea"), "cleanup\n");
        assert_eq!(bash_offers("tmpx file --unt"), "--until-exit\n");
        assert_eq!(bash_offers("tmpx exec --keep = alw"), "always\n");
    }
}

/// Returns what fish offers for an unfinished command line.
fn fish_offers(line: &str) -> String {
    let script = format!("source ./tmpx.fish; complete -C '{line}'");
    sandbox().shell("fish --no-config", &script).succeeds().raw
}

/// Creates a sandbox with the completions, a session and a file in it.
fn sandbox_with_a_session() -> (Sandbox, String) {
    let sandbox = sandbox();
    let path = sandbox.tmpx(["file", "--session", "nightly"]).path();
    (sandbox, path.to_str().unwrap().to_owned())
}

/// Returns what bash offers for these words, with the completions of the system loaded.
fn bash_offers_in(sandbox: &Sandbox, words: &[&str]) -> String {
    let line = words.join(" ");
    let last = words.len() - 1;
    let script = format!(
        "source /usr/share/bash-completion/bash_completion
        source ./tmpx.bash
        COMP_WORDS=({}) COMP_CWORD={last} COMP_LINE='{line}' COMP_POINT={}
        _tmpx_dynamic tmpx '{}' '{}' 2>/dev/null
        printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.map_quoted(),
        line.len(),
        words[last],
        words[last - 1],
    );
    sandbox.shell("bash", &script).succeeds().raw
}

/// Words of a shell.
trait Quoted {
    fn map_quoted(&self) -> String;
}

impl Quoted for [&str] {
    fn map_quoted(&self) -> String {
        self.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn bash_completes_paths_sessions_and_the_commands_that_tmpx_runs() {
    let library = std::path::Path::new("/usr/share/bash-completion/bash_completion").exists();
    if !has("bash") || !skip_unless(library, "bash-completion") {
        return;
    }
    let (sandbox, path) = sandbox_with_a_session();
    let offers = |words: &[&str]| bash_offers_in(&sandbox, words);
    for subcommand in ["cleanup", "list"] {
        assert_eq!(offers(&["tmpx", subcommand, ""]), format!("{path}\n"), "{subcommand}");
    }
    for words in [&["cleanup", "--session", "ni"][..], &["exec", "--session", "=", "ni"]] {
        assert_eq!(offers(&[&["tmpx"], words].concat()), "nightly\n", "{words:?}");
    }
    for words in [
        &["exec", "fmtre"][..],
        &["exec", "--in", "x", "--timeout", "=", "5", "fmtre"],
        &["exec", "--here", "--", "fmtre"],
        &["replace", "file", "--", "fmtre"],
        &["spool", "--", "fmtre"],
        &["cache", "run", "--ttl", "1h", "fmtre"],
    ] {
        std::os::unix::fs::symlink("/bin/true", sandbox.bin().join("fmtreal")).unwrap();
        assert_eq!(offers(&[&["tmpx"], words].concat()), "fmtreal\n", "{words:?}");
        std::fs::remove_file(sandbox.bin().join("fmtreal")).unwrap();
    }
    assert_eq!(offers(&["tmpx", "exec", "--he"]), "--here\n--help\n");
    assert_eq!(offers(&["tmpx", "file", "--ttl", ""]), "\n", "a duration is no file");
    sandbox.clean_up();
}

/// Returns what an interactive bash turns a command line into when Tab is pressed at its end. `tmpx` is a
/// function there that prints its arguments.
fn bash_completes(sandbox: &Sandbox, line: &str) -> String {
    let mut command = Command::new("setsid");
    command.args(["--ctty", "bash", "--norc", "--noprofile", "-i"]);
    let path = format!("{}:/usr/bin:/bin", sandbox.bin().display());
    let bash = sandbox.command(command).env("PATH", path).env("TERM", "dumb").env("PS1", "");
    let mut terminal = Terminal::start(bash.prepared());
    // What is typed is shown too, so it must not look like what is printed.
    terminal.type_in("source /usr/share/bash-completion/bash_completion; source ./tmpx.bash\n");
    terminal.type_in("tmpx() { echo \"called\"\": $*\"; }; echo re\"\"ady\n");
    terminal.see("ready");
    terminal.type_in(&format!("{line}\t\n"));
    terminal.see("called: ");
    terminal.type_in("exit\n");
    let (shown, _) = terminal.close();
    let (_, called) = shown.rsplit_once("called: ").unwrap();
    called.lines().next().unwrap().trim().to_owned()
}

#[test]
fn bash_completes_by_tab_without_an_error() {
    let library = std::path::Path::new("/usr/share/bash-completion/bash_completion").exists();
    if !has("bash") || !skip_unless(library, "bash-completion") {
        return;
    }
    let (sandbox, path) = sandbox_with_a_session();
    std::fs::write(sandbox.cwd().join("data.csv"), "").unwrap();
    std::os::unix::fs::symlink("/bin/true", sandbox.bin().join("fmtreal")).unwrap();
    let completes = |line: &str| bash_completes(&sandbox, line);
    assert_eq!(completes("tmpx clea"), "cleanup");
    assert_eq!(completes("tmpx exec --keep=alw"), "exec --keep=always");
    assert_eq!(completes("tmpx exec --in da"), "exec --in data.csv");
    assert_eq!(
        completes(&format!("tmpx cleanup {}", &path[..path.len() - 3])),
        format!("cleanup {path}")
    );
    assert_eq!(completes("tmpx list --session ni"), "list --session nightly");
    assert_eq!(completes("tmpx exec fmtre"), "exec fmtreal");
    assert_eq!(completes("tmpx file --ttl da"), "file --ttl da", "a duration is no file");
    sandbox.clean_up();
}

#[test]
fn fish_completes_paths_sessions_and_the_commands_that_tmpx_runs() {
    if !has("fish") {
        return;
    }
    let (sandbox, path) = sandbox_with_a_session();
    std::os::unix::fs::symlink("/bin/true", sandbox.bin().join("fmtreal")).unwrap();
    let offers = |line: &str| {
        let script = format!("source ./tmpx.fish; complete -C '{line}'");
        let ran = sandbox.shell("fish --no-config", &script).succeeds();
        let first = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
        ran.raw.lines().map(first).collect::<Vec<_>>()
    };
    assert_eq!(offers("tmpx cleanup /"), [path.as_str()]);
    assert_eq!(offers("tmpx list --session ni"), ["nightly"]);
    for line in [
        "tmpx exec fmtre",
        "tmpx exec --in x fmtre",
        "tmpx exec --here -- fmtre",
        "tmpx replace file -- fmtre",
        "tmpx spool -- fmtre",
    ] {
        assert_eq!(offers(line), ["fmtreal"], "{line}");
    }
    assert_eq!(offers("tmpx file --ttl "), [""; 0], "a duration is no file");
    sandbox.clean_up();
}

#[test]
fn zsh_completes_paths_sessions_and_files_without_an_error() {
    if !has("zsh") {
        return;
    }
    let (sandbox, path) = sandbox_with_a_session();
    std::fs::write(sandbox.cwd().join("data.csv"), "").unwrap();
    std::os::unix::fs::symlink("/bin/true", sandbox.bin().join("fmtreal")).unwrap();
    let completes = |line: &str| zsh_completes_in(&sandbox, line);
    assert_eq!(completes("tmpx exec --in da"), "exec --in data.csv");
    assert_eq!(completes("tmpx workspace --in=da"), "workspace --in=data.csv");
    assert_eq!(completes(&format!("tmpx cleanup {}", &path[..5])), format!("cleanup {path}"));
    assert_eq!(completes("tmpx list --session ni"), "list --session nightly");
    assert_eq!(completes("tmpx exec fmtre"), "exec fmtreal");
    assert_eq!(completes("tmpx replace data.csv -- fmtre"), "replace data.csv -- fmtreal");
    assert_eq!(completes("tmpx file --ttl da"), "file --ttl da", "a duration is no file");
    sandbox.clean_up();
}

#[test]
fn the_subcommand_prints_the_scripts() {
    let sandbox = sandbox();
    for (shell, file) in [("bash", "tmpx.bash"), ("zsh", "_tmpx"), ("fish", "tmpx.fish")] {
        let script = sandbox.tmpx(["completions", shell]).succeeds().raw;
        assert!(script == std::fs::read_to_string(sandbox.cwd().join(file)).unwrap(), "{shell}");
    }
    let ran = sandbox.tmpx(["completions", "tcsh"]).run();
    assert_eq!((ran.status, ran.stderr.lines().count()), (Some(2), 1), "{ran:?}");
    assert!(sandbox.tmpx(["completions", "--help"]).succeeds().stdout.contains("fpath"));
}

#[test]
fn fish_completes_subcommands_options_and_values() {
    if has("fish") {
        assert_eq!(
            fish_offers("tmpx clea"),
            "cleanup\tRemove what has ended, or what you select\n"
        );
        assert!(fish_offers("tmpx file --unt").starts_with("--until-exit"));
        assert!(fish_offers("tmpx exec --keep=alw").starts_with("--keep=always"));
    }
}

/// Returns what an interactive zsh turns a command line into when Tab is pressed at its end. `tmpx`
/// is a function there that prints its arguments.
fn zsh_completes(line: &str) -> String {
    zsh_completes_in(&sandbox(), line)
}

fn zsh_completes_in(sandbox: &Sandbox, line: &str) -> String {
    let script = format!(
        "zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell 'PS1= RPROMPT=; fpath=($PWD $fpath); autoload -U compinit; compinit -D -u'
        zpty -w shell 'unsetopt automenu; tmpx() {{ print -r -- \"called: $*\" }}; print re\"\"ady'
        zpty -r shell seen $'*\\nready*'
        zpty -w -n shell $'{line}\\t\\n'
        zpty -r shell seen $'*called: *\\n'
        print -r -- ${{seen##*called: }}
        zpty -d shell",
    );
    let ran = sandbox.shell("zsh -f", &script).env("TERM", "dumb").succeeds();
    ran.raw.trim().to_owned()
}

#[test]
fn zsh_completes_subcommands_options_and_values() {
    if has("zsh") {
        assert_eq!(zsh_completes("tmpx clea"), "cleanup");
        assert_eq!(zsh_completes("tmpx file --tt"), "file --ttl");
        assert_eq!(zsh_completes("tmpx exec --keep=alw"), "exec --keep=always");
    }
}

/// Returns what elvish offers after these words. Its `edit:` module exists only while it edits a
/// line, so this replaces the part of it that the script uses.
fn elvish_candidates(words: &str) -> Vec<String> {
    let script = format!(
        "var completion: = (ns [&arg-completer=[&]])
        var edit: = (ns [&completion:=$completion: &complex-candidate~={{|text &display=''| put $text}}])
        eval &ns=(ns [&edit:=$edit:]) (slurp < tmpx.elv)
        $edit:completion:arg-completer[tmpx] {words} | to-lines"
    );
    let ran = sandbox().shell("elvish -norc", &script).succeeds();
    ran.raw.lines().map(str::to_owned).collect()
}

#[test]
fn elvish_completes_subcommands_and_options() {
    if has("elvish") {
        assert!(elvish_candidates("tmpx ''").contains(&"cleanup".into()));
        assert!(elvish_candidates("tmpx file --un").contains(&"--until-exit".into()));
    }
}

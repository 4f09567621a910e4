//! What is said of a command line that makes no sense: one line, and a hint where one helps.
//!
//! clap says what is wrong. What it proposes is meant for programs that take anything as a value, and
//! here it would run a command named `--ttl`; so the hints are ours, but for names that are alike.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// A message and its hints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsageError {
    /// What is wrong.
    pub message: String,
    /// What may have been meant.
    pub hints: Vec<String>,
}

impl UsageError {
    /// From clap's error for these arguments.
    pub(crate) fn new(err: &clap::Error, args: &[OsString]) -> Self {
        let (message, mut hints) = flatten(&err.render().to_string());
        let words: Vec<&str> = args.iter().filter_map(|word| word.to_str()).collect();
        let subcommand = words.get(1).copied().unwrap_or_default();
        if let Some(known) = suggest(err, subcommand, &words) {
            hints = vec![known];
        } else if hints.is_empty() && is_unknown_word(err.kind()) {
            hints = vec![match err.kind() {
                ErrorKind::InvalidSubcommand => "tmpx --help lists what there is".to_owned(),
                _ => format!("tmpx {subcommand} -h lists the options"),
            }];
        }
        Self { message, hints }
    }
}

fn is_unknown_word(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand)
}

/// clap's error text is a paragraph, perhaps with tips, then the usage. The paragraph becomes one
/// line, the tips become hints.
fn flatten(text: &str) -> (String, Vec<String>) {
    let mut message = Vec::new();
    let mut hints = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if let Some(tip) = line.strip_prefix("tip: ") {
            if !tip.starts_with("to pass ") {
                hints.push(tip.to_owned());
            }
        } else if line.starts_with("Usage: ") {
            break;
        } else if !line.is_empty() && !line.starts_with("For more information") {
            message.push(line);
        }
    }
    let message = message.join(" ");
    (message.strip_prefix("error: ").unwrap_or(&message).to_owned(), hints)
}

/// Mistakes that people bring along from mktemp, or make at first.
fn suggest(err: &clap::Error, subcommand: &str, words: &[&str]) -> Option<String> {
    let context = |kind| match err.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let hint = match err.kind() {
        ErrorKind::UnknownArgument => match (subcommand, context(ContextKind::InvalidArg)?) {
            ("file" | "workspace", "-d" | "--directory") => "did you mean tmpx dir?",
            ("dir", "-d" | "--directory") => "tmpx dir makes directories without being told",
            ("file" | "dir" | "workspace", "-u" | "--dry-run") => {
                "a name that is not made can be taken by others: make the file"
            }
            ("file" | "dir" | "workspace", "-t") => {
                "a template without a slash lies in the temp dir already"
            }
            ("file" | "dir" | "workspace", "-q" | "--quiet") => {
                "2>/dev/null hides messages; the exit status tells the rest"
            }
            ("file" | "dir", "--export") => "did you mean tmpx workspace --export?",
            ("exec", "--ttl" | "--until-exit") => {
                "a workspace of exec goes when its command ends; --timeout ends the command"
            }
            ("spool", word) if !word.starts_with('-') => {
                "a command comes after --: tmpx spool -- …"
            }
            ("replace", word) if !word.starts_with('-') => {
                "a command comes after --: tmpx replace FILE -- …"
            }
            ("exec", "--cwd" | "--chdir") => "--here runs the command in the current directory",
            ("cleanup", "-f") => "did you mean --force?",
            ("cleanup" | "list", "-a") => "did you mean --all?",
            _ => return None,
        },
        ErrorKind::InvalidSubcommand => match subcommand {
            "version" => "did you mean tmpx --version?",
            "rm" | "remove" | "delete" | "clean" => "did you mean tmpx cleanup?",
            "ls" => "did you mean tmpx list?",
            "run" => "did you mean tmpx exec?",
            _ => return None,
        },
        ErrorKind::ValueValidation => {
            let value = context(ContextKind::InvalidValue)?;
            if words.windows(2).any(|pair| pair == ["--until-exit", value]) {
                return Some(format!("its value comes after =, as in --until-exit={value}"));
            }
            return None;
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

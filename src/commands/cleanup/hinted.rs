//! The commands that hints print. A shell reads them back as they are meant.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::ui::sh_quote;

/// The longest command of several words that a hint prints.
const LONG: usize = 120;

/// The command line of this cleanup.
#[derive(Debug)]
pub(super) struct Rerun {
    words: Vec<OsString>,
}

impl Rerun {
    /// Takes the arguments of the process: the program, the subcommand, its arguments.
    pub(super) fn of(args: &[OsString]) -> Self {
        Self { words: args.get(2..).unwrap_or_default().to_vec() }
    }

    /// Returns the command line with another option, for a shell, or words for a long one.
    pub(super) fn with(&self, option: &str) -> String {
        let line =
            line(&format!("tmpx cleanup {option}"), self.words.iter().map(OsString::as_os_str));
        if line.len() > LONG { format!("the same command with {option}") } else { line }
    }
}

/// Returns a command with all of these paths, or with the first one if that would be long, and the word
/// for what it applies to: `it`, `them` or `the first one`.
pub(super) fn with_paths(command: &str, paths: &[PathBuf]) -> (String, &'static str) {
    let words: Vec<_> = paths.iter().map(|path| not_an_option(path)).collect();
    let words = words.iter().map(OsString::as_os_str);
    let all = line(command, words.clone());
    match paths {
        [_] => (all, "it"),
        _ if all.len() <= LONG => (all, "them"),
        _ => (line(command, words.take(1)), "the first one"),
    }
}

/// Returns a path that no command takes for an option.
fn not_an_option(path: &Path) -> OsString {
    let is_like_one = path.as_os_str().as_encoded_bytes().starts_with(b"-");
    let path = if is_like_one { Path::new(".").join(path) } else { path.to_owned() };
    path.into_os_string()
}

fn line<'a>(command: &str, words: impl Iterator<Item = &'a OsStr>) -> String {
    let mut line = command.to_owned();
    for word in words {
        // Writing to a String cannot fail.
        let _ = write!(line, " {}", sh_quote::quote(word).display());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_repeats_the_command_line_unless_that_is_long() {
        let rerun = |words: &[&str]| {
            let args = ["tmpx", "cleanup"].iter().chain(words);
            Rerun::of(&args.map(OsString::from).collect::<Vec<_>>()).with("--force")
        };
        assert_eq!(rerun(&[]), "tmpx cleanup --force");
        assert_eq!(rerun(&["--session", "a b"]), "tmpx cleanup --force --session 'a b'");
        assert_eq!(rerun(&["/tmp/tmp.8QA6fr72SM"; 10]), "the same command with --force");
    }

    #[test]
    fn a_hint_has_all_paths_or_the_first_one() {
        let hint =
            |paths: &[&str]| with_paths("rm", &paths.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(hint(&["/tmp/a b"]), ("rm '/tmp/a b'".to_owned(), "it"));
        assert_eq!(hint(&["-f", "a/-f"]), ("rm ./-f a/-f".to_owned(), "them"));
        let long = hint(&["/tmp/tmp.8QA6fr72SM"; 10]);
        assert_eq!(long, ("rm /tmp/tmp.8QA6fr72SM".to_owned(), "the first one"));
    }
}

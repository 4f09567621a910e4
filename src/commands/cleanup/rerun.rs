//! The command line of this cleanup with one more option, for hints.

use std::ffi::OsString;
use std::fmt::Write as _;

use crate::ui::sh_quote;

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

    /// Returns the command line with another option, for a shell. Leaves the rest out if it is long.
    pub(super) fn with(&self, option: &str) -> String {
        const LONG: usize = 120;
        let mut line = format!("tmpx cleanup {option}");
        for word in &self.words {
            // Writing to a String cannot fail.
            let _ = write!(line, " {}", sh_quote::quote(word).display());
        }
        if line.len() > LONG { format!("tmpx cleanup {option} …") } else { line }
    }
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
        assert_eq!(rerun(&["/tmp/tmp.8QA6fr72SM"; 10]), "tmpx cleanup --force …");
    }
}

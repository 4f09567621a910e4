//! Prints help texts, with colored headings on a terminal that shows colors.

use std::fmt::Write as _;
use std::io;

use rustix::fd::BorrowedFd;
use rustix::stdio::{stderr, stdout};
use rustix::termios::isatty;

use crate::fs::rw::write_all;

/// Prints a help that was asked for.
pub(crate) fn print_help(text: &str) -> io::Result<()> {
    write_all(stdout(), for_stream(stdout(), text).as_bytes())
}

/// Prints a help in place of an error. A stderr that is closed or full is no reason to fail.
pub(crate) fn print_help_on_stderr(text: &str) {
    let _ = write_all(stderr(), for_stream(stderr(), text).as_bytes());
}

fn for_stream(stream: BorrowedFd<'_>, text: &str) -> String {
    if shows_colors(stream) { with_colored_headings(text) } else { text.to_owned() }
}

/// Returns whether this stream is a terminal that shows colors, and the user wants them
/// (<https://no-color.org>).
pub(super) fn shows_colors(stream: BorrowedFd<'_>) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    isatty(stream)
        && !is_set("NO_COLOR")
        && std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Colors the headings: lines such as `Options:`, and the word before the usage.
fn with_colored_headings(text: &str) -> String {
    let mut colored = String::with_capacity(text.len() + 200);
    for line in text.split_inclusive('\n') {
        let is_heading = |heading: &str| {
            heading.starts_with(char::is_uppercase) && heading.len() < 40 && !heading.contains('\'')
        };
        let (heading, rest) = match line.split_once(':') {
            Some((heading, rest)) if is_heading(heading) => (heading, rest),
            _ => {
                colored.push_str(line);
                continue;
            }
        };
        if rest.trim().is_empty() || heading == "Usage" {
            // A string takes all that is written to it.
            let _ = write!(colored, "\u{1b}[1;36m{heading}:\u{1b}[0m{rest}");
        } else {
            colored.push_str(line);
        }
    }
    colored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_colored_and_sentences_are_not() {
        let text =
            "About\n\nUsage: tmpx file\n\nNote: not this\nOptions:\n  -h: help\nA sentence.\n";
        let colored = "About\n\n\u{1b}[1;36mUsage:\u{1b}[0m tmpx file\n\nNote: not this\n\
                       \u{1b}[1;36mOptions:\u{1b}[0m\n  -h: help\nA sentence.\n";
        assert_eq!(with_colored_headings(text), colored);
    }
}

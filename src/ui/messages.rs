//! Prints messages on stderr: notes about what happened, hints about what to do.
//!
//! Each message is one line and one write, so that lines of several processes do not mix. A stderr
//! that is closed or full is no reason to fail.

use std::fmt::Display;

use rustix::stdio::stderr;
use rustix::termios::isatty;

use crate::fs::rw::write_all;
use crate::ui::help::shows_colors;
use crate::ui::sanitize::{for_terminal, sanitize};

/// Prints a line that begins with `tmpx: `.
pub(crate) fn print_note(message: impl Display) {
    write_stderr(format!("tmpx: {}\n", sanitize(&message.to_string())));
}

/// Prints such a line on a terminal only. It says what a script does not need to know.
pub(crate) fn print_note_on_terminal(message: impl Display) {
    if isatty(stderr()) {
        print_note(message);
    }
}

/// Prints a line that names a remedy.
pub(crate) fn print_hint(remedy: impl Display) {
    let label = if shows_colors(stderr()) { "\u{1b}[36mhint:\u{1b}[0m" } else { "hint:" };
    // The color is ours, and the rest is harmless.
    let line = format!("{label} {}\n", sanitize(&remedy.to_string()));
    let _ = write_all(stderr(), line.as_bytes());
}

/// Writes lines to stderr. A terminal gets no character that it would obey.
pub(crate) fn write_stderr(text: impl AsRef<[u8]>) {
    let text = text.as_ref();
    match for_terminal(text, &['\n', '\t']) {
        Some(sanitized) if isatty(stderr()) => drop(write_all(stderr(), &sanitized)),
        _ => drop(write_all(stderr(), text)),
    }
}

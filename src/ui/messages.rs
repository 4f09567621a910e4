//! Prints messages on stderr: notes about what happened, hints about what to do.
//!
//! Each message is one line and one write, so that lines of several processes do not mix. A stderr
//! that is closed or full is no reason to fail.

use std::fmt::Display;

use crate::fs::rw::write_all;

/// Prints a line that begins with `tmpx: `.
pub(crate) fn print_note(message: impl Display) {
    write_stderr(format!("tmpx: {}\n", sanitize(&message.to_string())));
}

/// Prints a line that names a remedy.
pub(crate) fn print_hint(remedy: impl Display) {
    write_stderr(format!("hint: {}\n", sanitize(&remedy.to_string())));
}

/// Escapes control characters: a file name must not send commands to the terminal.
pub(crate) fn sanitize(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    let mut sanitized = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_control() {
            sanitized.extend(character.escape_default());
        } else {
            sanitized.push(character);
        }
    }
    sanitized
}

/// Writes text to stderr as it is.
pub(crate) fn write_stderr(text: impl AsRef<[u8]>) {
    let _ = write_all(rustix::stdio::stderr(), text.as_ref());
}

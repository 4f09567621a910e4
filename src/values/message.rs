//! Turns an error into its message: one line that names the act and the path once, and ends with the
//! system's own words, such as `could not create file in /nodir: No such file or directory`.

use std::io;

use crate::values::errno;

/// Returns an error with its causes, separated by colons.
pub(crate) fn render(err: &anyhow::Error) -> String {
    let links: Vec<String> = err.chain().map(|link| strip_os_error(&link.to_string())).collect();
    links.join(": ")
}

/// Returns the innermost cause of an error.
pub(crate) fn reason(err: &anyhow::Error) -> String {
    strip_os_error(&err.root_cause().to_string())
}

/// Returns the system's own words for a failed call, as in strerror(3).
pub(crate) fn strerror(err: &io::Error) -> String {
    strip_os_error(&err.to_string())
}

/// Rust ends the text of a failed call with ` (os error 2)`, and gets the words before it from the C
/// library. Returns the text with our own words for that error, and without the number.
fn strip_os_error(text: &str) -> String {
    let Some(at) = text.rfind(" (os error ") else { return text.to_owned() };
    let number = text[at..].trim_start_matches(" (os error ").strip_suffix(')');
    let Some(number) = number.and_then(|number| number.parse().ok()) else {
        return text.to_owned();
    };
    let system = io::Error::from_raw_os_error(number).to_string();
    match (text.strip_suffix(&system), errno::text(number)) {
        (Some(before), Some(words)) => format!("{before}{words}"),
        _ => text[..at].to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_message_names_the_act_once_and_ends_with_the_systems_words() {
        let err = io::Error::from_raw_os_error(libc::ENOENT);
        let err = Err::<(), _>(err).context("could not open /x").unwrap_err();
        assert_eq!(render(&err), "could not open /x: No such file or directory");
    }
}

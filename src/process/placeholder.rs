//! The arguments of a command that stand for a path.

use std::ffi::OsString;
use std::path::Path;

/// Whether a command has an argument that is exactly `placeholder`. Its first word is the program and
/// no argument.
pub(crate) fn has_placeholder(words: &[OsString], placeholder: &str) -> bool {
    words.iter().skip(1).any(|word| word == placeholder)
}

/// Replaces these arguments by a path.
pub(crate) fn replace_placeholder(words: &mut [OsString], placeholder: &str, path: &Path) {
    let arguments = words.iter_mut().skip(1).filter(|word| *word == placeholder);
    arguments.for_each(|word| path.as_os_str().clone_into(word));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_arguments_that_are_exactly_the_placeholder_are_replaced() {
        let mut words: Vec<OsString> = ["{}", "{}", "a{}", "{}"].map(Into::into).to_vec();
        assert!(has_placeholder(&words, "{}"));
        assert!(!has_placeholder(&words[..1], "{}"));
        replace_placeholder(&mut words, "{}", Path::new("/p"));
        assert_eq!(words, ["{}", "/p", "a{}", "/p"]);
    }
}

//! Quotes words so that a POSIX shell reads them back unchanged, and fish too.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

/// Returns a line that exports variables, for `eval`.
pub(crate) fn export(variables: &[(&str, &OsStr)]) -> Vec<u8> {
    let mut line = b"export".to_vec();
    for (name, value) in variables {
        line.push(b' ');
        line.extend_from_slice(name.as_bytes());
        line.push(b'=');
        line.extend(quote(value).into_vec());
    }
    line.push(b'\n');
    line
}

/// Quotes a word (POSIX.1-2024, Shell Command Language, 2.2.2): between single quotes, only the quote
/// itself is special, so it is written outside of them. In fish, the backslash is special there too.
/// (zsh expands a word that begins with `=`.)
pub(crate) fn quote(word: &OsStr) -> OsString {
    let bytes = word.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%=".contains(byte);
    if !bytes.is_empty() && bytes[0] != b'=' && bytes.iter().all(plain) {
        return word.to_owned();
    }
    let mut quoted = vec![b'\''];
    for &byte in bytes {
        if matches!(byte, b'\'' | b'\\') {
            quoted.extend_from_slice(&[b'\'', b'\\', byte, b'\'']);
        } else {
            quoted.push(byte);
        }
    }
    quoted.push(b'\'');
    OsString::from_vec(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50))]
        #[test]
        fn the_shell_reads_a_quoted_word_back_unchanged(bytes in proptest::collection::vec(1u8..=255, 0..40)) {
            let word = OsStr::from_bytes(&bytes);
            let mut script = export(&[("TMPX_WORD", word)]);
            script.extend_from_slice(b"printf %s \"$TMPX_WORD\"");
            let out = std::process::Command::new("sh")
                .arg("-c").arg(OsStr::from_bytes(&script)).output().unwrap();
            prop_assert_eq!(out.stdout, bytes);
        }
    }
}

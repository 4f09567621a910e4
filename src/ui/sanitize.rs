//! Escapes what a terminal would obey: escape sequences and other control characters, and the marks
//! that change the direction of text, by which a name could pass for another one.

use std::fmt::Write as _;

/// Whether a character must not reach a terminal.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Escapes the harmful characters of a message.
pub(crate) fn sanitize(text: &str) -> String {
    if !text.chars().any(is_harmful) {
        return text.to_owned();
    }
    let mut sanitized = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_harmful(character) {
            sanitized.extend(character.escape_default());
        } else {
            sanitized.push(character);
        }
    }
    sanitized
}

/// Escapes the harmful characters of what is printed to a terminal, and bytes that are no text.
/// Returns `None` if there are none, as nearly always. `kept` are characters that structure it.
pub(super) fn for_terminal(bytes: &[u8], kept: &[char]) -> Option<Vec<u8>> {
    escape(bytes, kept, |sanitized, character| sanitized.extend(character.escape_default()))
}

/// Does the same with lines of JSON. The characters can only be in strings, where another notation
/// means the same.
pub(super) fn json_for_terminal(bytes: &[u8]) -> Option<Vec<u8>> {
    escape(bytes, &['\n'], |sanitized, character| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(sanitized, "\\u{unit:04x}");
        }
    })
}

fn escape(
    bytes: &[u8],
    kept: &[char],
    write_escaped: impl Fn(&mut String, char),
) -> Option<Vec<u8>> {
    let must_escape = |character: char| is_harmful(character) && !kept.contains(&character);
    if std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(must_escape)) {
        return None;
    }
    let mut sanitized = String::with_capacity(bytes.len() + 64);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if must_escape(character) {
                write_escaped(&mut sanitized, character);
            } else {
                sanitized.push(character);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(sanitized, "\\x{byte:02x}");
        }
    }
    Some(sanitized.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_marks_of_direction_are_escaped() {
        assert_eq!(sanitize("a\u{1b}]0;b\u{7}c\u{9b}"), "a\\u{1b}]0;b\\u{7}c\\u{9b}");
        assert_eq!(sanitize("a\u{202e}gpj.\u{2066}"), "a\\u{202e}gpj.\\u{2066}");
        assert_eq!(sanitize("größer ‘日本’"), "größer ‘日本’");
    }

    #[test]
    fn on_a_terminal_bytes_that_are_no_text_are_escaped_too() {
        let escaped = |bytes: &[u8]| for_terminal(bytes, &['\n']);
        assert_eq!(escaped(b"/tmp/a\n/tmp/b\n"), None);
        assert_eq!(escaped(b"a\x9b31m\n"), Some(b"a\\x9b31m\n".to_vec()));
        assert_eq!(escaped(b"a\x1b\xff"), Some(b"a\\u{1b}\\xff".to_vec()));
    }

    #[test]
    fn json_for_a_terminal_means_the_same() {
        let name = "a\u{7f}\u{202e}\u{9b}b";
        let line = format!("{}\n", serde_json::to_string(name).unwrap());
        let escaped = String::from_utf8(json_for_terminal(line.as_bytes()).unwrap()).unwrap();
        assert_eq!(escaped, "\"a\\u007f\\u202e\\u009bb\"\n");
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), name);
    }
}

//! Quotes file names in messages as GNU tools do.
//!
//! The quotation marks are those of the locale, and characters that it cannot print become escape
//! sequences: gnulib's quotearg calls this style `locale`. A name may contain a newline or a terminal
//! command; quoted like this, it stays one line of plain text.

use crate::os::Charset;
use crate::ui::printable::is_printable;

/// Returns a name in quotation marks.
pub(crate) fn quoted(text: &[u8], charset: Charset) -> Vec<u8> {
    let (open, close) =
        if charset == Charset::Utf8 { ('\u{2018}', '\u{2019}') } else { ('\'', '\'') };
    let mut out = Vec::with_capacity(text.len() + 8);
    push(&mut out, open);
    if charset == Charset::Utf8 {
        for chunk in text.utf8_chunks() {
            for character in chunk.valid().chars() {
                push_escaped(&mut out, character, close, charset);
            }
            chunk.invalid().iter().for_each(|&byte| push_octal(&mut out, byte));
        }
    } else {
        for &byte in text {
            if byte.is_ascii() {
                push_escaped(&mut out, char::from(byte), close, charset);
            } else {
                push_octal(&mut out, byte);
            }
        }
    }
    push(&mut out, close);
    out
}

fn push_escaped(out: &mut Vec<u8>, character: char, close: char, charset: Charset) {
    let letter = match character {
        '\x07' => Some('a'),
        '\x08' => Some('b'),
        '\t' => Some('t'),
        '\n' => Some('n'),
        '\x0b' => Some('v'),
        '\x0c' => Some('f'),
        '\r' => Some('r'),
        _ if character == close || character == '\\' => Some(character),
        _ => None,
    };
    if let Some(letter) = letter {
        out.push(b'\\');
        push(out, letter);
    } else if prints(character, charset) {
        push(out, character);
    } else {
        let mut bytes = [0; 4];
        for &byte in character.encode_utf8(&mut bytes).as_bytes() {
            push_octal(out, byte);
        }
    }
}

fn prints(character: char, charset: Charset) -> bool {
    match charset {
        Charset::Ascii => (' '..='~').contains(&character),
        Charset::Utf8 => is_printable(character.into()),
    }
}

fn push(out: &mut Vec<u8>, character: char) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

fn push_octal(out: &mut Vec<u8>, byte: u8) {
    out.push(b'\\');
    out.extend([byte >> 6, byte >> 3 & 7, byte & 7].map(|digit| b'0' + digit));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_charset_uses_plain_quotes_and_escapes_everything_but_ascii() {
        assert_eq!(quoted(b"it's \\ a\nb\x01", Charset::Ascii), b"'it\\'s \\\\ a\\nb\\001'");
        assert_eq!(quoted("é".as_bytes(), Charset::Ascii), b"'\\303\\251'");
    }

    #[test]
    fn utf_8_uses_curly_quotes_and_escapes_only_invalid_or_unprintable_characters() {
        let text = |bytes: &[u8]| String::from_utf8(quoted(bytes, Charset::Utf8)).unwrap();
        assert_eq!(text("it's é’".as_bytes()), "‘it's é\\’’");
        assert_eq!(text(b"\xff\xc3"), "‘\\377\\303’");
        assert_eq!(text("\u{85}".as_bytes()), "‘\\302\\205’");
    }
}

//! Hexadecimal digits, without the formatting of the standard library: each line of a lease has a checksum,
//! and most have identities. That formatting took 4 % of the instructions of `tmpx exec true`.

/// Returns the eight digits of a number.
pub(crate) fn digits(number: u32) -> [u8; 8] {
    let mut digits = [0; 8];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair.copy_from_slice(&pair_of(byte));
    }
    digits
}

/// Appends a number without leading zeros.
pub(crate) fn push_number(text: &mut String, number: u64) {
    let digits = number.to_be_bytes().map(pair_of);
    let zeros = usize::try_from(number.leading_zeros() / 4).unwrap_or(0).min(15);
    push(text, &digits.as_flattened()[zeros..]);
}

/// Appends the two digits of each byte.
pub(crate) fn push_bytes(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.chunks(16) {
        let mut digits = [[0; 2]; 16];
        for (pair, &byte) in digits.iter_mut().zip(chunk) {
            *pair = pair_of(byte);
        }
        push(text, digits[..chunk.len()].as_flattened());
    }
}

fn push(text: &mut String, digits: &[u8]) {
    // Digits are ASCII.
    text.push_str(std::str::from_utf8(digits).unwrap_or_default());
}

/// Returns the two digits of a byte.
fn pair_of(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 0xf].map(digit)
}

fn digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

/// Reads two digits.
pub(crate) fn byte_of(pair: [u8; 2]) -> Option<u8> {
    let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? << 4 | low?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_standard_library() {
        for number in [0, 1, 0x9a, 0xdead_beef, u32::MAX] {
            assert_eq!(digits(number).as_slice(), format!("{number:08x}").as_bytes());
        }
    }

    #[test]
    fn numbers_and_bytes_are_appended_as_the_standard_library_does() {
        for number in [0, 1, 0xf, 0x10, 0x0123_4567_89ab_cdef, u64::MAX] {
            let mut text = String::from(".");
            push_number(&mut text, number);
            assert_eq!(text, format!(".{number:x}"));
        }
        let bytes: Vec<u8> = (0..=40).collect();
        for length in [0, 1, 15, 16, 17, 40] {
            let mut text = String::new();
            push_bytes(&mut text, &bytes[..length]);
            let expected: Vec<_> =
                bytes[..length].iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(text, expected.concat());
        }
    }

    #[test]
    fn every_byte_is_read_as_it_was_written() {
        for byte in 0..=u8::MAX {
            assert_eq!(byte_of(pair_of(byte)), Some(byte));
        }
        assert_eq!(byte_of(*b"AF"), Some(0xaf));
        for bad in [*b"g0", *b"0g", *b"+1", *b" 1", [0xff, b'0']] {
            assert_eq!(byte_of(bad), None);
        }
    }
}

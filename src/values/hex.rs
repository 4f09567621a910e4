//! Hexadecimal digits, without the formatting of the standard library: each line of a lease has a checksum, and
//! that formatting took 4 % of the instructions of `tmpx exec true`.

/// Returns the eight digits of a number.
pub(crate) fn digits(number: u32) -> [u8; 8] {
    let mut digits = [0; 8];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair.copy_from_slice(&pair_of(byte));
    }
    digits
}

/// Returns the two digits of a byte.
pub(crate) fn pair_of(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 0xf].map(|digit| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 })
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

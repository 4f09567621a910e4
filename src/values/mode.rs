//! File modes in octal, as for chmod(1).

use std::fmt;
use std::str::FromStr;

/// Permission bits, at most 7777.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMode(pub u32);

/// The error for text that is not a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadMode;

impl fmt::Display for BadMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an octal mode such as 600 or 0750")
    }
}

impl std::error::Error for BadMode {}

impl FromStr for FileMode {
    type Err = BadMode;

    fn from_str(text: &str) -> Result<Self, BadMode> {
        let octal = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        match u32::from_str_radix(text, 8) {
            Ok(mode) if octal && mode <= 0o7777 => Ok(Self(mode)),
            _ => Err(BadMode),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_octal_digits_up_to_7777_are_a_mode() {
        assert_eq!("0640".parse(), Ok(FileMode(0o640)));
        assert_eq!("7777".parse(), Ok(FileMode(0o7777)));
        for bad in ["", "8", "10000", "+7", "-1", "0o7", "u+x", "99999999999999"] {
            assert_eq!(bad.parse::<FileMode>(), Err(BadMode), "{bad}");
        }
    }
}

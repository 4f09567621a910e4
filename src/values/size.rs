//! Sizes in bytes, as users write and read them.

use std::fmt;
use std::str::FromStr;

use crate::values::decimal::Decimal;

/// A number of bytes, printed in powers of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub u64);

impl fmt::Display for ByteSize {
    /// Prints `512 B`, `1.2 MiB`, `20 MiB`: one decimal below ten units, none above.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let unit = (self.0.ilog2() / 10) as usize;
        let tenths = u128::from(self.0) * 10 / (1u128 << (10 * unit));
        if tenths < 100 {
            write!(f, "{}.{} {}", tenths / 10, tenths % 10, UNITS[unit - 1])
        } else {
            write!(f, "{} {}", tenths / 10, UNITS[unit - 1])
        }
    }
}

/// The error for text that is not a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSize;

impl fmt::Display for BadSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a size such as 4096, 64K, 10M, 2G, 10MB or 10MiB")
    }
}

impl std::error::Error for BadSize {}

impl FromStr for ByteSize {
    type Err = BadSize;

    /// Parses a number and a unit, as GNU's head(1) and split(1) do: none or `B` for bytes, `K` or
    /// `KiB` for 1024, `KB` for 1000, and so on up to E. The case of the letters does not matter. A
    /// part of a byte counts as a whole one, and a size that is too large becomes the largest one.
    fn from_str(text: &str) -> Result<Self, BadSize> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let number = Decimal::parse(number).ok_or(BadSize)?;
        let factor = factor(&unit.trim_start().to_ascii_uppercase()).ok_or(BadSize)?;
        Ok(Self(u64::try_from(number.times(factor)).unwrap_or(u64::MAX)))
    }
}

/// Returns the number of bytes in a unit, given in capital letters.
fn factor(unit: &str) -> Option<u64> {
    let mut letters = unit.chars();
    let Some(letter) = letters.next().filter(|_| unit != "B") else {
        return Some(1);
    };
    let power = u32::try_from("KMGTPE".find(letter)? + 1).ok()?;
    let base: u64 = match letters.as_str() {
        "" | "IB" => 1024,
        "B" => 1000,
        _ => return None,
    };
    base.checked_pow(power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_printed_in_the_unit_that_fits() {
        let print = |bytes| ByteSize(bytes).to_string();
        assert_eq!(print(0), "0 B");
        assert_eq!(print(1023), "1023 B");
        assert_eq!(print(1024), "1.0 KiB");
        assert_eq!(print(1_258_291), "1.1 MiB");
        assert_eq!(print(20 * 1024 * 1024), "20 MiB");
        assert_eq!(print(u64::MAX), "15 EiB");
    }

    #[test]
    fn a_letter_alone_or_with_ib_is_a_power_of_1024_and_with_b_one_of_1000() {
        let parse = |text: &str| text.parse::<ByteSize>().map(|size| size.0);
        assert_eq!(parse("0"), Ok(0));
        assert_eq!(parse("512B"), Ok(512));
        assert_eq!(parse("64K"), Ok(65_536));
        assert_eq!(parse("10m"), Ok(10_485_760));
        assert_eq!(parse("2GiB"), Ok(2_147_483_648));
        assert_eq!(parse("3kB"), Ok(3000));
        assert_eq!(parse("2MB"), Ok(2_000_000));
        assert_eq!(parse("15E"), Ok(15 << 60));
        assert_eq!(parse("10kb"), Ok(10_000));
        assert_eq!(parse("10mib"), Ok(10_485_760));
        assert_eq!(parse("1.5M"), Ok(1_572_864));
        assert_eq!(parse("10 M"), Ok(10_485_760));
        assert_eq!(parse("0.1b"), Ok(1));
        assert_eq!(parse("16E"), Ok(u64::MAX));
        assert_eq!(parse("99999999999999999999999"), Ok(u64::MAX));
        let bad = ["", "K", "-1", "+1", "1.5.M", "1 2K", "10Ki", "1X", "1KBB", "1bB", "½K", "."];
        for bad in bad {
            assert_eq!(parse(bad), Err(BadSize), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_number_with_a_unit_is_their_product(number in 0u64..1 << 20, unit in 0usize..13) {
            let (text, factor) = [
                ("", 1), ("K", 1 << 10), ("KB", 1000), ("KiB", 1 << 10), ("M", 1 << 20),
                ("MB", 1_000_000), ("MiB", 1 << 20), ("G", 1 << 30), ("GB", 1_000_000_000),
                ("GiB", 1 << 30), ("T", 1 << 40), ("TB", 1_000_000_000_000), ("B", 1),
            ][unit];
            prop_assert_eq!(format!("{number}{text}").parse(), Ok(ByteSize(number * factor)));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*") {
            let _ = text.parse::<ByteSize>();
        }
    }
}

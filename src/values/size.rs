//! Sizes in bytes, as users write and read them.

use std::fmt;
use std::str::FromStr;

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

    /// Parses a whole number and a unit, as GNU's head(1) and split(1) do: none or `B` for bytes,
    /// `K` or `KiB` for 1024, `KB` for 1000, and so on up to E. The letter may be lower case.
    fn from_str(text: &str) -> Result<Self, BadSize> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let number: u64 = number.parse().map_err(|_| BadSize)?;
        let mut letters = unit.chars();
        let Some(letter) = letters.next().filter(|_| unit != "B") else {
            return Ok(Self(number));
        };
        let power = "KMGTPE".find(letter.to_ascii_uppercase()).ok_or(BadSize)? + 1;
        let base: u64 = match letters.as_str() {
            "" | "iB" => 1024,
            "B" => 1000,
            _ => return Err(BadSize),
        };
        let power = u32::try_from(power).map_err(|_| BadSize)?;
        base.checked_pow(power).and_then(|unit| number.checked_mul(unit)).map(Self).ok_or(BadSize)
    }
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
        let bad = ["", "K", "-1", "+1", "1.5M", "1 K", "10Ki", "1X", "16E", "1KBB", "1bB", "½K"];
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

//! Decimal numbers as users write them, without the rounding of floating point.

/// The digits after the point that count. Of the rest, only whether they are zero matters: results
/// are rounded up.
const DIGITS: usize = 18;

/// A number such as `90`, `0.5` or `.5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    whole: u128,
    /// The digits after the point, in units of 10 to the power of −[`DIGITS`], rounded up.
    fraction: u128,
}

impl Decimal {
    /// Parses a number without a sign. One that is too large becomes the largest possible one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let mut digits = whole.bytes().chain(fraction.bytes());
        if whole.is_empty() && fraction.is_empty() || !digits.all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (counted, rest) = fraction.split_at(fraction.len().min(DIGITS));
        let padding = std::iter::repeat_n(b'0', DIGITS - counted.len());
        let is_inexact = rest.bytes().any(|digit| digit != b'0');
        let fraction = number(counted.bytes().chain(padding)) + u128::from(is_inexact);
        Some(Self { whole: number(whole.bytes()), fraction })
    }

    /// Multiplies the number by a unit. Rounds up, and saturates.
    pub(super) fn times(self, unit: u64) -> u128 {
        let unit = u128::from(unit);
        let fraction = (self.fraction * unit).div_ceil(10u128.pow(18));
        self.whole.saturating_mul(unit).saturating_add(fraction)
    }
}

fn number(digits: impl Iterator<Item = u8>) -> u128 {
    digits.fold(0, |number: u128, digit| {
        number.saturating_mul(10).saturating_add(u128::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_exact_or_rounded_up() {
        let times = |text: &str, unit| Decimal::parse(text).map(|number| number.times(unit));
        assert_eq!(times("1.5", 1024), Some(1536));
        assert_eq!(times("0.1", 10), Some(1));
        assert_eq!(times("0.0000000000000000000001", 10), Some(1));
        assert_eq!(times(".5", 3), Some(2));
        assert_eq!(times("2.", 3), Some(6));
        assert_eq!(times("0.000", 1024), Some(0));
        assert_eq!(times(&"9".repeat(50), 2), Some(u128::MAX));
        for bad in ["", ".", "1..2", "+1", "-1", "1e3", "½"] {
            assert_eq!(times(bad, 1), None, "{bad}");
        }
    }
}

//! Sizes in bytes as the user reads them.

use std::fmt;

/// A number of bytes, shown with a unit of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub u64);

impl fmt::Display for ByteSize {
    /// `512 B`, `1.2 MiB`: one decimal below ten of a unit, none above.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_in_the_unit_that_fits() {
        let show = |bytes| ByteSize(bytes).to_string();
        assert_eq!(show(0), "0 B");
        assert_eq!(show(1023), "1023 B");
        assert_eq!(show(1024), "1.0 KiB");
        assert_eq!(show(1_258_291), "1.1 MiB");
        assert_eq!(show(20 * 1024 * 1024), "20 MiB");
        assert_eq!(show(u64::MAX), "15 EiB");
    }
}

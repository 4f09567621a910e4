//! Which clock since boot this process reads.

use crate::os::procfs::{BootId, namespace_inode};

/// Identifies a clock since boot: the boot's random id, and the time namespace, which shifts the
/// clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BootClock {
    /// The random id of the running kernel (`/proc/sys/kernel/random/boot_id`).
    pub boot: u128,
    /// The inode of the time namespace; 0 where the kernel has none.
    pub time_ns: u64,
}

impl BootClock {
    /// Returns the clock of this process, or `None` where /proc does not show the boot, or shows an id that
    /// may be that of several boots.
    pub(crate) fn current() -> Option<Self> {
        let boot = BootId::read().filter(|boot| !boot.is_masked)?;
        let boot = parse(boot.id.as_bytes())?;
        Some(Self { boot, time_ns: namespace_inode("/proc/self/ns/time").unwrap_or(0) })
    }
}

/// Parses an id such as `8c4e8fd2-6e1c-4b8e-9d0e-0f3f2c1d5a77`.
fn parse(text: &[u8]) -> Option<u128> {
    let mut id = 0;
    let mut digits = 0;
    for &byte in text {
        if byte != b'-' {
            id = id << 4 | u128::from(char::from(byte).to_digit(16)?);
            digits += 1;
        }
    }
    (digits == 32).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_id_is_a_number_of_32_digits() {
        let id = b"00000000-0000-0000-0000-0000000001a7";
        assert_eq!(parse(id), Some(0x1a7));
        assert_eq!(parse(b"1a7"), None);
        assert_eq!(parse(b"x0000000-0000-0000-0000-0000000001a7"), None);
        assert_eq!(BootClock::current(), BootClock::current());
    }
}

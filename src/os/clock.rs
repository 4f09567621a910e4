//! What time it is, on the two clocks that a lease is measured by.
//!
//! Within one boot ages are taken from `CLOCK_BOOTTIME`, which nobody can set and which goes on
//! during suspend; across boots only the wall clock is left.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};
use serde::{Deserialize, Serialize};

/// A moment, in milliseconds on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moment {
    /// Since the Unix epoch.
    pub wall_ms: u64,
    /// Since the machine was started.
    pub boot_ms: u64,
}

impl Moment {
    /// Now.
    pub(crate) fn now() -> Self {
        Self {
            wall_ms: milliseconds(clock_gettime(ClockId::Realtime)),
            boot_ms: milliseconds(clock_gettime(ClockId::Boottime)),
        }
    }

    /// How long ago `earlier` was, or `None` where it lies in the future (a wall clock that was
    /// set back): a negative age never ends anything.
    pub(crate) fn since(self, earlier: Self, same_boot: bool) -> Option<Duration> {
        let (now, then) = if same_boot {
            (self.boot_ms, earlier.boot_ms)
        } else {
            (self.wall_ms, earlier.wall_ms)
        };
        now.checked_sub(then).map(Duration::from_millis)
    }
}

fn milliseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1000).saturating_add(nanoseconds / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_gives_no_age_and_does_not_count_within_a_boot() {
        let then = Moment { wall_ms: 5_000, boot_ms: 100 };
        let now = Moment { wall_ms: 1_000, boot_ms: 400 };
        assert_eq!(now.since(then, true), Some(Duration::from_millis(300)));
        assert_eq!(now.since(then, false), None);
    }
}

//! The two clocks that measure the age of a lease.
//!
//! Within one boot, ages come from `CLOCK_BOOTTIME`, which no user can set and which runs during
//! suspend. Across boots, only the wall clock remains.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, Timespec, clock_gettime};
use serde::{Deserialize, Serialize};

/// A moment, in milliseconds on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moment {
    /// Time since the Unix epoch.
    pub wall_ms: u64,
    /// Time since the boot.
    pub boot_ms: u64,
}

impl Moment {
    /// Returns the current time.
    pub(crate) fn now() -> Self {
        Self {
            wall_ms: milliseconds(clock_gettime(ClockId::Realtime)),
            boot_ms: milliseconds(clock_gettime(ClockId::Boottime)),
        }
    }

    /// Returns the time since `earlier`, or `None` if `earlier` lies in the future, because the wall
    /// clock was set back: a negative age never ends a lifetime.
    pub(crate) fn since(self, earlier: Self, same_boot: bool) -> Option<Duration> {
        let (now, then) = if same_boot {
            (self.boot_ms, earlier.boot_ms)
        } else {
            (self.wall_ms, earlier.wall_ms)
        };
        now.checked_sub(then).map(Duration::from_millis)
    }
}

/// Returns the time of the last tick of the wall clock, in seconds and nanoseconds: what a file that
/// changes now gets as its times, on most kernels.
pub(crate) fn last_tick() -> (i64, u32) {
    let time = clock_gettime(ClockId::RealtimeCoarse);
    (time.tv_sec, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// How long to wait for the next tick. A tick takes 10 ms at most.
const TICK_PATIENCE: Duration = Duration::from_millis(20);

/// Waits until the last tick of the wall clock is later than this time, unless it lies in the future.
pub(crate) fn await_tick_after(time: (i64, u32)) {
    let begin = Instant::now();
    while last_tick() <= time && begin.elapsed() < TICK_PATIENCE {
        sleep(Duration::from_micros(500));
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
    fn a_clock_that_was_set_back_gives_no_age_and_is_ignored_within_a_boot() {
        let then = Moment { wall_ms: 5_000, boot_ms: 100 };
        let now = Moment { wall_ms: 1_000, boot_ms: 400 };
        assert_eq!(now.since(then, true), Some(Duration::from_millis(300)));
        assert_eq!(now.since(then, false), None);
    }
}

//! How old an entry is, and whether it is fresh.
//!
//! Within a boot the age is measured on the boot clock, which nobody can set. Across boots, and where the
//! boot is not known, only the wall clock is left. What seems to come from the future has no age, and is never
//! fresh.

use std::time::Duration;

use crate::cache::checksum::Checksum;
use crate::cache::format::{EntryHeader, RunStatus};
use crate::os::{BootClock, Moment};

/// The present, on the clocks of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheClock {
    pub(super) now: Moment,
    pub(super) boot: Option<BootClock>,
}

impl CacheClock {
    /// Returns the current time.
    pub(crate) fn now() -> Self {
        Self { now: Moment::now(), boot: BootClock::current() }
    }

    /// Returns the present on the wall clock, in seconds.
    pub(super) fn now_in_seconds() -> u64 {
        Moment::now().wall_ms / 1000
    }

    /// Whether an entry was stored on the clock that this process reads.
    fn is_same_boot(&self, header: &EntryHeader) -> bool {
        self.boot.is_some() && self.boot == header.boot
    }

    /// Returns the age of an entry, or `None` if it is from the future.
    pub(crate) fn age(&self, header: &EntryHeader) -> Option<Duration> {
        self.now.since(header.stored, self.is_same_boot(header))
    }

    /// Returns the age of an entry that is younger than its own TTL and this one.
    pub(super) fn fresh_age(&self, header: &EntryHeader, ttl: Duration) -> Option<Duration> {
        let ttl = ttl.min(Duration::from_millis(header.ttl_ms));
        self.age(header).filter(|&age| age < ttl)
    }

    /// Whether an entry was stored after this clock was read, or at that moment.
    pub(super) fn is_before(&self, header: &EntryHeader) -> bool {
        match (self.boot, header.boot) {
            (Some(ours), Some(theirs)) => {
                ours == theirs && header.stored.boot_ms >= self.now.boot_ms
            }
            _ => header.stored.wall_ms >= self.now.wall_ms,
        }
    }

    /// Whether the run of an entry began after this clock was read, or at that moment.
    pub(super) fn is_before_run(&self, header: &EntryHeader) -> bool {
        self.is_before(header) && header.began_boot_ms >= self.now.boot_ms
    }

    /// Returns a number for the boot, if it is known: times since boot mean nothing in another one.
    pub(super) fn boot_tag(&self) -> u64 {
        self.boot.map_or(0, |clock| Checksum::of(&clock.boot.to_le_bytes()) ^ clock.time_ns)
    }
}

/// Returns a duration in milliseconds; a part of one counts as a whole.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

impl EntryHeader {
    /// Returns the header of an entry that is stored now. What describes the frames is still missing.
    pub(super) fn new(
        status: RunStatus,
        ttl: Duration,
        now: CacheClock,
        began_boot_ms: u64,
    ) -> Self {
        Self {
            status,
            ttl_ms: milliseconds(ttl),
            stored: now.now,
            began_boot_ms,
            boot: now.boot,
            bytes: 0,
            key_length: 0,
            frames_length: 0,
            frames_checksum: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: BootClock = BootClock { boot: 7, time_ns: 1 };

    fn header(wall_ms: u64, boot_ms: u64, boot: BootClock) -> EntryHeader {
        EntryHeader {
            status: RunStatus::Exited(0),
            ttl_ms: 1000,
            stored: Moment { wall_ms, boot_ms },
            began_boot_ms: boot_ms,
            boot: Some(boot),
            bytes: 0,
            key_length: 0,
            frames_length: 0,
            frames_checksum: 0,
        }
    }

    #[test]
    fn within_a_boot_the_wall_clock_does_not_count() {
        let clock =
            CacheClock { now: Moment { wall_ms: 9_000_000, boot_ms: 500 }, boot: Some(BOOT) };
        let hour = Duration::from_hours(1);
        let age = |header| clock.fresh_age(&header, hour).map(|age| age.as_millis());
        assert_eq!(age(header(1, 100, BOOT)), Some(400));
        assert_eq!(age(header(99_000_000, 500, BOOT)), Some(0));
        assert_eq!(age(header(9_000_000, 501, BOOT)), None, "from the future");
        let other = BootClock { boot: 8, ..BOOT };
        assert_eq!(age(header(8_999_001, 9999, other)), Some(999), "of another boot");
        assert_eq!(age(header(8_999_000, 0, other)), None, "just as old as its TTL");
        assert_eq!(age(header(9_000_001, 0, other)), None, "from the future");
        let shifted = BootClock { time_ns: 2, ..BOOT };
        assert_eq!(age(header(8_999_900, 0, shifted)), Some(100), "the boot clock is shifted");
    }

    #[test]
    fn what_was_stored_since_a_moment_is_known_without_the_boot_too() {
        let asked = |boot| CacheClock { now: Moment { wall_ms: 5000, boot_ms: 500 }, boot };
        let at = |wall_ms, boot_ms, boot| EntryHeader { boot, ..header(wall_ms, boot_ms, BOOT) };
        let ours = Some(BOOT);
        assert!(asked(ours).is_before(&at(1, 500, ours)));
        assert!(!asked(ours).is_before(&at(9000, 499, ours)));
        let other = Some(BootClock { boot: 8, ..BOOT });
        assert!(!asked(ours).is_before(&at(9000, 900, other)), "of another boot");
        for (asking, stored) in [(None, None), (ours, None), (None, ours)] {
            assert!(asked(asking).is_before(&at(5000, 1, stored)));
            assert!(!asked(asking).is_before(&at(4999, 900, stored)));
        }
        assert!(asked(None).is_before_run(&at(5000, 500, None)));
        assert!(!asked(None).is_before_run(&at(5000, 499, None)), "it began before");
        assert!(!asked(None).is_before_run(&at(4999, 900, None)), "of an earlier boot");
    }

    #[test]
    fn the_shorter_ttl_counts() {
        let clock = CacheClock { now: Moment { wall_ms: 0, boot_ms: 1500 }, boot: Some(BOOT) };
        let fresh = |boot_ms, ttl| {
            clock.fresh_age(&header(0, boot_ms, BOOT), Duration::from_millis(ttl)).is_some()
        };
        assert!(fresh(600, 5000) && !fresh(400, 5000));
        assert!(fresh(1400, 200) && !fresh(1200, 200));
    }
}

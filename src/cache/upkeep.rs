//! Keeps the store small: removes expired entries, and the least recently used ones if it is too large.

use std::ffi::{OsStr, OsString};
use std::rc::Rc;
use std::time::Duration;

use rustix::fs::{AtFlags, Stat, statat};

use crate::cache::clock::CacheClock;
use crate::cache::entry::CacheEntry;
use crate::cache::error::CacheError;
use crate::cache::key::CacheKey;
use crate::cache::lock_file::{KeyByte, KeyLock, LockFile};
use crate::cache::store::{CacheStore, FileKind};
use crate::fs::Dir;
use crate::values::ByteSize;

/// How often a miss looks for expired entries, in milliseconds.
const PERIOD: u64 = 60_000;

/// How many entries it looks at.
const AT_ONCE: usize = 512;

/// Entries that were removed, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RemovedEntries {
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

impl RemovedEntries {
    /// Describes them: `2 expired cache entries (1.5 KiB)`.
    pub(crate) fn describe(self, kind: &str) -> String {
        let Self { count, bytes } = self;
        let entries = if count == 1 { "entry" } else { "entries" };
        let size = if count == 0 { String::new() } else { format!(" ({})", ByteSize(bytes)) };
        format!("{count} {kind} {entries}{size}")
    }
}

/// An entry, for a list.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) key: CacheKey,
    pub(crate) age: Duration,
    pub(crate) left: Duration,
    pub(crate) bytes: u64,
    pub(crate) status: crate::cache::format::RunStatus,
}

impl CacheStore {
    /// After an entry of this size was stored: removes the least recently used ones if the store has more
    /// than `max` bytes, and, once a minute, some expired ones. Errors are left to the next run.
    pub(crate) fn tidy(&self, key: &CacheKey, added: u64, max: u64) {
        let Ok(locks) = self.lock_file() else { return };
        let locks = Rc::new(locks);
        let total = locks.add_to_total(added);
        let clock = CacheClock::now();
        let now = clock.now.wall_ms;
        let cleaned = locks.cleaned_ms();
        // A clock that was set back must not delay it.
        let is_due = now < cleaned || now - cleaned >= PERIOD;
        if total <= max && !is_due {
            return;
        }
        let Some(_upkeep) = locks.begin_upkeep() else { return };
        if is_due {
            locks.set_cleaned_ms(now);
            let _ = self.remove_some_expired(&locks, &clock);
        }
        let _ = self.evict(&locks, max, &FileKind::Entry.name(key.hash()));
    }

    /// Looks at some entries; at which ones is left to chance.
    fn remove_some_expired(
        &self,
        locks: &Rc<LockFile>,
        clock: &CacheClock,
    ) -> Result<RemovedEntries, CacheError> {
        let mut files = self.files()?;
        let first = first_of(files.len(), clock.now.wall_ms);
        files.rotate_left(first);
        files.truncate(AT_ONCE);
        self.remove_expired_of(&files, Some(locks), clock, true)
    }

    /// Removes all expired entries, or only counts them.
    pub(crate) fn remove_expired(&self, removes: bool) -> Result<RemovedEntries, CacheError> {
        let locks = if removes { self.lock_file().ok().map(Rc::new) } else { None };
        let clock = CacheClock::now();
        let expired = self.remove_expired_of(&self.files()?, locks.as_ref(), &clock, removes)?;
        if let (Some(locks), true) = (&locks, expired.count > 0) {
            let before = locks.total();
            locks.correct_total(before, before.saturating_sub(expired.bytes));
        }
        Ok(expired)
    }

    fn remove_expired_of(
        &self,
        files: &[(OsString, FileKind, u64)],
        locks: Option<&Rc<LockFile>>,
        clock: &CacheClock,
        removes: bool,
    ) -> Result<RemovedEntries, CacheError> {
        let dir = self.to_dir()?;
        let mut expired = RemovedEntries::default();
        for (name, kind, hash) in files {
            if *kind != FileKind::Entry {
                self.remove_leftover(&dir, name, *kind, *hash, locks, removes);
                continue;
            }
            let Some(stat) = self.stat(name) else { continue };
            let is_fresh = CacheEntry::open(self, name)?.is_some_and(|entry| {
                let is_fresh = clock.fresh_age(&entry.header, Duration::MAX).is_some();
                // One that was just replaced is another one.
                is_fresh || entry.size != size(&stat)
            });
            let is_removed = || {
                if removes { self.remove_same(&dir, name, &stat) } else { self.may_be_entry(name) }
            };
            if !is_fresh && is_removed()? {
                expired.count += 1;
                expired.bytes += size(&stat);
            }
        }
        Ok(expired)
    }

    /// Removes what a killed process has left: an entry on its way to its name, or a failure that
    /// nobody waits for.
    fn remove_leftover(
        &self,
        dir: &Dir,
        name: &OsStr,
        kind: FileKind,
        hash: u64,
        locks: Option<&Rc<LockFile>>,
        removes: bool,
    ) {
        let byte = if kind == FileKind::Failure { KeyByte::Waiting } else { KeyByte::Replacing };
        let lock = locks.and_then(|locks| KeyLock::try_exclusive(locks, byte, hash));
        if removes && lock.is_some() {
            let _ = self.remove(dir, name);
        }
    }

    /// Removes the least recently used entries, down to four fifths of the bound, but not `newest`.
    fn evict(&self, locks: &LockFile, max: u64, newest: &OsStr) -> Result<(), CacheError> {
        let before = locks.total();
        // The others are in use, or are removed with what has expired.
        let files = self.files()?.into_iter().filter(|(_, kind, _)| *kind == FileKind::Entry);
        let mut entries: Vec<(OsString, Stat)> =
            files.filter_map(|(name, _, _)| self.stat(&name).map(|stat| (name, stat))).collect();
        let mut total: u64 = entries.iter().map(|(_, stat)| size(stat)).sum();
        if total > max {
            let dir = self.to_dir()?;
            #[allow(clippy::unnecessary_cast, reason = "the width differs")]
            entries.sort_by_key(|(_, stat)| (stat.st_mtime, stat.st_mtime_nsec as u64));
            for (name, stat) in entries.iter().filter(|(name, _)| name != newest) {
                if total <= max / 5 * 4 {
                    break;
                }
                if self.remove_same(&dir, name, stat)? {
                    total -= size(stat);
                }
            }
        }
        locks.correct_total(before, total);
        Ok(())
    }

    fn stat(&self, name: &OsStr) -> Option<Stat> {
        statat(self, name, AtFlags::SYMLINK_NOFOLLOW).ok()
    }

    /// Removes a file, unless another one has its name by now.
    pub(super) fn remove_same(
        &self,
        dir: &Dir,
        name: &OsStr,
        stat: &Stat,
    ) -> Result<bool, CacheError> {
        let is_same = |now: Stat| now.st_ino == stat.st_ino && now.st_dev == stat.st_dev;
        if self.stat(name).is_some_and(is_same) { self.remove(dir, name) } else { Ok(false) }
    }

    /// Lists what has not expired, the most recently used first.
    pub(crate) fn list(&self) -> Result<Vec<Listed>, CacheError> {
        let clock = CacheClock::now();
        let mut listed = Vec::new();
        for (name, kind, _) in self.files()? {
            let entry = match kind {
                FileKind::Entry => CacheEntry::open(self, &name)?,
                FileKind::Replacing | FileKind::Failure => None,
            };
            let Some(entry) = entry else { continue };
            let header = entry.header;
            let Some(age) = clock.fresh_age(&header, Duration::MAX) else { continue };
            let left = Duration::from_millis(header.ttl_ms).saturating_sub(age);
            let (key, used, bytes) = (entry.key().clone(), entry.used(), header.bytes);
            listed.push((used, Listed { key, age, left, bytes, status: header.status }));
        }
        listed.sort_by_key(|(used, entry)| (std::cmp::Reverse(*used), entry.age));
        Ok(listed.into_iter().map(|(_, entry)| entry).collect())
    }

    /// Removes all entries, or those with a name. What a run that has begun before will print is not
    /// kept either.
    pub(crate) fn clear(&self, name: Option<&OsStr>) -> Result<RemovedEntries, CacheError> {
        let locks = Rc::new(self.lock_file()?);
        locks.begin_generation();
        let dir = self.to_dir()?;
        let before = locks.total();
        let mut entries = RemovedEntries::default();
        for (file, kind, hash) in self.files()? {
            if kind != FileKind::Entry {
                self.remove_leftover(&dir, &file, kind, hash, Some(&locks), true);
                continue;
            }
            let size = self.stat(&file).map_or(0, |stat| size(&stat));
            let entry = CacheEntry::open(self, &file)?;
            // A damaged entry may have had the name.
            let has_name = |name| entry.as_ref().is_none_or(|entry| entry.key().has_name(name));
            if name.is_none_or(has_name) && self.remove(&dir, &file)? {
                entries.count += 1;
                entries.bytes += size;
            }
        }
        locks.correct_total(before, before.saturating_sub(entries.bytes));
        Ok(entries)
    }
}

/// Returns which of so many entries is looked at first. The milliseconds of a job that runs once an hour are
/// left to chance, and its minutes are not.
fn first_of(count: usize, wall_ms: u64) -> usize {
    let parts = count.div_ceil(AT_ONCE).max(1) as u64;
    usize::try_from(wall_ms % parts).unwrap_or(0) * AT_ONCE
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_runs_once_an_hour_looks_at_all_entries_in_time() {
        let hours = 0..100;
        let mut looked: Vec<usize> =
            hours.map(|n| first_of(1200, n * 3_600_000 + n * n % 50)).collect();
        looked.sort_unstable();
        looked.dedup();
        assert_eq!(looked, [0, 512, 1024]);
        assert_eq!([0, 1, 512].map(|count| first_of(count, 12_345)), [0; 3]);
    }
}

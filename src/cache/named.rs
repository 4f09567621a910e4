//! Values that are stored under a key of the user's: what `set` and `get` do.

use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;

use crate::cache::clock::CacheClock;
use crate::cache::entry::CacheEntry;
use crate::cache::error::{CacheError, Unkept};
use crate::cache::filler::{CreateHidden, Filler};
use crate::cache::format::{EntryHeader, OutputStream, RunStatus};
use crate::cache::key::CacheKey;
use crate::cache::lock_file::{KeyByte, KeyLock};
use crate::cache::store::{CacheStore, FileKind};
use crate::fs::transfer::{BLOCK, read};

impl CacheStore {
    /// Finds what `set` stored under this key.
    pub(crate) fn get(&self, key: &CacheKey) -> Result<Option<CacheEntry>, CacheError> {
        let entry = CacheEntry::open(self, &FileKind::Entry.name(key.hash()))?;
        let clock = CacheClock::now();
        Ok(entry.filter(|entry| {
            let is_fresh = clock.fresh_age(&entry.header, Duration::MAX).is_some();
            entry.key() == key && is_fresh && entry.is_whole()
        }))
    }

    /// Stores a stream under a key, once it has ended. Returns the size of the entry.
    pub(crate) fn set(
        &self,
        key: &CacheKey,
        ttl: Duration,
        max_bytes: u64,
        from: impl AsFd,
        create_hidden: CreateHidden<'_>,
    ) -> Result<u64, Unkept> {
        let locks = self.lock_file().map_err(|err| Unkept::Trouble(err.into()))?;
        let mut filler = Filler::begin(self, key, max_bytes, create_hidden)?;
        let mut block = Vec::with_capacity(BLOCK);
        loop {
            let count = read(&from, &mut block).context("could not read standard input");
            if count.map_err(Unkept::Trouble)? == 0 {
                break;
            }
            filler.add(OutputStream::Out, &block).map_err(|not_added| not_added.why)?;
            block.clear();
        }
        let header = EntryHeader::new(RunStatus::Exited(0), ttl, CacheClock::now(), 0);
        let published = filler.publish(header, FileKind::Entry, self, Some(&Rc::new(locks)));
        published.map_err(Unkept::Trouble)
    }

    /// Whether a process runs the command of this key.
    pub(crate) fn is_running(&self, key: &CacheKey) -> bool {
        let locks = self.lock_file();
        locks.is_ok_and(|locks| KeyLock::is_held(&locks, KeyByte::Run, key.hash()))
    }
}

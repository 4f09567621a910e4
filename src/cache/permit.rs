//! The permission to run a command, and what becomes of its output.
//!
//! As long as a process holds the lock of a key, others wait for its output. So it gives the lock back as
//! soon as it is known that there will be none, and says so.

use std::rc::Rc;

use crate::cache::clock::CacheClock;
use crate::cache::error::Unkept;
use crate::cache::filler::{CreateHidden, Filler};
use crate::cache::format::{EntryHeader, RunStatus};
use crate::cache::lock_file::{KeyByte, KeyLock, LockFile};
use crate::cache::request::CacheRequest;
use crate::cache::store::{CacheStore, FileKind};

/// The permission to run a command once.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    pub(super) store: &'a CacheStore,
    pub(super) request: CacheRequest<'a>,
    pub(super) locks: Option<Rc<LockFile>>,
    /// The lock that makes others wait.
    pub(super) lock: Option<KeyLock>,
    /// Whether the output may be kept.
    pub(super) may_keep: bool,
    /// When the run began.
    began: CacheClock,
    generation: u64,
}

impl<'a> Permit<'a> {
    pub(super) fn new(
        store: &'a CacheStore,
        request: CacheRequest<'a>,
        locks: Option<Rc<LockFile>>,
        lock: Option<KeyLock>,
    ) -> Self {
        let generation = locks.as_ref().map_or(0, |locks| locks.generation());
        Self { store, request, locks, lock, may_keep: true, began: CacheClock::now(), generation }
    }

    /// Begins the entry. Returns why there will be none.
    pub(crate) fn begin(&mut self, create_hidden: CreateHidden<'_>) -> Result<Filler, Unkept> {
        if !self.may_keep {
            return Err(Unkept::Avoided);
        }
        let CacheRequest { key, max_bytes, .. } = self.request;
        Filler::begin(self.store, key, max_bytes, create_hidden).inspect_err(|_| self.give_up())
    }

    /// Lets those who wait run the command themselves, all at once.
    pub(super) fn give_up(&mut self) {
        if let (Some(locks), Some(_)) = (&self.locks, &self.lock) {
            locks.note_unkept(self.request.key.hash(), &CacheClock::now());
        }
        self.lock = None;
    }

    /// Lets one of those who wait run the command.
    pub(super) fn hand_over(&mut self) {
        self.lock = None;
    }

    /// Keeps the output of a run that has ended, or says why not. Returns its size in the store.
    /// `is_same` says whether the key is still that of the run.
    pub(super) fn conclude(
        &mut self,
        filler: &Filler,
        status: RunStatus,
        is_same: impl FnOnce() -> bool,
    ) -> Result<u64, Unkept> {
        let kept = self.keep(filler, status, is_same);
        match kept {
            Err(Unkept::InputsChanged | Unkept::Trouble(_)) => self.give_up(),
            // What a run prints that begins now can be kept.
            _ => self.hand_over(),
        }
        kept
    }

    fn keep(
        &mut self,
        filler: &Filler,
        status: RunStatus,
        is_same: impl FnOnce() -> bool,
    ) -> Result<u64, Unkept> {
        // Reading the files of the key takes time, in which the store may be cleared.
        if !is_same() {
            return Err(Unkept::InputsChanged);
        }
        if self.is_cleared() {
            return Err(Unkept::Cleared);
        }
        // A refresh that fails must not replace an answer that is still good. The other two say that a
        // command did not run at all.
        let keeps_failures = self.request.keep_failures
            && !self.request.is_background()
            && !matches!(status, RunStatus::Exited(126 | 127));
        if status.succeeded() || keeps_failures {
            return self.publish(filler, status, FileKind::Entry);
        }
        // Those who wait get this failure, and nobody else.
        if self.is_awaited()
            && let Err(Unkept::Trouble(_)) = self.publish(filler, status, FileKind::Failure)
        {
            self.give_up();
        }
        Err(Unkept::Failed)
    }

    /// Whether the store was cleared since the run began.
    fn is_cleared(&self) -> bool {
        self.locks.as_ref().is_some_and(|locks| locks.generation() != self.generation)
    }

    /// Whether others wait for this run.
    fn is_awaited(&self) -> bool {
        let hash = self.request.key.hash();
        let is_held = |locks: &Rc<LockFile>| KeyLock::is_held(locks, KeyByte::Waiting, hash);
        self.lock.is_some() && self.locks.as_ref().is_some_and(is_held)
    }

    fn publish(&self, filler: &Filler, status: RunStatus, kind: FileKind) -> Result<u64, Unkept> {
        let clock = CacheClock::now();
        let began = self.began.now.boot_ms;
        let header = EntryHeader::new(status, self.request.ttl, clock, began);
        let published = filler.publish(header, kind, self.store, self.locks.as_ref());
        let size = published.map_err(Unkept::Trouble)?;
        // A clear begins a generation before it lists the entries. So it lists this one, or its generation
        // is seen here.
        if self.is_cleared() {
            filler.withdraw(kind, self.store);
            return Err(Unkept::Cleared);
        }
        Ok(size)
    }

    /// After a run: removes a failure that nobody waits for any more.
    pub(crate) fn finish(self) {
        let Self { store, request, locks, lock, .. } = self;
        drop(lock);
        if let Some(locks) = locks {
            remove_failure(store, &locks, request.key.hash());
        }
    }
}

/// Removes the failure of a run, unless some still wait for it. The last of them removes it.
pub(super) fn remove_failure(store: &CacheStore, locks: &Rc<LockFile>, hash: u64) {
    if let Some(_lock) = KeyLock::try_exclusive(locks, KeyByte::Waiting, hash)
        && let Ok(dir) = store.to_dir()
    {
        let _ = store.remove(&dir, &FileKind::Failure.name(hash));
    }
}

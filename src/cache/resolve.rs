//! Finds the answer to a request, or the permission to run the command.
//!
//! One process runs the command, and those who ask meanwhile wait for it. A run inside a run never
//! waits: the process that it would wait for may be waiting for it.

use std::rc::Rc;
use std::time::Duration;

use crate::cache::clock::CacheClock;
use crate::cache::entry::CacheEntry;
use crate::cache::error::CacheError;
use crate::cache::lock_file::{KeyByte, KeyLock};
use crate::cache::permit::{Permit, remove_failure};
use crate::cache::request::{Asker, CacheRequest};
use crate::cache::store::{CacheStore, FileKind};
use crate::os::processes;
use crate::sys::ByteLock;

/// What a run printed.
#[derive(Debug)]
pub(crate) struct StoredOutput {
    pub(crate) entry: CacheEntry,
    pub(crate) age: Duration,
    pub(crate) is_stale: bool,
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) enum Answer<'a> {
    /// What a run printed.
    Stored(StoredOutput),
    /// How the run failed that this process has waited for.
    Failed(CacheEntry),
    /// The command has to run.
    Run(Permit<'a>),
    /// Another process refreshes the output, or has refreshed it.
    Refreshed,
}

/// Answers a request. Waits while another process runs the command.
pub(crate) fn resolve<'a>(
    store: &'a CacheStore,
    request: CacheRequest<'a>,
) -> Result<Answer<'a>, CacheError> {
    let asked = CacheClock::now();
    if !request.refresh
        && !request.is_background()
        && let Some(stored) = find_whole(store, &request, &asked, None)?
    {
        return Ok(Answer::Stored(stored));
    }
    let locks = match store.lock_file() {
        Ok(locks) => Rc::new(locks),
        Err(err @ CacheError::UntrustedFile { .. }) => return Err(err),
        // Without the lock, a refresh of each caller would run.
        Err(_) if request.is_background() => return Ok(Answer::Refreshed),
        // Such as in a store that may only be read.
        Err(_) => return Ok(Answer::Run(Permit::new(store, request, None, None))),
    };
    let hash = request.key.hash();
    let lock = KeyLock::try_exclusive(&locks, KeyByte::Run, hash);
    if request.is_background() {
        let stored = find(store, &request, &CacheClock::now(), None)?;
        if lock.is_none() || stored.is_some_and(|stored| !stored.is_stale) {
            return Ok(Answer::Refreshed);
        }
        return Ok(Answer::Run(Permit::new(store, request, Some(locks), lock)));
    }
    let (mut lock, waiting) = match lock {
        None if may_wait(&request) => {
            let waiting = KeyLock::wait(&locks, KeyByte::Waiting, hash, ByteLock::Shared);
            (KeyLock::wait(&locks, KeyByte::Run, hash, ByteLock::Exclusive), waiting)
        }
        lock => (lock, None),
    };
    // Another process may have stored the output since the first look.
    let since = request.refresh.then_some(&asked);
    let stored = find(store, &request, &CacheClock::now(), since)?;
    let failure = match &waiting {
        Some(_) => find_failure(store, &request, &asked)?,
        None => None,
    };
    if stored.is_some() || failure.is_some() {
        // The others that have waited check a large output at the same time.
        drop(lock);
        if let Some(stored) = stored.filter(|stored| stored.entry.is_whole()) {
            return Ok(Answer::Stored(stored));
        }
        if let Some(entry) = failure.filter(CacheEntry::is_whole) {
            drop(waiting);
            remove_failure(store, &locks, hash);
            return Ok(Answer::Failed(entry));
        }
        // It is damaged, and one of them runs the command.
        lock = match KeyLock::try_exclusive(&locks, KeyByte::Run, hash) {
            None if may_wait(&request) => {
                KeyLock::wait(&locks, KeyByte::Run, hash, ByteLock::Exclusive)
            }
            lock => lock,
        };
        if let Some(stored) = find_whole(store, &request, &CacheClock::now(), since)? {
            return Ok(Answer::Stored(stored));
        }
    }
    let is_unkept = waiting.is_some() && locks.is_unkept_since(hash, &asked);
    let lock = lock.filter(|_| !is_unkept);
    let mut permit = Permit::new(store, request, Some(locks), lock);
    permit.may_keep = !is_unkept;
    Ok(Answer::Run(permit))
}

/// Whether nobody can be waiting for this process. A script may have cleared the environment by which a
/// run inside a run is known.
fn may_wait(request: &CacheRequest<'_>) -> bool {
    request.asker == Asker::Caller && !processes::has_ancestor_with_args(&["cache", "run"])
}

/// Finds an entry whose header and key answer the request, of a run that began `since`. Its output may be
/// damaged.
fn find(
    store: &CacheStore,
    request: &CacheRequest<'_>,
    clock: &CacheClock,
    since: Option<&CacheClock>,
) -> Result<Option<StoredOutput>, CacheError> {
    let name = FileKind::Entry.name(request.key.hash());
    let Some(entry) = CacheEntry::open(store, &name)? else { return Ok(None) };
    let header = &entry.header;
    let is_wanted = entry.key() == request.key
        && (header.status.succeeded() || request.keep_failures)
        && since.is_none_or(|since| since.is_before_run(header));
    let age = clock.fresh_age(header, request.ttl).filter(|_| is_wanted);
    Ok(age.map(|age| {
        let is_stale = request.stale.is_some_and(|stale| age >= stale);
        StoredOutput { entry, age, is_stale }
    }))
}

/// Does the same, and checks the output.
fn find_whole(
    store: &CacheStore,
    request: &CacheRequest<'_>,
    clock: &CacheClock,
    since: Option<&CacheClock>,
) -> Result<Option<StoredOutput>, CacheError> {
    Ok(find(store, request, clock, since)?.filter(|stored| stored.entry.is_whole()))
}

/// Finds the failure of a run that ended after this process had begun to wait. If the user asks for a
/// refresh, it must have begun after that, too. Its output may be damaged.
fn find_failure(
    store: &CacheStore,
    request: &CacheRequest<'_>,
    asked: &CacheClock,
) -> Result<Option<CacheEntry>, CacheError> {
    let name = FileKind::Failure.name(request.key.hash());
    let entry = CacheEntry::open(store, &name)?.filter(|entry| {
        let header = &entry.header;
        let is_new =
            if request.refresh { asked.is_before_run(header) } else { asked.is_before(header) };
        entry.key() == request.key && is_new
    });
    Ok(entry)
}

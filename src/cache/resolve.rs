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

/// The answer to a request.
#[derive(Debug)]
pub(crate) enum Answer<'a> {
    /// What a run printed.
    Stored { entry: CacheEntry, age: Duration, is_stale: bool },
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
        && let Some(stored) = find(store, &request, &asked, None)?
    {
        return Ok(stored);
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
    let first = KeyLock::try_exclusive(&locks, KeyByte::Run, hash);
    let (lock, waiting) = match first {
        None if request.is_background() => return Ok(Answer::Refreshed),
        None if may_wait(&request) => {
            let waiting = KeyLock::wait(&locks, KeyByte::Waiting, hash, ByteLock::Shared);
            (KeyLock::wait(&locks, KeyByte::Run, hash, ByteLock::Exclusive), waiting)
        }
        lock => (lock, None),
    };
    // Another process may have stored the output since the first look.
    let since = request.refresh.then_some(&asked);
    let clock = CacheClock::now();
    match find(store, &request, &clock, since)? {
        Some(Answer::Stored { is_stale: false, .. }) if request.is_background() => {
            return Ok(Answer::Refreshed);
        }
        Some(stored) if !request.is_background() => return Ok(stored),
        _ => {}
    }
    if waiting.is_some()
        && let Some(entry) = find_failure(store, &request, &asked)?
    {
        drop((lock, waiting));
        remove_failure(store, &locks, hash);
        return Ok(Answer::Failed(entry));
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

/// Finds an entry that answers the request: of a run that began `since`.
pub(super) fn find<'a>(
    store: &CacheStore,
    request: &CacheRequest<'_>,
    clock: &CacheClock,
    since: Option<&CacheClock>,
) -> Result<Option<Answer<'a>>, CacheError> {
    let name = FileKind::Entry.name(request.key.hash());
    let Some(entry) = CacheEntry::open(store, &name)? else { return Ok(None) };
    let header = &entry.header;
    let is_wanted = entry.key() == request.key
        && (header.status.succeeded() || request.keep_failures)
        && since.is_none_or(|since| since.is_before_run(header));
    let Some(age) = clock.fresh_age(header, request.ttl).filter(|_| is_wanted) else {
        return Ok(None);
    };
    if !entry.is_whole() {
        return Ok(None);
    }
    let is_stale = request.stale.is_some_and(|stale| age >= stale);
    Ok(Some(Answer::Stored { entry, age, is_stale }))
}

/// Finds the failure of a run that ended after this process had begun to wait. If the user asks for a
/// refresh, it must have begun after that, too.
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
        entry.key() == request.key && is_new && entry.is_whole()
    });
    Ok(entry)
}

//! Reads leases, and locks those that are to be reclaimed.
//!
//! [`Store::records`] and [`read`] probe the lock and never acquire it, so they never block a
//! cleanup. A cleanup acquires the lock ([`lock`]), and then reads the lease again: it may have
//! changed since the first look.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::vec;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, openat, unlinkat};
use rustix::io::Errno;

use crate::lease::record::{Record, Unreadable};
use crate::lease::store::Store;
use crate::os::effective_user;
use crate::sys;

/// The content of a lease file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Record(Box<Record>),
    /// The creator was killed before it wrote anything, and so before it created any resource.
    Empty,
    Unreadable(Unreadable),
}

/// A lease as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeaseSnapshot {
    pub content: Content,
    /// Whether a process holds the lock.
    pub locked: bool,
}

/// A lease that this process has locked.
#[derive(Debug)]
pub(crate) struct LockedLease<'a> {
    store: &'a Store,
    id: &'a str,
    file: OwnedFd,
}

impl Store {
    /// Reads all leases, oldest first.
    pub(crate) fn records(&self) -> io::Result<Records<'_, vec::IntoIter<String>>> {
        Ok(self.records_of(self.ids()?))
    }

    /// Reads the leases with these ids, in this order.
    pub(crate) fn records_of<I>(&self, ids: I) -> Records<'_, I::IntoIter>
    where
        I: IntoIterator<Item = String>,
    {
        Records { store: self, ids: ids.into_iter() }
    }
}

/// Leases of a store with their ids, each read when the iterator reaches it. A lease that has been
/// removed by then is skipped.
pub(crate) struct Records<'a, I> {
    store: &'a Store,
    ids: I,
}

impl<I: Iterator<Item = String>> Iterator for Records<'_, I> {
    type Item = (String, io::Result<LeaseSnapshot>);

    fn next(&mut self) -> Option<Self::Item> {
        self.ids.find_map(|id| match read(self.store, &id) {
            Ok(None) => None,
            Ok(Some(snapshot)) => Some((id, Ok(snapshot))),
            Err(err) => Some((id, Err(err))),
        })
    }
}

/// Reads a lease. Returns `None` if it does not exist any more.
pub(crate) fn read(store: &Store, id: &str) -> io::Result<Option<LeaseSnapshot>> {
    let Some(file) = open(store, id)? else {
        return Ok(None);
    };
    let locked = sys::is_locked(file.as_fd())?;
    Ok(Some(LeaseSnapshot { content: content(id, &file)?, locked }))
}

/// Locks a lease. Returns `None` if another process holds the lock, or if the lease does not exist any
/// more.
pub(crate) fn lock<'a>(store: &'a Store, id: &'a str) -> io::Result<Option<LockedLease<'a>>> {
    let Some(file) = open(store, id)? else {
        return Ok(None);
    };
    // The process that held the lock before may have removed the file.
    if sys::try_lock(file.as_fd())? && fstat(&file)?.st_nlink > 0 {
        Ok(Some(LockedLease { store, id, file }))
    } else {
        Ok(None)
    }
}

impl<'a> LockedLease<'a> {
    pub(super) fn new(store: &'a Store, id: &'a str, file: OwnedFd) -> Self {
        Self { store, id, file }
    }

    /// Reads the content. No other process can change it while the lease is locked.
    pub(crate) fn content(&self) -> io::Result<Content> {
        content(self.id, &self.file)
    }

    /// Deletes the lease. Its resources must have been removed before.
    pub(crate) fn delete(self) -> io::Result<()> {
        delete(self.store, self.id)
    }
}

/// Deletes a lease, whether or not it is locked.
pub(crate) fn delete(store: &Store, id: &str) -> io::Result<()> {
    match unlinkat(store.dir(), id, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(err) => Err(err.into()),
    }
}

fn open(store: &Store, id: &str) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match openat(store.dir(), id, flags, Mode::empty()) {
        Ok(file) => Ok(Some(file)),
        Err(Errno::NOENT) => Ok(None),
        Err(err) => Err(err.into()),
    }
}

fn content(id: &str, file: &OwnedFd) -> io::Result<Content> {
    let stat = fstat(file)?;
    let ours = stat.st_uid == effective_user();
    if !ours || FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(Content::Unreadable(Unreadable::Damaged));
    }
    let mut bytes = vec![0; usize::try_from(stat.st_size).unwrap_or(0)];
    let mut filled = 0;
    while filled < bytes.len() {
        let at = u64::try_from(filled).unwrap_or(u64::MAX);
        match rustix::io::pread(file, &mut bytes[filled..], at) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(err) => return Err(err.into()),
        }
    }
    bytes.truncate(filled);
    if bytes.is_empty() {
        return Ok(Content::Empty);
    }
    Ok(match Record::parse(id, &bytes) {
        Ok(record) => Content::Record(Box::new(record)),
        Err(unreadable) => Content::Unreadable(unreadable),
    })
}

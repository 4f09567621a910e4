//! Reads leases, and locks those that are to be reclaimed.
//!
//! [`Store::records`] and [`read`] probe the lock and never acquire it, so they never block a
//! cleanup. A cleanup acquires the lock ([`lock`]), and then reads the lease again: it may have
//! changed since the first look.

use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;
use std::{io, vec};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, SeekFrom, Stat, StatxFlags, StatxTimestamp, fstat, openat,
    seek, statat, statx, unlinkat,
};
use rustix::io::{Errno, pwrite};

use crate::fs::rw::{read_at, write_all};
use crate::lease::format::{self, COMMIT_OFFSET, End, Parsed};
use crate::lease::id;
use crate::lease::record::{Event, Record, Unreadable};
use crate::lease::store::{Provenance, Store};
use crate::os::{Moment, effective_user};
use crate::sys;

/// No lease is longer. One with 58,000 names had 4 MB.
const MAX_BYTES: u64 = 64 << 20;

/// The mode of a lease whose lock commands inherit. It has content, so if it is empty, a command has
/// emptied it.
pub(super) const MODE_OF_SHARED: u32 = 0o1700;

/// The longest time from the creation of a lease to its first write. A kill in that write may leave an
/// empty file with the time of the write.
const FIRST_WRITE: Duration = Duration::from_millis(100);

/// How often a lease is read again that changes while it is read.
const MAX_READS: u32 = 8;

/// The content of a lease file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Record(Box<Record>),
    /// The creator was killed before it had written an intent, and so before it created any resource.
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
    /// What it holds, if that is known without the file.
    text: Option<&'a [u8]>,
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
    let file = match open(store, id) {
        Ok(Some(file)) => file,
        Ok(None) => return Ok(None),
        Err(_) if is_no_file(store, id) => {
            let content = Content::Unreadable(Unreadable::Damaged);
            return Ok(Some(LeaseSnapshot { content, locked: false }));
        }
        Err(err) => return Err(err),
    };
    let locked = sys::is_locked(file.as_fd())?;
    Ok(Some(LeaseSnapshot { content: content(store, id, &file)?.0, locked }))
}

/// Locks a lease. Returns `None` if another process holds the lock, or if the lease does not exist any
/// more.
pub(crate) fn lock<'a>(store: &'a Store, id: &'a str) -> io::Result<Option<LockedLease<'a>>> {
    let Some(file) = open(store, id)? else {
        return Ok(None);
    };
    // The process that held the lock before may have removed the file.
    if sys::try_lock(file.as_fd())? && fstat(&file)?.st_nlink > 0 {
        Ok(Some(LockedLease { store, id, file, text: None }))
    } else {
        Ok(None)
    }
}

impl<'a> LockedLease<'a> {
    pub(super) fn new(
        store: &'a Store,
        id: &'a str,
        file: OwnedFd,
        text: Option<&'a [u8]>,
    ) -> Self {
        Self { store, id, file, text }
    }

    /// Reads the content. No other process can change it while the lease is locked.
    pub(crate) fn content(&self) -> io::Result<Content> {
        match self.text {
            Some(text) => Ok(content_of(self.store, self.id, text).0),
            None => Ok(content(self.store, self.id, &self.file)?.0),
        }
    }

    /// Adds a line. Does nothing to a lease of an earlier format, which is never written to.
    pub(crate) fn append(&self, event: &Event) -> io::Result<()> {
        let (Content::Record(record), Some(mut end)) = content(self.store, self.id, &self.file)?
        else {
            return Ok(());
        };
        let mut line = Vec::new();
        let before = end;
        end.push_event(&mut line, event)?;
        seek(&self.file, SeekFrom::Start(before.length))?;
        write_lines(&self.file, &line, before, end)?;
        if record.header.committed { write_commit(&self.file, end) } else { Ok(()) }
    }

    /// Deletes the lease. Its resources must have been removed before.
    pub(crate) fn delete(self) -> io::Result<()> {
        match unlinkat(self.store.dir(), self.id, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(err) => Err(err.into()),
        }
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

/// Whether an entry that cannot be opened is no file: a directory, a symlink, a socket, or a device whose
/// driver is missing or which the mount or a container forbids to open.
fn is_no_file(store: &Store, id: &str) -> bool {
    let stat = statat(store.dir(), id, AtFlags::SYMLINK_NOFOLLOW);
    stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile)
}

/// Reads the content of a lease file, and where its whole lines end if they are of the present format.
fn content(store: &Store, id: &str, file: &OwnedFd) -> io::Result<(Content, Option<End>)> {
    let stat = fstat(file)?;
    if !is_whole(&stat) {
        return Ok((Content::Unreadable(Unreadable::Damaged), None));
    }
    let mut bytes = read_all(file, stat.st_size)?;
    let mut read = content_of(store, id, &bytes);
    // Its holder may have written to it while it was read.
    for _ in 0..MAX_READS {
        if !matches!(read.0, Content::Unreadable(_)) {
            break;
        }
        let again = read_all(file, fstat(file)?.st_size)?;
        if again == bytes {
            break;
        }
        read = content_of(store, id, &again);
        bytes = again;
    }
    if bytes.is_empty() && !(was_never_written(file)? && id::is_of_this_boot(id, Moment::now())) {
        // A command has emptied it, or a crash of the system lost its bytes.
        read.0 = Content::Unreadable(Unreadable::Damaged);
    }
    Ok(read)
}

fn content_of(store: &Store, id: &str, bytes: &[u8]) -> (Content, Option<End>) {
    if bytes.is_empty() {
        return (Content::Empty, None);
    }
    match parse(store, id, bytes) {
        Ok(Parsed::Record(record, end)) => (Content::Record(Box::new(record)), Some(end)),
        Ok(Parsed::Earlier(record)) => (Content::Record(Box::new(record)), None),
        Ok(Parsed::NothingCreated) => (Content::Empty, None),
        Err(unreadable) => (Content::Unreadable(unreadable), None),
    }
}

/// Whether an empty file has been empty since its creation, as far as its filesystem records that.
fn was_never_written(file: &OwnedFd) -> io::Result<bool> {
    if fstat(file)?.st_mode & 0o7777 == MODE_OF_SHARED {
        return Ok(false);
    }
    let mask = StatxFlags::BTIME | StatxFlags::MTIME | StatxFlags::SIZE;
    let stat = match statx(file, c"", AtFlags::EMPTY_PATH, mask) {
        Ok(stat) => stat,
        // Some sandboxes do not know statx.
        Err(Errno::NOSYS | Errno::PERM) => return Ok(true),
        Err(err) => return Err(err.into()),
    };
    let knows_birth = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
    // Its creator may be writing to it just now.
    let is_written = stat.stx_size > 0;
    let nanoseconds =
        |time: StatxTimestamp| i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
    let between = nanoseconds(stat.stx_mtime) - nanoseconds(stat.stx_btime);
    Ok(is_written || !knows_birth || between.abs() <= FIRST_WRITE.as_nanos().cast_signed())
}

fn read_all(file: &OwnedFd, length: i64) -> io::Result<Vec<u8>> {
    let length = u64::try_from(length).unwrap_or(0).min(MAX_BYTES);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let length = read_at(file, &mut bytes, 0)?.len();
    bytes.truncate(length);
    Ok(bytes)
}

/// Parses the content of the lease `id`. It counts only in the directory and under the name that it was
/// written for: whoever brings a directory of leases from elsewhere may have written anything.
fn parse(store: &Store, id: &str, bytes: &[u8]) -> Result<Parsed, Unreadable> {
    let mut parsed = format::parse(bytes)?;
    match &mut parsed {
        Parsed::Record(record, _) | Parsed::Earlier(record) if record.header.id != id => {
            return Err(Unreadable::Damaged);
        }
        Parsed::Record(record, _) => match store.provenance_of(record.header.store.as_ref()) {
            Provenance::Here => {}
            Provenance::Elsewhere => return Err(Unreadable::Elsewhere),
            Provenance::Unknown => record.distrust_names(),
        },
        Parsed::Earlier(_) if store.may_be_brought() => return Err(Unreadable::Elsewhere),
        Parsed::Earlier(_) | Parsed::NothingCreated => {}
    }
    Ok(parsed)
}

/// Writes lines at the end of a lease file, where the descriptor is, whole or not at all: half a line
/// would hide later ones.
pub(super) fn write_lines(file: &OwnedFd, lines: &[u8], start: End, end: End) -> io::Result<()> {
    if end.length > MAX_BYTES {
        return Err(Errno::FBIG.into());
    }
    let written = write_all(file.as_fd(), lines);
    if written.is_err() {
        rustix::fs::ftruncate(file, start.length)?;
        seek(file, SeekFrom::Start(start.length))?;
    }
    written
}

/// Records that the caller has the paths, and where the lease ends.
pub(super) fn write_commit(file: &OwnedFd, end: End) -> io::Result<()> {
    // In one call: a lease with half of it is damaged.
    match pwrite(file, &end.commit_mark(), COMMIT_OFFSET)? {
        16 => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// Whether only tmpx can have written the file: it is a regular file of ours with one name, nobody
/// else can open it, and it is no longer than any lease. An ager spares a file with the sticky bit.
/// An empty file says nothing, so its mode does not matter: a creator with an unusual umask may have
/// been killed before it set the mode.
fn is_whole(stat: &Stat) -> bool {
    let is_own_file = stat.st_uid == effective_user()
        && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    let is_private =
        stat.st_size == 0 || matches!(stat.st_mode & 0o7777, 0o600 | 0o1600 | MODE_OF_SHARED);
    // A file that has just been removed has no name.
    let is_short = u64::try_from(stat.st_size).is_ok_and(|size| size <= MAX_BYTES);
    is_own_file && is_private && stat.st_nlink <= 1 && is_short
}

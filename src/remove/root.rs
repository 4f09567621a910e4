//! The only place that deletes.
//!
//! [`Root::open`] opens what a name stands for without following it, so that the caller can judge
//! it (its type, its owner, its identity) and then remove that very thing: a directory is emptied
//! through the descriptor that was judged. Only the last step goes by name, and it can do no more
//! than remove a name: see "Deleting" in ARCHITECTURE.md for why that gap is harmless.
//!
//! Nothing here follows a symlink or enters a mount point.

use crate::remove::open;
pub(crate) use crate::remove::open::readable;

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use rustix::fs::{AtFlags, CWD, FileType, Statx, StatxFlags, fstat, lstat, statx, unlinkat};

use crate::fs::dir::c_name;
use crate::fs::{Dir, Identity};
use crate::remove::pool::Pool;
use crate::remove::walk::Walk;

/// Whether the tree is removed, or only looked at as a removal would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Remove.
    Remove,
    /// Count what removing would free, and change nothing.
    DryRun,
}

/// What is asked of a removal.
#[derive(Clone, Copy, Debug)]
pub struct Removal<'a> {
    /// Whether anything is removed.
    pub mode: Mode,
    /// Whether the bytes that are freed matter: they cost a statx(2) for each file.
    pub count_bytes: bool,
    /// Where others see how far it is.
    pub progress: Option<&'a RemovalProgress>,
}

impl Removal<'_> {
    /// One whose bytes and progress nobody wants to know.
    pub const PLAIN: Self = Self { mode: Mode::Remove, count_bytes: false, progress: None };
    /// One that only counts what it would remove.
    pub const DRY: Self = Self { mode: Mode::DryRun, count_bytes: true, progress: None };

    pub(crate) fn counts_bytes(&self) -> bool {
        self.count_bytes || self.mode == Mode::DryRun
    }
}

/// How far a removal is, for other threads to look at.
#[derive(Debug, Default)]
pub struct RemovalProgress {
    entries: AtomicU64,
    bytes: AtomicU64,
}

impl RemovalProgress {
    /// What has been removed so far.
    pub fn freed(&self) -> Usage {
        let [entries, bytes] = [&self.entries, &self.bytes].map(|count| count.load(Relaxed));
        Usage { entries, bytes }
    }

    pub(crate) fn add(&self, freed: Usage) {
        self.entries.fetch_add(freed.entries, Relaxed);
        self.bytes.fetch_add(freed.bytes, Relaxed);
    }
}

/// What was removed, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Directory entries.
    pub entries: u64,
    /// Bytes of storage, as du(1) counts them; a file with another hard link frees none, and of two
    /// that go at the same moment neither may be seen to be the last. None where they were not asked for.
    pub bytes: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.entries += other.entries;
        self.bytes += other.bytes;
    }
}

/// What could not be removed.
#[derive(Debug)]
pub struct Failure {
    /// Which entry.
    pub path: PathBuf,
    /// Why.
    pub cause: io::Error,
}

/// How a removal went.
#[derive(Debug, Default)]
pub struct RemovalOutcome {
    /// What is gone.
    pub freed: Usage,
    /// What is not, the first [`Outcome::MOST_FAILURES`] of it in the order of their paths.
    pub failures: Vec<Failure>,
    /// How many more failures there were.
    pub more_failures: u64,
}

impl RemovalOutcome {
    /// How many failures are kept with their paths.
    pub const MAX_FAILURES: usize = 20;

    /// Whether everything is gone.
    pub fn is_complete(&self) -> bool {
        self.failures.is_empty()
    }

    pub(crate) fn fail(&mut self, path: PathBuf, cause: io::Error) {
        let at = self.failures.binary_search_by(|failure| failure.path.cmp(&path));
        // What is there already has been told.
        let Err(at) = at else { return };
        self.failures.insert(at, Failure { path, cause });
        if self.failures.len() > Self::MAX_FAILURES {
            self.failures.pop();
            self.more_failures += 1;
        }
    }

    /// Adds how another part of the same removal went.
    pub(crate) fn add(&mut self, other: Self) {
        self.freed += other.freed;
        self.more_failures += other.more_failures;
        for Failure { path, cause } in other.failures {
            self.fail(path, cause);
        }
    }
}

/// An entry that may be removed, opened and not yet judged.
#[derive(Debug)]
pub struct Root<'a> {
    parent: &'a Dir,
    name: CString,
    path: PathBuf,
    stat: Statx,
    dir: Option<OwnedFd>,
}

impl<'a> Root<'a> {
    /// Opens the entry `name` of `parent`.
    pub fn open(parent: &'a Dir, name: &OsStr) -> io::Result<Self> {
        let path = parent.join(name);
        let name = c_name(name)?;
        let mut stat = stat_entry(parent.as_fd(), &name)?;
        let dir = if is_dir(&stat) {
            let dir = open::path_only(parent.as_fd(), &name)?;
            stat = stat_fd(dir.as_fd())?;
            Some(dir)
        } else {
            None
        };
        Ok(Self { parent, name, path, stat, dir })
    }

    /// Its type.
    pub fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.stat.stx_mode.into())
    }

    /// The user it belongs to.
    pub fn owner(&self) -> u32 {
        self.stat.stx_uid
    }

    /// Its permission bits.
    pub fn mode(&self) -> u32 {
        u32::from(self.stat.stx_mode) & 0o7777
    }

    /// Its path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is the very thing that was recorded.
    pub fn is(&self, identity: &Identity, same_boot: bool) -> io::Result<bool> {
        let fsid = self.parent.fsid();
        match &self.dir {
            Some(dir) => identity.is(dir, c"", fsid, same_boot),
            None => identity.is(self.parent, &self.name, fsid, same_boot),
        }
    }

    /// Removes it, a directory with all that is in it, or measures what that would free.
    pub fn remove(self, removal: Removal<'_>) -> RemovalOutcome {
        let mut outcome = RemovalOutcome::default();
        let removed = match (&self.dir, removal.mode) {
            (Some(dir), act) => match open::readable(dir, act == Mode::Remove) {
                Ok(fd) => {
                    let pool = Pool::new(removal, self.parent.as_fd());
                    let newest = fd.as_raw_fd();
                    return pool.remove_tree(Walk::new(self.name, self.path, fd), newest);
                }
                Err(_) if act == Mode::DryRun => Ok(()),
                Err(err) => Err(err),
            },
            (None, Mode::Remove) => {
                unlinkat(self.parent, &self.name, AtFlags::empty()).map_err(io::Error::from)
            }
            (None, Mode::DryRun) => Ok(()),
        };
        match removed {
            Ok(()) => {
                outcome.freed = Usage { entries: 1, bytes: bytes(&self.stat) };
                if let Some(progress) = removal.progress {
                    progress.add(outcome.freed);
                }
            }
            Err(err) if err.raw_os_error() == Some(libc::ENOENT) => {}
            Err(err) => outcome.fail(self.path, err),
        }
        outcome
    }
}

/// Removes one entry of a directory by its name, and nothing that is in it: a directory must be empty.
pub(crate) fn entry(place: &Dir, name: &OsStr, is_dir: bool) -> io::Result<()> {
    let flags = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    Ok(unlinkat(place, name, flags)?)
}

/// Takes back what was made at `path` a moment ago, and of which nobody was told: a file that is
/// still the one behind `file`, or an empty directory. What went wrong is nobody's concern: there
/// is nobody left to tell.
pub(crate) fn remove_created(path: &CStr, file: Option<&OwnedFd>) {
    let Some(file) = file else {
        let _ = unlinkat(CWD, path, AtFlags::REMOVEDIR);
        return;
    };
    if let (Ok(made), Ok(there)) = (fstat(file), lstat(path))
        && (made.st_dev, made.st_ino) == (there.st_dev, there.st_ino)
    {
        let _ = unlinkat(CWD, path, AtFlags::empty());
    }
}

const WANTED: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::MODE)
    .union(StatxFlags::NLINK)
    .union(StatxFlags::UID)
    .union(StatxFlags::INO)
    .union(StatxFlags::BTIME)
    .union(StatxFlags::BLOCKS);

pub(crate) fn stat_entry(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<Statx> {
    Ok(statx(dir, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, WANTED)?)
}

pub(crate) fn stat_fd(fd: BorrowedFd<'_>) -> io::Result<Statx> {
    Ok(statx(fd, c"", AtFlags::EMPTY_PATH, WANTED)?)
}

/// What removing this name frees.
pub(crate) fn bytes(stat: &Statx) -> u64 {
    if stat.stx_nlink == 1 && !is_dir(stat) { stat.stx_blocks.saturating_mul(512) } else { 0 }
}

pub(crate) fn is_dir(stat: &Statx) -> bool {
    crate::fs::dir::is_directory(stat.stx_mode.into())
}

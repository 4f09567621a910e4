//! The only place that deletes.
//!
//! [`Root::open`] opens what a name stands for without following it, so that the caller can judge
//! it (its type, its owner, its identity) and then remove that very thing: a directory is emptied
//! through the descriptor that was judged. Only the last step goes by name, and it can do no more
//! than remove a name: see "Deleting" in ARCHITECTURE.md for why that gap is harmless.
//!
//! Nothing here follows a symlink or enters a mount point.

mod open;
mod tree;

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Statx, StatxFlags, fstat, lstat, statx, unlinkat};

use crate::identity::Identity;
use crate::place::{Place, c_name};

/// Whether the tree is removed, or only looked at as a removal would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Remove.
    Remove,
    /// Count what removing would free, and change nothing.
    Measure,
}

/// What was removed, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// Directory entries.
    pub entries: u64,
    /// Bytes of storage, as du(1) counts them; a file with another hard link frees none.
    pub bytes: u64,
}

impl Freed {
    fn count(&mut self, stat: &Statx) {
        self.entries += 1;
        if stat.stx_nlink == 1 && !is_dir(stat) {
            self.bytes += stat.stx_blocks * 512;
        }
    }
}

impl std::ops::AddAssign for Freed {
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
pub struct Outcome {
    /// What is gone.
    pub freed: Freed,
    /// What is not, the first [`Outcome::MOST_FAILURES`] of it.
    pub failures: Vec<Failure>,
    /// How many more failures there were.
    pub more_failures: u64,
}

impl Outcome {
    /// How many failures are kept with their paths.
    pub const MOST_FAILURES: usize = 20;

    /// Whether everything is gone.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failures.is_empty()
    }

    fn fail(&mut self, path: PathBuf, cause: io::Error) {
        if self.failures.iter().any(|failure| failure.path == path) {
            return;
        }
        if self.failures.len() < Self::MOST_FAILURES {
            self.failures.push(Failure { path, cause });
        } else {
            self.more_failures += 1;
        }
    }
}

/// An entry that may be removed, opened and not yet judged.
#[derive(Debug)]
pub struct Root<'a> {
    parent: &'a Place,
    name: CString,
    path: PathBuf,
    stat: Statx,
    dir: Option<OwnedFd>,
}

impl<'a> Root<'a> {
    /// Opens the entry `name` of `parent`.
    ///
    /// # Errors
    /// ENOENT where there is none; an error of its own where it is a mount point.
    pub fn open(parent: &'a Place, name: &OsStr) -> io::Result<Self> {
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
    #[must_use]
    pub fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.stat.stx_mode.into())
    }

    /// The user it belongs to.
    #[must_use]
    pub fn owner(&self) -> u32 {
        self.stat.stx_uid
    }

    /// Its permission bits.
    #[must_use]
    pub fn mode(&self) -> u32 {
        u32::from(self.stat.stx_mode) & 0o7777
    }

    /// Its path, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is the very thing that was recorded.
    ///
    /// # Errors
    /// As [`Identity::is`].
    pub fn is(&self, identity: &Identity, same_boot: bool) -> io::Result<bool> {
        let fsid = self.parent.fsid();
        match &self.dir {
            Some(dir) => identity.is(dir, c"", fsid, same_boot),
            None => identity.is(self.parent, &self.name, fsid, same_boot),
        }
    }

    /// Removes it, a directory with all that is in it, or measures what that would free.
    #[must_use]
    pub fn remove(self, act: Act) -> Outcome {
        let mut outcome = Outcome::default();
        if let Some(dir) = self.dir {
            let parent = self.parent.as_fd();
            tree::remove(parent, &self.name, &self.path, &dir, act, &mut outcome);
            return outcome;
        }
        let unlinked = match act {
            Act::Remove => unlinkat(self.parent, &self.name, AtFlags::empty()),
            Act::Measure => Ok(()),
        };
        match unlinked {
            Ok(()) => outcome.freed.count(&self.stat),
            Err(rustix::io::Errno::NOENT) => {}
            Err(err) => outcome.fail(self.path, err.into()),
        }
        outcome
    }
}

/// Removes one entry of a directory by its name, and nothing that is in it: a directory must be empty.
///
/// # Errors
/// As unlinkat(2).
pub fn entry(place: &Place, name: &OsStr, is_dir: bool) -> io::Result<()> {
    let flags = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    Ok(unlinkat(place, name, flags)?)
}

/// Takes back what was made at `path` a moment ago, and of which nobody was told: a file that is
/// still the one behind `file`, or an empty directory. What went wrong is nobody's concern: there
/// is nobody left to tell.
pub fn take_back(path: &CStr, file: Option<&OwnedFd>) {
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
    .union(StatxFlags::BLOCKS);

fn stat_entry(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<Statx> {
    Ok(statx(dir, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, WANTED)?)
}

fn stat_fd(fd: BorrowedFd<'_>) -> io::Result<Statx> {
    Ok(statx(fd, c"", AtFlags::EMPTY_PATH, WANTED)?)
}

fn is_dir(stat: &Statx) -> bool {
    crate::place::is_directory(stat.stx_mode.into())
}

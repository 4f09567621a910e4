//! One directory on the way of a walk, and what is known of it.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::Statx;

use super::crew::Debt;
use super::stat_fd;

/// How far a directory has been read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// There may be more.
    NotToEnd,
    /// To its end, it is assumed: the kernel had room for more and gave none.
    AsItSeems,
    /// To its end.
    ToEnd,
}

/// One directory on the way from the root to where the walk is.
pub(super) struct Level {
    /// Its name in the level above.
    pub(super) name: CString,
    /// Open, or given back to stay below the bound.
    pub(super) fd: Option<Arc<OwnedFd>>,
    /// Which directory it is, if it was given back: device and inode.
    pub(super) key: Option<(u32, u32, u64)>,
    /// Subdirectories still to be removed.
    pub(super) noted: Vec<CString>,
    /// What others do of it.
    pub(super) debt: Option<Arc<Debt>>,
    /// How far it has been read.
    pub(super) read: Read,
    /// Whether the position in it was lost: reading goes over what was lent again.
    pub(super) lost: bool,
    /// Whether something in it could not be removed.
    pub(super) failed: bool,
    /// How often it has been begun again since anything in it was removed.
    pub(super) rewinds: u32,
    /// How much had been removed when it was begun again last.
    pub(super) removed: u64,
}

impl Level {
    pub(super) fn new(name: CString, fd: Arc<OwnedFd>, read: Read) -> Self {
        Self {
            name,
            fd: Some(fd),
            key: None,
            noted: Vec::new(),
            debt: None,
            read,
            lost: false,
            failed: false,
            rewinds: 0,
            removed: 0,
        }
    }

    /// Gives back its descriptor; one that could not be told again keeps it.
    pub(super) fn give_back(&mut self) -> bool {
        let Some(stat) = self.fd.as_ref().and_then(|fd| stat_fd(fd.as_fd()).ok()) else {
            return false;
        };
        self.key = Some(key(&stat));
        self.fd = None;
        true
    }

    /// Whether it still has a name anywhere.
    pub(super) fn is_somewhere(&self) -> bool {
        let stat = self.fd.as_ref().and_then(|fd| stat_fd(fd.as_fd()).ok());
        stat.is_some_and(|stat| stat.stx_nlink > 0)
    }

    /// Whether reading goes on before it can be left. What failed would keep it from being removed,
    /// which is how a wrong assumption shows.
    pub(super) fn wants_reading(&self) -> bool {
        let would_meet_others = self.lost && self.debt.is_some();
        let is_due = match self.read {
            Read::NotToEnd => true,
            Read::AsItSeems => self.failed,
            Read::ToEnd => false,
        };
        is_due && self.fd.is_some() && !would_meet_others
    }
}

/// What tells a directory from others: device and inode.
pub(super) fn key(stat: &Statx) -> (u32, u32, u64) {
    (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino)
}

/// The path of the last of some levels, of which the first one has this path.
pub(super) fn path<'a>(root: &Path, levels: impl Iterator<Item = &'a Level>) -> PathBuf {
    let names = levels.skip(1).map(|level| OsStr::from_bytes(level.name.to_bytes()));
    names.fold(root.to_owned(), |path, name| path.join(name))
}

/// Why a directory is not where it was left.
pub(super) fn moved() -> io::Error {
    io::Error::other("it was moved while it was being removed")
}

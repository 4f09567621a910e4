//! One directory on the way of a walk, and what is known of it.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{SeekFrom, Statx, seek};

use crate::remove::pool::Join;
pub(crate) use crate::remove::root::{stat_entry, stat_fd};

/// How often a directory is read again from its beginning before somebody else is taken to be
/// filling it, or what is found again cannot be removed.
pub(super) const MAX_REWINDS: u32 = 64;

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
pub(super) struct DirFrame {
    /// Its name in the level above.
    pub(super) name: CString,
    /// Open, or given back to stay below the bound.
    pub(super) fd: Option<Arc<OwnedFd>>,
    /// Which directory it is, if it was given back.
    pub(super) key: Option<Key>,
    /// Where in it the descriptor stood that was given back.
    pub(super) position: u64,
    /// Subdirectories still to be removed.
    pub(super) noted: Vec<CString>,
    /// What others do of it.
    pub(super) join: Option<Arc<Join>>,
    /// How far it has been read.
    pub(super) read: Read,
    /// Whether something in it could not be removed.
    pub(super) failed: bool,
    /// Whether reading went on at a position that was noted.
    pub(super) sought: bool,
    /// Whether it, or one above it, is read a second time although something failed: that has been
    /// told.
    pub(super) again: bool,
    /// How often it has been begun again.
    pub(super) rewinds: u32,
}

impl DirFrame {
    pub(super) fn new(name: CString, fd: Arc<OwnedFd>, read: Read) -> Self {
        Self {
            name,
            fd: Some(fd),
            key: None,
            position: 0,
            noted: Vec::new(),
            join: None,
            read,
            failed: false,
            sought: false,
            again: false,
            rewinds: 0,
        }
    }

    /// Notes how far it has been read. That there is no more is only assumed where removing it would
    /// show otherwise, and not again where that has turned out wrong: most directories are small, and
    /// to be told so costs a call for each.
    pub(super) fn record_read(&mut self, read: Read, changes: bool) {
        let may_assume = changes && !self.failed && self.rewinds == 0;
        self.read = match read {
            Read::AsItSeems if !may_assume => Read::NotToEnd,
            read => read,
        };
    }

    /// Gives back its descriptor; one that could not be told again keeps it.
    pub(super) fn close_fd(&mut self) -> bool {
        let Some(fd) = &self.fd else { return false };
        let position = match self.read {
            Read::ToEnd => Ok(0),
            Read::NotToEnd | Read::AsItSeems => seek(fd, SeekFrom::Current(0)),
        };
        let (Ok(stat), Ok(position)) = (stat_fd(fd.as_fd()), position) else { return false };
        self.key = Some(key(&stat));
        self.position = position;
        self.fd = None;
        true
    }

    /// Takes a descriptor for the one that was given back, and goes on reading where that one stood.
    pub(super) fn reopen_with(&mut self, fd: OwnedFd) {
        if self.read != Read::ToEnd && self.position > 0 {
            self.sought = true;
            if seek(&fd, SeekFrom::Start(self.position)).is_err() {
                // It begins again, which a bound has to end if what is found again cannot be removed.
                self.rewinds += 1;
            }
            if self.rewinds >= MAX_REWINDS {
                self.read = Read::ToEnd;
            }
        }
        self.fd = Some(Arc::new(fd));
    }

    /// Has it read again from its beginning, once, where something may have been passed over and its
    /// removal would not show that, since something failed: there are filesystems whose positions
    /// count the entries that are left.
    pub(super) fn rewind_once(&mut self) -> bool {
        let is_due = self.failed && self.sought && !self.again;
        let fd = self.fd.as_ref().filter(|_| is_due);
        if fd.is_none_or(|fd| seek(fd, SeekFrom::Start(0)).is_err()) {
            return false;
        }
        self.again = true;
        self.read = Read::NotToEnd;
        true
    }

    /// Whether its name in `parent` still leads to it.
    pub(super) fn is_parent_of(&self, parent: BorrowedFd<'_>) -> bool {
        let own = self.fd.as_ref().and_then(|fd| stat_fd(fd.as_fd()).ok());
        let there = stat_entry(parent, &self.name).ok();
        own.is_some_and(|own| there.is_some_and(|there| key(&own) == key(&there)))
    }

    /// Whether it still has a name anywhere.
    pub(super) fn has_parent_key(&self) -> bool {
        let stat = self.fd.as_ref().and_then(|fd| stat_fd(fd.as_fd()).ok());
        stat.is_some_and(|stat| stat.stx_nlink > 0)
    }

    /// Whether reading goes on before it can be left. What failed would keep it from being removed,
    /// which is how a wrong assumption shows.
    pub(super) fn wants_reading(&self) -> bool {
        let is_due = match self.read {
            Read::NotToEnd => true,
            Read::AsItSeems => self.failed,
            Read::ToEnd => false,
        };
        is_due && self.fd.is_some()
    }
}

/// What tells a file from others: device, inode, and when it was made, since the inode of what is gone
/// is soon another one's. Where the filesystem does not know when, that is 0.
pub(super) type Key = (u32, u32, u64, (i64, u32));

pub(super) fn key(stat: &Statx) -> Key {
    let made = (stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec);
    (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino, made)
}

/// The path of the last of some levels, of which the first one has this path.
pub(super) fn path<'a>(root: &Path, levels: impl Iterator<Item = &'a DirFrame>) -> PathBuf {
    let names = levels.skip(1).map(|level| OsStr::from_bytes(level.name.to_bytes()));
    names.fold(root.to_owned(), |path, name| path.join(name))
}

/// Why a directory is not where it was left.
pub(super) fn moved() -> io::Error {
    io::Error::other("it was moved while it was being removed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_got_the_inode_of_another_one_is_not_that_one() {
        let dir = tempfile::tempdir().unwrap();
        let make = || {
            let path = dir.path().join("it");
            std::fs::create_dir(&path).unwrap();
            let made = key(&stat_fd(std::fs::File::open(&path).unwrap().as_fd()).unwrap());
            std::fs::remove_dir(path).unwrap();
            made
        };
        // Longer than filesystems take for the same moment.
        let (first, start) = (make(), std::time::Instant::now());
        let mut keys = std::iter::repeat_with(|| (start.elapsed().as_millis(), make()));
        let (_, later) = keys.find(|(elapsed, _)| *elapsed >= 30).unwrap();
        let is_known = first.3 != (0, 0);
        assert!(!is_known || first != later);
    }
}

//! Removing a directory with all that is in it.
//!
//! The walk is iterative, so that depth costs memory and not stack, and it holds a bounded number
//! of descriptors: those of the deepest levels and of the root. On the way up a level whose
//! descriptor was given back is reached through `..`, and only believed when it is the directory
//! that was left there; if not, somebody has moved a directory, and the way is gone again from the
//! root by names.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, RawDir, SeekFrom, Statx, fchmod, seek, unlinkat};
use rustix::io::Errno;

use super::{Act, Outcome, is_dir, open, stat_entry, stat_fd};

/// How many levels keep their descriptor.
const OPEN_LEVELS: usize = 24;

/// How many subdirectories of one directory are noted, about, before they are removed and reading
/// goes on, so that memory stays bounded.
const NOTED: usize = 4096;

/// How often a directory is read again from its beginning before somebody else is taken to be
/// filling it, or what is found again cannot be removed.
const MOST_REWINDS: u32 = 64;

/// A buffer for directory entries, in bytes.
const ENTRIES: usize = 32 * 1024;

/// One directory on the way from the root to where the walk is.
struct Level {
    /// Its name in the level above.
    name: CString,
    /// Open, or given back to stay below the bound.
    fd: Option<OwnedFd>,
    /// Which directory it is: device and inode.
    key: (u32, u32, u64),
    /// Subdirectories still to be removed.
    noted: Vec<CString>,
    /// Whether it has not been read to its end.
    unread: bool,
    /// Whether something in it could not be removed.
    failed: bool,
    /// How often it has been begun again since anything in it was removed.
    rewinds: u32,
    /// How much had been removed when it was begun again last.
    removed: u64,
}

struct Walk<'a> {
    parent: BorrowedFd<'a>,
    path: &'a Path,
    act: Act,
    open_up: bool,
    levels: Vec<Level>,
    outcome: &'a mut Outcome,
}

/// Removes (or measures) the directory `name` of `parent`, which is open at `root`.
pub(super) fn remove(
    parent: BorrowedFd<'_>,
    name: &CStr,
    path: &Path,
    root: &OwnedFd,
    act: Act,
    outcome: &mut Outcome,
) {
    // A measurement changes nothing.
    let open_up = act == Act::Remove;
    let mut walk = Walk { parent, path, act, open_up, levels: Vec::new(), outcome };
    match open::readable(root, open_up) {
        Ok(fd) => match walk.enter(name.to_owned(), fd) {
            Ok(()) => walk.run(),
            Err(err) => walk.outcome.fail(path.to_owned(), err),
        },
        Err(_) if act == Act::Measure => walk.outcome.freed.entries += 1,
        Err(err) => walk.outcome.fail(path.to_owned(), err),
    }
}

impl Walk<'_> {
    fn run(&mut self) {
        while let Some(level) = self.levels.last_mut() {
            if let Some(name) = level.noted.pop() {
                self.descend(&name);
            } else if level.unread && level.fd.is_some() {
                self.read_level();
            } else {
                self.leave();
            }
        }
    }

    /// Takes a directory as the deepest level and removes all in it but subdirectories.
    fn enter(&mut self, name: CString, fd: OwnedFd) -> io::Result<()> {
        let stat = stat_fd(fd.as_fd())?;
        self.let_owner_write(&fd, &stat);
        self.levels.push(Level {
            name,
            fd: Some(fd),
            key: key(&stat),
            noted: Vec::new(),
            unread: true,
            failed: false,
            rewinds: 0,
            removed: 0,
        });
        // The root keeps its descriptor: it is where a lost way begins again.
        if let Some(far) = self.levels.len().checked_sub(OPEN_LEVELS + 1)
            && far > 0
        {
            self.levels[far].fd = None;
        }
        Ok(())
    }

    /// A directory of our own that its owner may not write to (Go's module cache is made so) is
    /// opened up, by descriptor. If that fails, so will removing from it, and that is told.
    fn let_owner_write(&self, fd: &OwnedFd, stat: &Statx) {
        let mode = u32::from(stat.stx_mode) & 0o7777;
        if self.open_up
            && mode & 0o700 != 0o700
            && stat.stx_uid == rustix::process::geteuid().as_raw()
        {
            let _ = fchmod(fd, Mode::from_raw_mode(mode | 0o700));
        }
    }

    fn descend(&mut self, name: &CStr) {
        let Some(fd) = self.levels.last().and_then(|level| level.fd.as_ref()) else {
            return;
        };
        match open::to_empty(fd.as_fd(), name, self.open_up) {
            Ok(child) => {
                if let Err(err) = self.enter(name.to_owned(), child) {
                    self.fail(name, err);
                }
            }
            Err(err) if err.raw_os_error() == Some(libc::ENOENT) => {}
            // Somebody has put something else in its place.
            Err(err) if matches!(err.raw_os_error(), Some(libc::ENOTDIR | libc::ELOOP)) => {
                self.unlink(name);
            }
            Err(err) if self.act == Act::Measure => {
                if err.raw_os_error() == Some(libc::EACCES) {
                    self.outcome.freed.entries += 1;
                } else {
                    self.fail(name, err);
                }
            }
            Err(err) => self.fail(name, err),
        }
    }

    /// Reads on in the deepest level: unlinks what is no directory, notes what is one.
    fn read_level(&mut self) {
        let Some(level) = self.levels.last_mut() else {
            return;
        };
        level.unread = false;
        let Some(fd) = level.fd.take() else { return };
        let read = self.read_entries(&fd);
        if let Some(level) = self.levels.last_mut() {
            level.fd = Some(fd);
        }
        if let Err(err) = read {
            self.fail_level(err);
        }
    }

    fn read_entries(&mut self, fd: &OwnedFd) -> io::Result<()> {
        let mut buffer: Vec<u8> = Vec::with_capacity(ENTRIES);
        let mut entries = RawDir::new(fd, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let is_dir = match entry.file_type() {
                FileType::Directory => true,
                FileType::Unknown => stat_entry(fd.as_fd(), name).is_ok_and(|stat| is_dir(&stat)),
                _ => false,
            };
            if !is_dir {
                self.unlink_from(fd.as_fd(), name);
                continue;
            }
            let Some(level) = self.levels.last_mut() else {
                break;
            };
            level.noted.push(name.to_owned());
            // Only at the end of the buffer: the kernel's position is behind all that is in it. What
            // is only measured does not get fewer, so all of it is noted.
            if level.noted.len() >= NOTED && entries.is_buffer_empty() && self.act == Act::Remove {
                level.unread = true;
                break;
            }
        }
        Ok(())
    }

    fn unlink(&mut self, name: &CStr) {
        let Some(fd) = self.levels.last_mut().and_then(|level| level.fd.take()) else {
            return;
        };
        self.unlink_from(fd.as_fd(), name);
        if let Some(level) = self.levels.last_mut() {
            level.fd = Some(fd);
        }
    }

    fn unlink_from(&mut self, dir: BorrowedFd<'_>, name: &CStr) {
        let stat = stat_entry(dir, name);
        let unlinked = match self.act {
            Act::Remove => unlinkat(dir, name, AtFlags::empty()),
            Act::Measure => Ok(()),
        };
        match (unlinked, stat) {
            (Ok(()), Ok(stat)) => self.outcome.freed.count(&stat),
            (Ok(()), Err(_)) => self.outcome.freed.entries += 1,
            // It is gone, or it has become a directory since it was read: then what holds it is not
            // empty, and reading again will find it.
            (Err(Errno::NOENT | Errno::ISDIR), _) => {}
            (Err(err), _) => self.fail(name, err.into()),
        }
    }

    /// Removes the deepest level itself, which is empty unless something failed or somebody fills
    /// it, and goes up.
    fn leave(&mut self) {
        let Some(done) = self.levels.pop() else {
            return;
        };
        if done.failed
            && let Some(above) = self.levels.last_mut()
        {
            above.failed = true;
        }
        if let Err(err) = self.reopen_last(done.fd.as_ref()) {
            return self.fail(&done.name, err);
        }
        if done.failed {
            return;
        }
        let dir = match self.levels.last() {
            None => self.parent,
            Some(Level { fd: Some(fd), .. }) => fd.as_fd(),
            Some(_) => return,
        };
        let removed = match self.act {
            Act::Remove => unlinkat(dir, &done.name, AtFlags::REMOVEDIR),
            Act::Measure => Ok(()),
        };
        match removed {
            Ok(()) => self.outcome.freed.entries += 1,
            Err(Errno::NOENT) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST) if done.rewinds < MOST_REWINDS => {
                self.begin_again(done);
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                self.fail(&done.name, io::Error::other("somebody keeps putting things into it"));
            }
            Err(err) => self.fail(&done.name, err.into()),
        }
    }

    fn begin_again(&mut self, mut level: Level) {
        level.rewinds += 1;
        level.unread = true;
        let rewound = level.fd.as_ref().map(|fd| seek(fd, SeekFrom::Start(0)));
        self.levels.push(level);
        if let Some(Err(err)) = rewound {
            self.fail_level(err.into());
        }
    }

    /// Makes sure that the deepest level is open, coming from `below`.
    fn reopen_last(&mut self, below: Option<&OwnedFd>) -> io::Result<()> {
        let Some(level) = self.levels.last_mut() else {
            return Ok(());
        };
        if level.fd.is_some() {
            return Ok(());
        }
        // The position in it is lost. Where it was not read to its end it is begun again, which a
        // bound has to end if what is found again cannot be removed.
        if level.unread {
            let removed = self.outcome.freed.entries;
            level.rewinds = if removed > level.removed { 0 } else { level.rewinds + 1 };
            level.removed = removed;
            level.unread = level.rewinds < MOST_REWINDS;
        }
        if let Some(below) = below {
            let above = open::above(below.as_fd())?;
            if key(&stat_fd(above.as_fd())?) == level.key {
                level.fd = Some(above);
                return Ok(());
            }
        }
        let fd = self.walk_down_again()?;
        if let Some(level) = self.levels.last_mut() {
            level.fd = Some(fd);
        }
        Ok(())
    }

    /// Goes from the root to the deepest level by names, and believes no other directories than
    /// those that were there before.
    fn walk_down_again(&self) -> io::Result<OwnedFd> {
        let moved = || io::Error::other("it was moved while it was being removed");
        let mut levels = self.levels.iter();
        let root = levels.next().and_then(|root| root.fd.as_ref()).ok_or_else(moved)?;
        let mut fd = root.try_clone()?;
        for level in levels {
            fd = open::to_empty(fd.as_fd(), &level.name, self.open_up).map_err(|_| moved())?;
            if key(&stat_fd(fd.as_fd())?) != level.key {
                return Err(moved());
            }
        }
        Ok(fd)
    }

    /// Notes that an entry of the deepest level could not be removed; the root where there is none.
    fn fail(&mut self, name: &CStr, cause: io::Error) {
        let mut path = self.path_of_last();
        if !self.levels.is_empty() {
            path.push(OsStr::from_bytes(name.to_bytes()));
        }
        self.note(path, cause);
    }

    /// Notes that the deepest level itself could not be read.
    fn fail_level(&mut self, cause: io::Error) {
        let path = self.path_of_last();
        self.note(path, cause);
    }

    fn note(&mut self, path: PathBuf, cause: io::Error) {
        self.outcome.fail(path, cause);
        if let Some(level) = self.levels.last_mut() {
            level.failed = true;
        }
    }

    fn path_of_last(&self) -> PathBuf {
        let mut path = self.path.to_owned();
        for level in self.levels.iter().skip(1) {
            path.push(OsStr::from_bytes(level.name.to_bytes()));
        }
        path
    }
}

fn key(stat: &Statx) -> (u32, u32, u64) {
    (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino)
}

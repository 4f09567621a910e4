//! Removing a directory with all that is in it.
//!
//! The walk is iterative, so that depth costs memory and not stack, and it holds a bounded number
//! of descriptors: those of the deepest levels and of the root. On the way up a level whose
//! descriptor was given back is reached through `..`, and only believed when it is the directory
//! that was left there; if not, somebody has moved a directory, and the way is gone again from above
//! by names.
//!
//! A walk may lend a part of what it has to do to another one, see [`crate::remove::pool`].

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, SeekFrom, seek, unlinkat};
use rustix::io::Errno;
use rustix::process::fchdir;

use crate::remove::entries::{Entries, Names};
use crate::remove::frame::{DirFrame, MAX_REWINDS, Read, key, moved};
use crate::remove::pool::{Join, Pool, Worker};
use crate::remove::root::{Mode, RemovalOutcome, Usage};
pub(crate) use crate::remove::root::{stat_entry, stat_fd};
use crate::remove::{frame, open};

/// How many levels keep their descriptor.
pub(super) const OPEN_LEVELS: usize = 24;

/// How many subdirectories of one directory are noted, about, before they are removed and reading
/// goes on, so that memory stays bounded.
const MAX_PENDING_DIRS: usize = 4096;

/// How many entries one thread removes before it is worth the while of others to come.
const PARALLEL_THRESHOLD: u64 = 128;

/// How many files of one directory are worth lending: about a millisecond of work.
const MIN_SHARED_FILES: usize = 256;

/// For how many files it pays to make their directory the working directory.
const WORTH_A_CHDIR: usize = 16;

/// How many entries at a time are added to the progress.
const PROGRESS_BATCH: u64 = 16;

/// Where a run of a walk ended.
pub(super) enum Step {
    /// All is done.
    Done(Walk),
    /// Nothing is left to do until what was lent comes back.
    Parked,
    /// It is large, and could be shared.
    Large(Walk),
}

/// A way through a tree, or through what was lent of one directory of it.
pub(super) struct Walk {
    /// The path of the root, for messages.
    path: PathBuf,
    levels: Vec<DirFrame>,
    /// Files of the root that were lent.
    files: Names,
    worker: Worker,
    /// To whom it is owed, if it was lent; then its root is another walk's to remove.
    pub(super) join: Option<Arc<Join>>,
    /// Whether something in the root could not be removed.
    pub(super) failed: bool,
    pub(super) outcome: RemovalOutcome,
    /// What those who look at the progress do not know of yet.
    untold: Usage,
    /// The levels above this one have nothing to spare, and will not before they are the deepest.
    spare_from: usize,
    /// The same of what would be worth the while of more threads.
    more_from: usize,
}

impl Walk {
    /// Through a directory, which is open.
    pub(super) fn new(name: CString, path: PathBuf, root: OwnedFd) -> Self {
        Self::through(path, DirFrame::new(name, Arc::new(root), Read::NotToEnd))
    }

    fn through(path: PathBuf, root: DirFrame) -> Self {
        Self {
            path,
            levels: vec![root],
            files: Names::default(),
            worker: Worker::default(),
            join: None,
            failed: false,
            outcome: RemovalOutcome::default(),
            untold: Usage::default(),
            spare_from: 0,
            more_from: 0,
        }
    }

    /// Goes on to the end, or until what is left is with others; if it is alone, until others
    /// could be of use.
    pub(super) fn run(mut self, pool: &Pool<'_>, worker: Worker) -> Step {
        self.worker = worker;
        let files = std::mem::take(&mut self.files);
        self.with_last(|walk, fd| walk.unlink_all(pool, fd, &files));
        let mut entries = Entries::default();
        while !self.levels.is_empty() {
            if worker.alone && self.is_large() {
                return Step::Large(self);
            }
            if pool.wants_work() {
                self.share_directories(pool);
            }
            let Some(level) = self.levels.last_mut() else { break };
            if let Some(name) = level.noted.pop() {
                self.descend(pool, &name);
            } else if level.wants_reading() {
                self.with_last(|walk, fd| walk.read_more(pool, fd, &mut entries));
            } else if let Some(join) = level.join.clone() {
                match join.park(self) {
                    None => return Step::Parked,
                    Some(walk) => self = walk,
                }
                self.collect(&join);
            } else if !level.rewind_once() {
                self.leave(pool);
            }
        }
        self.report_progress(pool);
        Step::Done(self)
    }

    /// Whether so much has been removed, and enough is left, that more threads are of use.
    fn is_large(&mut self) -> bool {
        if self.outcome.freed.entries < PARALLEL_THRESHOLD {
            return false;
        }
        let deepest = self.levels.len().saturating_sub(1);
        let has_more = |level: &DirFrame| level.read == Read::NotToEnd || level.noted.len() > 1;
        let from = self.more_from.min(deepest);
        let found = self.levels.iter().skip(from).position(has_more);
        self.more_from = found.map_or(deepest, |at| from + at);
        found.is_some()
    }

    /// Lends half of the subdirectories that are noted in the highest level that can spare some.
    fn share_directories(&mut self, pool: &Pool<'_>) {
        let deepest = self.levels.len().saturating_sub(1);
        let can_spare = |(at, level): (usize, &DirFrame)| {
            level.fd.is_some() && level.noted.len() > usize::from(at == deepest)
        };
        let from = self.spare_from.min(deepest);
        let found = self.levels.iter().enumerate().skip(from).position(can_spare);
        self.spare_from = found.map_or(deepest, |at| from + at);
        let Some(at) = found.map(|at| from + at) else { return };
        if !pool.try_reserve() {
            return;
        }
        let noted = &mut self.levels[at].noted;
        let noted = noted.split_off(noted.len() / 2);
        self.share(pool, at, noted, Names::default());
    }

    /// Lends a part of what a level holds, for which room was made.
    fn share(&mut self, pool: &Pool<'_>, at: usize, noted: Vec<CString>, files: Names) {
        let path = self.path_of(at);
        let level = &mut self.levels[at];
        let Some(fd) = level.fd.clone() else { return };
        // Threads that share an open file wait for each other to count its users.
        let fd = open::reopen(fd.as_fd()).map_or(fd, Arc::new);
        let join = match &self.join {
            // What was lent and is lent on is owed to the first lender: so nobody has to wait for it
            // in between.
            Some(join) if at == 0 => join,
            _ => level.join.get_or_insert_default(),
        };
        join.add();
        let again = level.again;
        let root = DirFrame { noted, again, ..DirFrame::new(CString::default(), fd, Read::ToEnd) };
        let join = Some(Arc::clone(join));
        pool.share(Self { files, join, ..Self::through(path, root) });
    }

    /// Adds what has come back to what was done here.
    fn collect(&mut self, join: &Join) {
        let (failed, outcome) = join.returned();
        self.outcome.add(outcome);
        if let Some(level) = self.levels.last_mut() {
            level.failed |= failed;
            level.join = None;
        }
    }

    /// Takes a directory as the deepest level.
    fn enter(&mut self, name: CString, fd: OwnedFd) {
        let again = self.levels.last().is_some_and(|above| above.again);
        self.levels.push(DirFrame { again, ..DirFrame::new(name, Arc::new(fd), Read::NotToEnd) });
        // The root keeps its descriptor: it is where a lost way begins again.
        if let Some(far) = self.levels.len().checked_sub(OPEN_LEVELS + 1)
            && far > 0
        {
            self.levels[far].close_fd();
        }
    }

    /// Gives back the descriptor of the highest level that has one, but for the root and the deepest.
    fn close_one_fd(&mut self) -> bool {
        let last = self.levels.len().saturating_sub(1);
        let levels = self.levels.iter_mut().take(last).skip(1);
        levels
            .rev()
            .take(OPEN_LEVELS)
            .filter(|level| level.fd.is_some())
            .last()
            .is_some_and(DirFrame::close_fd)
    }

    /// Does something in the deepest level, if it is open.
    fn with_last(&mut self, act: impl FnOnce(&mut Self, BorrowedFd<'_>)) {
        if let Some(fd) = self.levels.last().and_then(|level| level.fd.clone()) {
            act(self, fd.as_fd());
        }
    }

    fn descend(&mut self, pool: &Pool<'_>, name: &CStr) {
        self.with_last(|walk, fd| match walk.open(pool, fd, name) {
            Ok(child) => walk.enter(name.to_owned(), child),
            Err(err) => match err.raw_os_error() {
                Some(libc::ENOENT) => {}
                // Somebody has put something else in its place.
                Some(libc::ENOTDIR | libc::ELOOP) => walk.unlink_from(pool, fd, fd, name),
                Some(libc::EACCES) if !pool.changes() => walk.count(pool, 0),
                _ => walk.fail(name, err),
            },
        });
    }

    /// Opens a directory in the deepest level. Where there are no descriptors left, others are given
    /// back.
    fn open(&mut self, pool: &Pool<'_>, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
        loop {
            match open::open_for_removal(dir, name, pool.changes()) {
                Err(err)
                    if matches!(err.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
                        && self.close_one_fd() => {}
                opened => return opened,
            }
        }
    }

    /// Reads on in the deepest level: unlinks what is no directory, notes what is one.
    fn read_more(&mut self, pool: &Pool<'_>, fd: BorrowedFd<'_>, entries: &mut Entries) {
        let mut noted = 0;
        while let Some(level) = self.levels.last_mut() {
            match entries.read(fd) {
                Ok(read) => level.record_read(read, pool.changes()),
                Err(err) => {
                    level.read = Read::ToEnd;
                    return self.fail_level(err);
                }
            }
            noted += entries.dirs.len();
            level.noted.extend(entries.dirs.drain(..).map(|(_, name)| name));
            let is_all = level.read != Read::NotToEnd;
            self.remove_files(pool, fd, &mut entries.files);
            if pool.wants_work() {
                self.share_directories(pool);
            }
            // What is only measured does not get fewer, so all of it is noted.
            let is_enough = noted >= MAX_PENDING_DIRS
                || self.worker.alone && self.outcome.freed.entries >= PARALLEL_THRESHOLD;
            if is_all || is_enough && pool.changes() {
                return;
            }
        }
    }

    /// Removes files of the deepest level, or lends them, if there are many and somebody has nothing to
    /// do.
    fn remove_files(&mut self, pool: &Pool<'_>, fd: BorrowedFd<'_>, files: &mut Names) {
        if files.count() >= MIN_SHARED_FILES && pool.wants_work() && pool.try_reserve() {
            self.share(pool, self.levels.len() - 1, Vec::new(), std::mem::take(files));
        } else {
            self.unlink_all(pool, fd, files);
        }
    }

    fn unlink_all(&mut self, pool: &Pool<'_>, dir: BorrowedFd<'_>, files: &Names) {
        // The working directory is had without counting its users, for which threads wait for each
        // other.
        let is_near = self.worker.own_cwd && files.count() >= WORTH_A_CHDIR && fchdir(dir).is_ok();
        let at = if is_near { CWD } else { dir };
        files.iter().for_each(|name| self.unlink_from(pool, dir, at, name));
    }

    /// Unlinks a name in a directory, which is also `at`.
    fn unlink_from(
        &mut self,
        pool: &Pool<'_>,
        dir: BorrowedFd<'_>,
        at: BorrowedFd<'_>,
        name: &CStr,
    ) {
        let stat = if pool.removal.counts_bytes() { stat_entry(at, name).ok() } else { None };
        let unlinked = match pool.removal.mode {
            Mode::Remove => open::with_owner_access(dir, || unlinkat(at, name, AtFlags::empty())),
            Mode::DryRun => Ok(()),
        };
        match unlinked {
            Ok(()) => self.count(pool, stat.as_ref().map_or(0, |stat| pool.bytes_freed(stat))),
            // It is gone, or it has become a directory since it was read: then what holds it is not
            // empty, and reading again will find it.
            Err(Errno::NOENT | Errno::ISDIR) => {}
            Err(err) => self.fail(name, err.into()),
        }
    }

    fn count(&mut self, pool: &Pool<'_>, bytes: u64) {
        let one = Usage { entries: 1, bytes };
        self.outcome.freed += one;
        self.untold += one;
        // Not each one: threads would wait for each other to count.
        if self.untold.entries == PROGRESS_BATCH {
            self.report_progress(pool);
        }
    }

    fn report_progress(&mut self, pool: &Pool<'_>) {
        let told = std::mem::take(&mut self.untold);
        if let Some(progress) = pool.removal.progress {
            progress.add(told);
        }
    }

    /// Removes the deepest level itself, which is empty unless something failed or somebody fills
    /// it, and goes up.
    fn leave(&mut self, pool: &Pool<'_>) {
        let Some(done) = self.levels.pop() else { return };
        let is_lent = self.levels.is_empty() && self.join.is_some();
        match self.levels.last_mut() {
            Some(above) => above.failed |= done.failed,
            None => self.failed = done.failed,
        }
        if let Err(err) = self.reopen_last(pool, done.fd.as_deref()) {
            return self.fail(&done.name, err);
        }
        if done.failed || is_lent {
            return;
        }
        let above = self.levels.last().map(|above| above.fd.clone());
        let parent = match &above {
            None => pool.parent,
            Some(Some(fd)) => fd.as_fd(),
            Some(None) => return,
        };
        let remove = || unlinkat(parent, &done.name, AtFlags::REMOVEDIR);
        let removed = match pool.removal.mode {
            Mode::DryRun => Ok(()),
            // What a resource is in is not ours to open up.
            Mode::Remove if above.is_none() => remove(),
            Mode::Remove => open::with_owner_access(parent, remove),
        };
        match removed {
            Ok(()) => self.count(pool, 0),
            Err(Errno::NOENT) if self.levels.is_empty() && done.has_parent_key() => {
                self.fail(&done.name, moved());
            }
            Err(Errno::NOENT) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST) if !done.is_parent_of(parent) => {
                self.fail(&done.name, moved());
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) if done.rewinds < MAX_REWINDS => {
                self.restart(done);
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                self.fail(&done.name, io::Error::other("somebody keeps putting things into it"));
            }
            // Some say something else of a directory that is not empty.
            Err(_) if done.read == Read::AsItSeems && done.rewinds == 0 => self.restart(done),
            Err(err) => self.fail(&done.name, err.into()),
        }
    }

    fn restart(&mut self, mut level: DirFrame) {
        level.rewinds += 1;
        let goes_on = level.read == Read::AsItSeems;
        level.read = Read::NotToEnd;
        let fd = level.fd.as_ref().filter(|_| !goes_on);
        let rewound = fd.map(|fd| seek(fd, SeekFrom::Start(0)));
        self.levels.push(level);
        if let Some(Err(err)) = rewound {
            self.fail_level(err.into());
        }
    }

    /// Makes sure that the deepest level is open, coming from `below`.
    fn reopen_last(&mut self, pool: &Pool<'_>, below: Option<&OwnedFd>) -> io::Result<()> {
        let Some(level) = self.levels.last_mut().filter(|level| level.fd.is_none()) else {
            return Ok(());
        };
        let expected = level.key;
        let mut fd = None;
        if let Some(below) = below {
            let above = open::open_parent(below.as_fd())?;
            if Some(key(&stat_fd(above.as_fd())?)) == expected {
                fd = Some(above);
            }
        }
        let fd = fd.map_or_else(|| self.reopen_from_root(pool), Ok)?;
        if let Some(level) = self.levels.last_mut() {
            level.reopen_with(fd);
        }
        Ok(())
    }

    /// Goes from the nearest level that is open to the deepest one by names, and believes no other
    /// directories than those that were there before.
    fn reopen_from_root(&self, pool: &Pool<'_>) -> io::Result<OwnedFd> {
        let open = self.levels.iter().enumerate().rev().find_map(|(at, level)| {
            let fd = level.fd.as_ref()?;
            Some((at, fd))
        });
        let (at, fd) = open.ok_or_else(moved)?;
        let mut fd = fd.try_clone()?;
        for level in self.levels.iter().skip(at + 1) {
            fd = open::open_for_removal(fd.as_fd(), &level.name, pool.changes())
                .map_err(|_| moved())?;
            if Some(key(&stat_fd(fd.as_fd())?)) != level.key {
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
        self.record_failure(path, cause);
    }

    /// Notes that the deepest level itself could not be read.
    fn fail_level(&mut self, cause: io::Error) {
        let path = self.path_of_last();
        self.record_failure(path, cause);
    }

    fn record_failure(&mut self, path: PathBuf, cause: io::Error) {
        let more = self.outcome.more_failures;
        self.outcome.fail(path, cause);
        if let Some(level) = self.levels.last_mut() {
            level.failed = true;
            if level.again {
                self.outcome.more_failures = more;
            }
        }
    }

    fn path_of_last(&self) -> PathBuf {
        self.path_of(self.levels.len().saturating_sub(1))
    }

    fn path_of(&self, at: usize) -> PathBuf {
        frame::path(&self.path, self.levels.iter().take(at + 1))
    }
}

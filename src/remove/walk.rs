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
use crate::remove::frame::{Level, MOST_REWINDS, Read, key, moved};
use crate::remove::pool::{Crew, Debt, Worker};
use crate::remove::root::{Act, Freed, Outcome};
pub(crate) use crate::remove::root::{stat_entry, stat_fd};
use crate::remove::{frame as level, open};

/// How many levels keep their descriptor.
pub(super) const OPEN_LEVELS: usize = 24;

/// How many subdirectories of one directory are noted, about, before they are removed and reading
/// goes on, so that memory stays bounded.
const NOTED: usize = 4096;

/// How many entries one thread removes before it is worth the while of others to come.
const SMALL: u64 = 128;

/// How many files of one directory are worth lending: about a millisecond of work.
const MANY: usize = 256;

/// For how many files it pays to make their directory the working directory.
const WORTH_A_CHDIR: usize = 16;

/// How many entries at a time are added to the progress.
const TOLD: u64 = 16;

/// Where a run of a walk ended.
pub(super) enum End {
    /// All is done.
    Done(Walk),
    /// Nothing is left to do until what was lent comes back.
    Aside,
    /// It is large, and could be shared.
    Large(Walk),
}

/// A way through a tree, or through what was lent of one directory of it.
pub(super) struct Walk {
    /// The path of the root, for messages.
    path: PathBuf,
    levels: Vec<Level>,
    /// Files of the root that were lent.
    files: Names,
    worker: Worker,
    /// To whom it is owed, if it was lent; then its root is another walk's to remove.
    pub(super) debt: Option<Arc<Debt>>,
    /// Whether something in the root could not be removed.
    pub(super) failed: bool,
    pub(super) outcome: Outcome,
    /// What those who look at the progress do not know of yet.
    untold: Freed,
    /// The levels above this one have nothing to spare, and will not before they are the deepest.
    spare_from: usize,
    /// The same of what would be worth the while of more threads.
    more_from: usize,
}

impl Walk {
    /// Through a directory, which is open.
    pub(super) fn new(name: CString, path: PathBuf, root: OwnedFd) -> Self {
        Self::through(path, Level::new(name, Arc::new(root), Read::NotToEnd))
    }

    fn through(path: PathBuf, root: Level) -> Self {
        Self {
            path,
            levels: vec![root],
            files: Names::default(),
            worker: Worker::default(),
            debt: None,
            failed: false,
            outcome: Outcome::default(),
            untold: Freed::default(),
            spare_from: 0,
            more_from: 0,
        }
    }

    /// Goes on to the end, or until what is left is with others; if it is alone, until others
    /// could be of use.
    pub(super) fn run(mut self, crew: &Crew<'_>, worker: Worker) -> End {
        self.worker = worker;
        let files = std::mem::take(&mut self.files);
        self.with_last(|walk, fd| walk.unlink_all(crew, fd, &files));
        let mut entries = Entries::default();
        while !self.levels.is_empty() {
            if worker.alone && self.is_large() {
                return End::Large(self);
            }
            if crew.is_hungry() {
                self.lend_directories(crew);
            }
            let Some(level) = self.levels.last_mut() else { break };
            if let Some(name) = level.noted.pop() {
                self.descend(crew, &name);
            } else if level.wants_reading() {
                self.with_last(|walk, fd| walk.read_on(crew, fd, &mut entries));
            } else if let Some(debt) = level.debt.clone() {
                match debt.lay_aside(self) {
                    None => return End::Aside,
                    Some(walk) => self = walk,
                }
                self.take_back(&debt);
            } else if !level.begins_once_more() {
                self.leave(crew);
            }
        }
        self.tell(crew);
        End::Done(self)
    }

    /// Whether so much has been removed, and enough is left, that more threads are of use.
    fn is_large(&mut self) -> bool {
        if self.outcome.freed.entries < SMALL {
            return false;
        }
        let deepest = self.levels.len().saturating_sub(1);
        let has_more = |level: &Level| level.read == Read::NotToEnd || level.noted.len() > 1;
        let from = self.more_from.min(deepest);
        let found = self.levels.iter().skip(from).position(has_more);
        self.more_from = found.map_or(deepest, |at| from + at);
        found.is_some()
    }

    /// Lends half of the subdirectories that are noted in the highest level that can spare some.
    fn lend_directories(&mut self, crew: &Crew<'_>) {
        let deepest = self.levels.len().saturating_sub(1);
        let can_spare = |(at, level): (usize, &Level)| {
            level.fd.is_some() && level.noted.len() > usize::from(at == deepest)
        };
        let from = self.spare_from.min(deepest);
        let found = self.levels.iter().enumerate().skip(from).position(can_spare);
        self.spare_from = found.map_or(deepest, |at| from + at);
        let Some(at) = found.map(|at| from + at) else { return };
        if !crew.makes_room() {
            return;
        }
        let noted = &mut self.levels[at].noted;
        let noted = noted.split_off(noted.len() / 2);
        self.lend(crew, at, noted, Names::default());
    }

    /// Lends a part of what a level holds, for which room was made.
    fn lend(&mut self, crew: &Crew<'_>, at: usize, noted: Vec<CString>, files: Names) {
        let path = self.path_of(at);
        let level = &mut self.levels[at];
        let Some(fd) = level.fd.clone() else { return };
        // Threads that share an open file wait for each other to count its users.
        let fd = open::again(fd.as_fd()).map_or(fd, Arc::new);
        let debt = match &self.debt {
            // What was lent and is lent on is owed to the first lender: so nobody has to wait for it
            // in between.
            Some(debt) if at == 0 => debt,
            _ => level.debt.get_or_insert_default(),
        };
        debt.owe();
        let again = level.again;
        let root = Level { noted, again, ..Level::new(CString::default(), fd, Read::ToEnd) };
        let debt = Some(Arc::clone(debt));
        crew.lend(Self { files, debt, ..Self::through(path, root) });
    }

    /// Adds what has come back to what was done here.
    fn take_back(&mut self, debt: &Debt) {
        let (failed, outcome) = debt.returned();
        self.outcome.add(outcome);
        if let Some(level) = self.levels.last_mut() {
            level.failed |= failed;
            level.debt = None;
        }
    }

    /// Takes a directory as the deepest level.
    fn enter(&mut self, name: CString, fd: OwnedFd) {
        let again = self.levels.last().is_some_and(|above| above.again);
        self.levels.push(Level { again, ..Level::new(name, Arc::new(fd), Read::NotToEnd) });
        // The root keeps its descriptor: it is where a lost way begins again.
        if let Some(far) = self.levels.len().checked_sub(OPEN_LEVELS + 1)
            && far > 0
        {
            self.levels[far].give_back();
        }
    }

    /// Gives back the descriptor of the highest level that has one, but for the root and the deepest.
    fn give_back_one(&mut self) -> bool {
        let last = self.levels.len().saturating_sub(1);
        let levels = self.levels.iter_mut().take(last).skip(1);
        levels
            .rev()
            .take(OPEN_LEVELS)
            .filter(|level| level.fd.is_some())
            .last()
            .is_some_and(Level::give_back)
    }

    /// Does something in the deepest level, if it is open.
    fn with_last(&mut self, act: impl FnOnce(&mut Self, BorrowedFd<'_>)) {
        if let Some(fd) = self.levels.last().and_then(|level| level.fd.clone()) {
            act(self, fd.as_fd());
        }
    }

    fn descend(&mut self, crew: &Crew<'_>, name: &CStr) {
        self.with_last(|walk, fd| match walk.open(crew, fd, name) {
            Ok(child) => walk.enter(name.to_owned(), child),
            Err(err) => match err.raw_os_error() {
                Some(libc::ENOENT) => {}
                // Somebody has put something else in its place.
                Some(libc::ENOTDIR | libc::ELOOP) => walk.unlink_from(crew, fd, fd, name),
                Some(libc::EACCES) if !crew.changes() => walk.count(crew, 0),
                _ => walk.fail(name, err),
            },
        });
    }

    /// Opens a directory in the deepest level. Where there are no descriptors left, others are given
    /// back.
    fn open(&mut self, crew: &Crew<'_>, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
        loop {
            match open::to_empty(dir, name, crew.changes()) {
                Err(err)
                    if matches!(err.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
                        && self.give_back_one() => {}
                opened => return opened,
            }
        }
    }

    /// Reads on in the deepest level: unlinks what is no directory, notes what is one.
    fn read_on(&mut self, crew: &Crew<'_>, fd: BorrowedFd<'_>, entries: &mut Entries) {
        let mut noted = 0;
        while let Some(level) = self.levels.last_mut() {
            match entries.read(fd) {
                Ok(read) => level.has_read(read, crew.changes()),
                Err(err) => {
                    level.read = Read::ToEnd;
                    return self.fail_level(err);
                }
            }
            noted += entries.dirs.len();
            level.noted.extend(entries.dirs.drain(..).map(|(_, name)| name));
            let is_all = level.read != Read::NotToEnd;
            self.remove_files(crew, fd, &mut entries.files);
            if crew.is_hungry() {
                self.lend_directories(crew);
            }
            // What is only measured does not get fewer, so all of it is noted.
            let is_enough =
                noted >= NOTED || self.worker.alone && self.outcome.freed.entries >= SMALL;
            if is_all || is_enough && crew.changes() {
                return;
            }
        }
    }

    /// Removes files of the deepest level, or lends them, if there are many and somebody has nothing to
    /// do.
    fn remove_files(&mut self, crew: &Crew<'_>, fd: BorrowedFd<'_>, files: &mut Names) {
        if files.count() >= MANY && crew.is_hungry() && crew.makes_room() {
            self.lend(crew, self.levels.len() - 1, Vec::new(), std::mem::take(files));
        } else {
            self.unlink_all(crew, fd, files);
        }
    }

    fn unlink_all(&mut self, crew: &Crew<'_>, dir: BorrowedFd<'_>, files: &Names) {
        // The working directory is had without counting its users, for which threads wait for each
        // other.
        let is_near = self.worker.own_cwd && files.count() >= WORTH_A_CHDIR && fchdir(dir).is_ok();
        let at = if is_near { CWD } else { dir };
        files.iter().for_each(|name| self.unlink_from(crew, dir, at, name));
    }

    /// Unlinks a name in a directory, which is also `at`.
    fn unlink_from(
        &mut self,
        crew: &Crew<'_>,
        dir: BorrowedFd<'_>,
        at: BorrowedFd<'_>,
        name: &CStr,
    ) {
        let stat = if crew.removal.weighs() { stat_entry(at, name).ok() } else { None };
        let unlinked = match crew.removal.act {
            Act::Remove => open::letting_in(dir, || unlinkat(at, name, AtFlags::empty())),
            Act::Measure => Ok(()),
        };
        match unlinked {
            Ok(()) => self.count(crew, stat.as_ref().map_or(0, |stat| crew.frees(stat))),
            // It is gone, or it has become a directory since it was read: then what holds it is not
            // empty, and reading again will find it.
            Err(Errno::NOENT | Errno::ISDIR) => {}
            Err(err) => self.fail(name, err.into()),
        }
    }

    fn count(&mut self, crew: &Crew<'_>, bytes: u64) {
        let one = Freed { entries: 1, bytes };
        self.outcome.freed += one;
        self.untold += one;
        // Not each one: threads would wait for each other to count.
        if self.untold.entries == TOLD {
            self.tell(crew);
        }
    }

    fn tell(&mut self, crew: &Crew<'_>) {
        let told = std::mem::take(&mut self.untold);
        if let Some(progress) = crew.removal.progress {
            progress.add(told);
        }
    }

    /// Removes the deepest level itself, which is empty unless something failed or somebody fills
    /// it, and goes up.
    fn leave(&mut self, crew: &Crew<'_>) {
        let Some(done) = self.levels.pop() else { return };
        let is_lent = self.levels.is_empty() && self.debt.is_some();
        match self.levels.last_mut() {
            Some(above) => above.failed |= done.failed,
            None => self.failed = done.failed,
        }
        if let Err(err) = self.reopen_last(crew, done.fd.as_deref()) {
            return self.fail(&done.name, err);
        }
        if done.failed || is_lent {
            return;
        }
        let above = self.levels.last().map(|above| above.fd.clone());
        let parent = match &above {
            None => crew.parent,
            Some(Some(fd)) => fd.as_fd(),
            Some(None) => return,
        };
        let remove = || unlinkat(parent, &done.name, AtFlags::REMOVEDIR);
        let removed = match crew.removal.act {
            Act::Measure => Ok(()),
            // What a resource is in is not ours to open up.
            Act::Remove if above.is_none() => remove(),
            Act::Remove => open::letting_in(parent, remove),
        };
        match removed {
            Ok(()) => self.count(crew, 0),
            Err(Errno::NOENT) if self.levels.is_empty() && done.is_somewhere() => {
                self.fail(&done.name, moved());
            }
            Err(Errno::NOENT) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST) if !done.is_at(parent) => {
                self.fail(&done.name, moved());
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) if done.rewinds < MOST_REWINDS => {
                self.begin_again(done);
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                self.fail(&done.name, io::Error::other("somebody keeps putting things into it"));
            }
            // Some say something else of a directory that is not empty.
            Err(_) if done.read == Read::AsItSeems && done.rewinds == 0 => self.begin_again(done),
            Err(err) => self.fail(&done.name, err.into()),
        }
    }

    fn begin_again(&mut self, mut level: Level) {
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
    fn reopen_last(&mut self, crew: &Crew<'_>, below: Option<&OwnedFd>) -> io::Result<()> {
        let Some(level) = self.levels.last_mut().filter(|level| level.fd.is_none()) else {
            return Ok(());
        };
        let expected = level.key;
        let mut fd = None;
        if let Some(below) = below {
            let above = open::above(below.as_fd())?;
            if Some(key(&stat_fd(above.as_fd())?)) == expected {
                fd = Some(above);
            }
        }
        let fd = fd.map_or_else(|| self.walk_down_again(crew), Ok)?;
        if let Some(level) = self.levels.last_mut() {
            level.take_again(fd);
        }
        Ok(())
    }

    /// Goes from the nearest level that is open to the deepest one by names, and believes no other
    /// directories than those that were there before.
    fn walk_down_again(&self, crew: &Crew<'_>) -> io::Result<OwnedFd> {
        let open = self.levels.iter().enumerate().rev().find_map(|(at, level)| {
            let fd = level.fd.as_ref()?;
            Some((at, fd))
        });
        let (at, fd) = open.ok_or_else(moved)?;
        let mut fd = fd.try_clone()?;
        for level in self.levels.iter().skip(at + 1) {
            fd = open::to_empty(fd.as_fd(), &level.name, crew.changes()).map_err(|_| moved())?;
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
        self.note(path, cause);
    }

    /// Notes that the deepest level itself could not be read.
    fn fail_level(&mut self, cause: io::Error) {
        let path = self.path_of_last();
        self.note(path, cause);
    }

    fn note(&mut self, path: PathBuf, cause: io::Error) {
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
        level::path(&self.path, self.levels.iter().take(at + 1))
    }
}

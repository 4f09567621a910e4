//! Removes a directory and everything in it.
//!
//! A [`RemovalWalk`] goes depth first, and iteratively: a deep tree costs memory, not stack. It
//! reads a directory, unlinks the files, and keeps the names of the subdirectories; then it enters
//! these, one after the other, and removes each once it is empty.
//!
//! A walk can share a part of its work: pending subdirectories, or a batch of files, become a walk
//! of their own, which another thread runs. The walk knows no threads, only a [`WorkPool`]. Before
//! it removes a directory of which it shared a part, it waits for that part in a [`Join`].

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::{io, mem};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;
use rustix::process::fchdir;

use crate::remove::context::RemovalContext;
use crate::remove::entries::{Entries, Names, ReadState};
use crate::remove::frame::{DirFrame, MAX_REWINDS};
use crate::remove::join::{Finished, Join, Joins};
use crate::remove::open::{reopen, with_owner_access};
use crate::remove::stack::{DirStack, moved};
use crate::remove::stat::stat_entry;
use crate::remove::tally::Tally;
use crate::remove::work::{Completed, Step, WorkPool, Worker};

/// About how many subdirectories of one directory are kept in memory. Once these are removed,
/// reading continues.
const MAX_PENDING_DIRS: usize = 4096;

/// How many entries one thread removes before it is worth starting more.
const PARALLEL_THRESHOLD: u64 = 128;

/// How many files of one directory are worth sharing: about a millisecond of work.
const MIN_SHARED_FILES: usize = 256;

/// From how many files of a directory on it is faster to change the working directory to it.
const MIN_CHDIR_FILES: usize = 16;

/// A depth-first walk through a tree, or through a shared part of one of its directories.
pub(super) struct RemovalWalk {
    stack: DirStack,
    /// Files of the root, if another walk shared these.
    files: Names,
    worker: Worker,
    /// The joins of the directories of which a part was shared.
    joins: Joins<Self>,
    /// If this is a shared part: where to report that it is finished. Then its root belongs to the
    /// walk that shared it, and that one removes it.
    reports_to: Option<Arc<Join<Self>>>,
    tally: Tally,
    /// Whether some entry of the root could not be removed.
    failed: bool,
    /// The directories above this depth have nothing to share, and will not until each is the
    /// deepest one again. The search for work to share starts here.
    shareable_from: usize,
    /// Likewise, where the search for work for more threads starts.
    unfinished_from: usize,
}

impl RemovalWalk {
    /// Returns a walk that removes the directory `name`, which is open as `fd` and occupies `bytes`
    /// itself. Messages show `path`.
    pub(super) fn new(name: CString, path: PathBuf, fd: OwnedFd, bytes: u64) -> Self {
        Self::from_root(path, DirFrame::new(name, Arc::new(fd), bytes))
    }

    fn from_root(path: PathBuf, root: DirFrame) -> Self {
        Self {
            stack: DirStack::new(path, root),
            files: Names::default(),
            worker: Worker::default(),
            joins: Joins::new(),
            reports_to: None,
            tally: Tally::default(),
            failed: false,
            shareable_from: 0,
            unfinished_from: 0,
        }
    }

    /// Continues until the walk is finished, or only waits for shared parts, or, if the worker is
    /// alone, until more threads are of use.
    pub(super) fn run(
        mut self,
        context: &RemovalContext<'_>,
        pool: &impl WorkPool<Self>,
        worker: Worker,
    ) -> Step<Self> {
        self.worker = worker;
        let files = mem::take(&mut self.files);
        self.with_deepest(|walk, fd| walk.unlink_all(context, fd, &files));
        let mut entries = Entries::default();
        while !self.stack.is_empty() {
            if worker.alone && self.is_large() {
                return Step::Large(self);
            }
            if pool.wants_work() {
                self.share_directories(pool);
            }
            let Some(frame) = self.stack.deepest_mut() else { break };
            if let Some(name) = frame.pending_dirs.pop() {
                self.descend(context, &name);
            } else if frame.wants_reading() {
                self.with_deepest(|walk, fd| walk.read_more(context, pool, fd, &mut entries));
            } else if let Some(join) = self.joins.get(self.stack.depth()) {
                match join.park(self) {
                    None => return Step::Parked,
                    Some(walk) => self = walk,
                }
                self.collect(&join);
            } else if !self.stack.deepest_mut().is_some_and(DirFrame::rewind_once) {
                self.leave(context);
            }
        }
        self.tally.report(context.removal.progress);
        Step::Done(self)
    }

    /// Reports a finished walk to the walk that shared it, if any.
    pub(super) fn complete(self) -> Completed<Self> {
        let outcome = self.tally.outcome;
        match self.reports_to {
            Some(join) => {
                Completed::Part(join.finish_one(Finished { outcome, failed: self.failed }))
            }
            None => Completed::Tree(outcome),
        }
    }

    /// Whether enough is removed, and enough is left, for more threads to be of use.
    fn is_large(&mut self) -> bool {
        if self.tally.outcome.freed.entries < PARALLEL_THRESHOLD {
            return false;
        }
        let deepest = self.stack.depth();
        let found = self.stack.find_from(self.unfinished_from.min(deepest), |_, frame| {
            frame.state == ReadState::More || frame.pending_dirs.len() > 1
        });
        self.unfinished_from = found.unwrap_or(deepest);
        found.is_some()
    }

    /// Shares half of the pending subdirectories of the highest directory that can spare some.
    fn share_directories(&mut self, pool: &impl WorkPool<Self>) {
        let deepest = self.stack.depth();
        let found = self.stack.find_from(self.shareable_from.min(deepest), |depth, frame| {
            frame.fd.is_some() && frame.pending_dirs.len() > usize::from(depth == deepest)
        });
        self.shareable_from = found.unwrap_or(deepest);
        let Some(depth) = found else { return };
        if !pool.try_reserve() {
            return;
        }
        let pending = self.stack.get_mut(depth).map(|frame| &mut frame.pending_dirs);
        let shared = pending.map(|dirs| dirs.split_off(dirs.len() / 2)).unwrap_or_default();
        self.share(pool, depth, shared, Names::default());
    }

    /// Shares a part of the directory at `depth`, for which a place is reserved.
    fn share(
        &mut self,
        pool: &impl WorkPool<Self>,
        depth: usize,
        pending_dirs: Vec<CString>,
        files: Names,
    ) {
        let path = self.stack.path(depth);
        let Some(frame) = self.stack.get_mut(depth) else { return };
        let Some(fd) = frame.fd.clone() else { return };
        // Threads that use the same open file contend for its reference count.
        let fd = reopen(fd.as_fd()).map_or(fd, Arc::new);
        let root = frame.part(fd, pending_dirs);
        let join = self.join_at(depth);
        join.add();
        pool.share(Self { files, reports_to: Some(join), ..Self::from_root(path, root) });
    }

    /// Returns the join for shared parts of the directory at `depth`.
    fn join_at(&mut self, depth: usize) -> Arc<Join<Self>> {
        match &self.reports_to {
            // This walk's root was shared with it. Parts of that report to the walk that shared it
            // first, so this one need not wait for them.
            Some(join) if depth == 0 => Arc::clone(join),
            _ => self.joins.get_or_add(depth),
        }
    }

    /// Adds the result of the shared parts of the deepest directory, which are all finished.
    fn collect(&mut self, join: &Join<Self>) {
        let Finished { outcome, failed } = join.returned();
        self.tally.outcome.add(outcome);
        self.joins.remove(self.stack.depth());
        if let Some(frame) = self.stack.deepest_mut() {
            frame.failed |= failed;
        }
    }

    /// Calls `act` with the descriptor of the deepest directory, if that is open.
    fn with_deepest(&mut self, act: impl FnOnce(&mut Self, BorrowedFd<'_>)) {
        if let Some(fd) = self.stack.deepest().and_then(|frame| frame.fd.clone()) {
            act(self, fd.as_fd());
        }
    }

    /// Enters a subdirectory of the deepest directory.
    fn descend(&mut self, context: &RemovalContext<'_>, name: &CStr) {
        self.with_deepest(|walk, fd| match walk.stack.open_child(fd, name, context.removes()) {
            Ok(child) => {
                let bytes = context.dir_bytes(child.as_fd());
                walk.stack.enter(name.to_owned(), child, bytes);
            }
            Err(err) => match err.raw_os_error() {
                Some(libc::ENOENT) => {}
                // Another process has replaced it by something else.
                Some(libc::ENOTDIR | libc::ELOOP) => walk.unlink_from(context, fd, fd, name),
                Some(libc::EACCES) if !context.removes() => {
                    let bytes = stat_entry(fd, name).map_or(0, |stat| context.bytes_freed(&stat));
                    walk.tally.count(bytes, context.removal.progress);
                }
                _ => walk.fail(name, err),
            },
        });
    }

    /// Reads on in the deepest directory: removes or shares files, and keeps the names of
    /// subdirectories.
    fn read_more(
        &mut self,
        context: &RemovalContext<'_>,
        pool: &impl WorkPool<Self>,
        fd: BorrowedFd<'_>,
        entries: &mut Entries,
    ) {
        let mut kept = 0;
        while let Some(frame) = self.stack.deepest_mut() {
            match entries.read(fd) {
                Ok(state) => frame.record_read(state, context.removes()),
                Err(err) => {
                    frame.state = ReadState::End;
                    return self.fail_deepest(err);
                }
            }
            kept += entries.dirs.len();
            frame.pending_dirs.extend(entries.dirs.drain(..).map(|(_, name)| name));
            let is_read = frame.state != ReadState::More;
            self.remove_files(context, pool, fd, &mut entries.files);
            if pool.wants_work() {
                self.share_directories(pool);
            }
            let is_enough = kept >= MAX_PENDING_DIRS
                || self.worker.alone && self.tally.outcome.freed.entries >= PARALLEL_THRESHOLD;
            // A dry run leaves the entries in place. If it had to read the directory from its start
            // again, it would count them twice; so it keeps all names instead.
            if is_read || is_enough && context.removes() {
                return;
            }
        }
    }

    /// Removes files of the deepest directory, or shares them if they are many and a worker is
    /// idle.
    fn remove_files(
        &mut self,
        context: &RemovalContext<'_>,
        pool: &impl WorkPool<Self>,
        fd: BorrowedFd<'_>,
        files: &mut Names,
    ) {
        if files.len() >= MIN_SHARED_FILES && pool.wants_work() && pool.try_reserve() {
            self.share(pool, self.stack.depth(), Vec::new(), mem::take(files));
        } else {
            self.unlink_all(context, fd, files);
        }
    }

    fn unlink_all(&mut self, context: &RemovalContext<'_>, dir: BorrowedFd<'_>, files: &Names) {
        // Each call on a descriptor that threads share changes the reference count of the open
        // file, and threads contend for it. A call relative to the thread's own working directory
        // changes no count.
        let uses_cwd = self.worker.own_cwd && files.len() >= MIN_CHDIR_FILES && fchdir(dir).is_ok();
        let at = if uses_cwd { CWD } else { dir };
        files.iter().for_each(|name| self.unlink_from(context, dir, at, name));
    }

    /// Unlinks an entry of a directory. `at` refers to the same directory as `dir`.
    fn unlink_from(
        &mut self,
        context: &RemovalContext<'_>,
        dir: BorrowedFd<'_>,
        at: BorrowedFd<'_>,
        name: &CStr,
    ) {
        // Each removal of an open file gives it another such name, and frees nothing.
        let is_open = name.to_bytes().starts_with(FUSE_HIDDEN);
        let bytes = if context.removal.counts_bytes() && !is_open {
            stat_entry(at, name).map_or(0, |stat| context.bytes_freed(&stat))
        } else {
            0
        };
        let unlinked = if context.removes() {
            with_owner_access(dir, || unlinkat(at, name, AtFlags::empty()))
        } else {
            Ok(())
        };
        match unlinked {
            Ok(()) if is_open && context.removes() => {}
            Ok(()) => self.tally.count(bytes, context.removal.progress),
            // Another process has removed it, or has replaced it by a directory. In the latter case
            // rmdir(2) will find that the parent is not empty, and the parent is read again.
            Err(Errno::NOENT | Errno::ISDIR) => {}
            Err(err) => self.fail(name, err.into()),
        }
    }

    /// Leaves the deepest directory, and removes it: it is empty unless an entry failed or another
    /// process adds some.
    fn leave(&mut self, context: &RemovalContext<'_>) {
        let Some(frame) = self.stack.pop() else { return };
        let belongs_to_other_walk = self.stack.is_empty() && self.reports_to.is_some();
        match self.stack.deepest_mut() {
            Some(parent) => parent.failed |= frame.failed,
            None => self.failed = frame.failed,
        }
        if let Err(err) = self.stack.reopen_deepest(frame.fd.as_deref(), context.removes()) {
            return self.fail(&frame.name, err);
        }
        if frame.failed || belongs_to_other_walk {
            return;
        }
        let parent = self.stack.deepest().map(|parent| parent.fd.clone());
        match &parent {
            None => self.remove_left(context, frame, context.parent),
            Some(Some(fd)) => self.remove_left(context, frame, fd.as_fd()),
            Some(None) => {}
        }
    }

    /// Removes a directory that the walk has left from its parent, or enters it again if that finds
    /// that it is not empty.
    fn remove_left(
        &mut self,
        context: &RemovalContext<'_>,
        frame: DirFrame,
        parent: BorrowedFd<'_>,
    ) {
        let is_root = self.stack.is_empty();
        let rmdir = || unlinkat(parent, &frame.name, AtFlags::REMOVEDIR);
        let removed = match (context.removes(), is_root) {
            (false, _) => Ok(()),
            // The directory that holds the resource is not part of it; its mode stays.
            (true, true) => rmdir(),
            (true, false) => with_owner_access(parent, rmdir),
        };
        match removed {
            Ok(()) => self.tally.count(frame.bytes, context.removal.progress),
            Err(Errno::NOENT) if is_root && frame.is_linked() => self.fail(&frame.name, moved()),
            Err(Errno::NOENT) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST) if !frame.is_entry_of(parent) => {
                self.fail(&frame.name, moved());
            }
            Err(Errno::NOTEMPTY | Errno::EXIST)
                if frame.rewinds == 0
                    || frame.rewinds < MAX_REWINDS
                        && left(parent, &frame.name) != Left::OpenFiles =>
            {
                self.enter_again(frame);
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                let cause = if left(parent, &frame.name) == Left::Others {
                    "another process keeps adding entries"
                } else {
                    "a process has a file in it open, which this filesystem keeps as .fuse_hidden*"
                };
                let cause = io::Error::other(cause);
                self.fail(&frame.name, cause);
            }
            // Some filesystems report another error for a directory that is not empty.
            Err(_) if frame.state == ReadState::ProbablyEnd && frame.rewinds == 0 => {
                self.enter_again(frame);
            }
            Err(err) => self.fail(&frame.name, err.into()),
        }
    }

    /// Reads a directory again that the walk has left.
    fn enter_again(&mut self, mut frame: DirFrame) {
        let rewound = frame.read_again();
        self.stack.push(frame);
        if let Err(err) = rewound {
            self.fail_deepest(err);
        }
    }

    /// Records that an entry of the deepest directory could not be removed; the root itself if the
    /// stack is empty.
    fn fail(&mut self, name: &CStr, cause: io::Error) {
        let mut path = self.stack.deepest_path();
        if !self.stack.is_empty() {
            path.push(OsStr::from_bytes(name.to_bytes()));
        }
        self.record_failure(path, cause);
    }

    /// Records that the deepest directory could not be read.
    fn fail_deepest(&mut self, cause: io::Error) {
        let path = self.stack.deepest_path();
        self.record_failure(path, cause);
    }

    fn record_failure(&mut self, path: PathBuf, cause: io::Error) {
        let frame = self.stack.deepest_mut();
        let second_pass = frame.is_some_and(|frame| {
            frame.failed = true;
            frame.second_pass
        });
        self.tally.fail(path, cause, second_pass);
    }
}

/// How FUSE names a removed file that a process has open.
const FUSE_HIDDEN: &[u8] = b".fuse_hidden";

/// What is left in a directory that should be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// Removed files that processes have open.
    OpenFiles,
    /// Such files, and other entries.
    Both,
    /// Other entries, or none.
    Others,
}

/// Returns what is left in a directory.
fn left(parent: BorrowedFd<'_>, name: &CStr) -> Left {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let entries = openat(parent, name, flags, Mode::empty()).and_then(rustix::fs::Dir::new);
    let (mut open, mut others) = (false, false);
    for entry in entries.into_iter().flatten().flatten() {
        match entry.file_name().to_bytes() {
            b"." | b".." => {}
            name if name.starts_with(FUSE_HIDDEN) => open = true,
            _ => others = true,
        }
    }
    match (open, others) {
        (true, false) => Left::OpenFiles,
        (true, true) => Left::Both,
        (false, _) => Left::Others,
    }
}

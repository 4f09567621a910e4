//! Several threads at one removal.
//!
//! One thread begins alone. When there turns out to be work for several, these take over, and a walk
//! lends part of what it still has to do to whoever has nothing, or is the next to have nothing:
//! subdirectories of the highest level that has any, or a batch of files of the directory that it is
//! reading. A walk that has done all of a level but what it lent is laid aside; who brings back the
//! last of that goes on with it. So nobody waits for anybody in particular, and nothing is removed
//! before what is in it.

use std::collections::HashMap;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::fs::Statx;
use rustix::process::{Resource, getrlimit};

use crate::remove::frame::{Key, key};
use crate::remove::root::{Mode, Removal, RemovalOutcome};
pub(crate) use crate::remove::root::{bytes, is_dir};
use crate::remove::walk::{OPEN_LEVELS, Step, Walk};
use crate::sys;

/// How many threads there are at most. More than these wait for each other in the kernel.
const MAX_THREADS: usize = 8;

/// How many walks there may be for each thread: those that run, wait, or are laid aside.
const WALKS_PER_THREAD: usize = 4;

/// What a thread needs for its stack: a walk does not recurse.
const STACK: usize = 256 * 1024;

/// On which thread a walk is.
#[derive(Clone, Copy, Default)]
pub(super) struct Worker {
    /// Whether it is the only one so far.
    pub(super) alone: bool,
    /// Whether it has a working directory of its own.
    pub(super) own_cwd: bool,
}

impl Worker {
    fn with_own_cwd() -> Self {
        Self { alone: false, own_cwd: sys::own_working_directory().is_ok() }
    }
}

/// Those at work on one removal.
pub(super) struct Pool<'a> {
    pub(super) removal: Removal<'a>,
    /// The directory that the root of it all is in.
    pub(super) parent: BorrowedFd<'a>,
    state: Mutex<State>,
    news: Condvar,
    /// How many more walks should be lent.
    wanted: AtomicUsize,
    /// Files with several names, and how many of these have been met: only for a measurement, during
    /// which they do not get fewer.
    met: Mutex<HashMap<Key, u32>>,
}

#[derive(Default)]
struct State {
    waiting: Vec<Walk>,
    /// Threads without a walk.
    idle: usize,
    /// All walks that are not at their end.
    walks: usize,
    /// How many there may be.
    most_walks: usize,
    /// How it went, when all is done.
    outcome: Option<RemovalOutcome>,
}

impl<'a> Pool<'a> {
    /// For a removal in this directory.
    pub(super) fn new(removal: Removal<'a>, parent: BorrowedFd<'a>) -> Self {
        Self {
            removal,
            parent,
            state: Mutex::default(),
            news: Condvar::new(),
            wanted: AtomicUsize::new(0),
            met: Mutex::default(),
        }
    }

    /// Takes a walk to its end, alone as long as it is small: to ask how many threads there may be
    /// takes longer than a small tree. `newest` is about how many descriptors the process has.
    pub(super) fn remove_tree(&self, walk: Walk, newest: RawFd) -> RemovalOutcome {
        match walk.run(self, Worker { alone: true, own_cwd: false }) {
            Step::Large(large) => self.run_threads(large, newest),
            Step::Done(done) => done.outcome,
            Step::Parked => RemovalOutcome::default(),
        }
    }

    fn run_threads(&self, walk: Walk, newest: RawFd) -> RemovalOutcome {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        let threads = threads.min(room_for_walks(newest));
        let most_walks =
            if threads > 1 { room_for_walks(newest).min(threads * WALKS_PER_THREAD) } else { 1 };
        let waiting = vec![walk];
        *self.state() = State { waiting, walks: 1, most_walks, ..State::default() };
        thread::scope(|scope| {
            let spawn = || {
                let thread = thread::Builder::new().stack_size(STACK);
                thread.spawn_scoped(scope, || self.work(Worker::with_own_cwd())).is_ok()
            };
            let spawned = threads > 1 && (0..threads).filter(|_| spawn()).count() > 0;
            // Where no thread is to be had, it takes longer.
            if !spawned {
                self.work(Worker::default());
            }
        });
        self.state().outcome.take().unwrap_or_default()
    }

    /// What removing a name of a file frees: nothing before its last one.
    pub(super) fn bytes_freed(&self, stat: &Statx) -> u64 {
        if self.changes() || stat.stx_nlink < 2 || is_dir(stat) {
            return bytes(stat);
        }
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let names = met.entry(key(stat)).or_default();
        *names += 1;
        if *names == stat.stx_nlink { stat.stx_blocks.saturating_mul(512) } else { 0 }
    }

    /// Whether it changes anything.
    pub(super) fn changes(&self) -> bool {
        self.removal.mode == Mode::Remove
    }

    /// Whether somebody has nothing to do, or would not find anything.
    pub(super) fn wants_work(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) > 0
    }

    /// Whether there is still room for one more walk, which then is to be lent.
    pub(super) fn try_reserve(&self) -> bool {
        let mut state = self.state();
        let has_room = state.walks < state.most_walks && self.wanted.load(Ordering::Relaxed) > 0;
        state.walks += usize::from(has_room);
        self.wake_idle(&state);
        has_room
    }

    /// Has somebody begin with a walk that room was made for.
    pub(super) fn share(&self, walk: Walk) {
        let mut state = self.state();
        state.waiting.push(walk);
        self.wake_idle(&state);
        drop(state);
        self.news.notify_one();
    }

    fn work(&self, worker: Worker) {
        let _alarm = PanicGuard(self);
        let mut walk = None;
        while let Some(current) = walk.take().or_else(|| self.next()) {
            walk = match current.run(self, worker) {
                Step::Parked => None,
                Step::Large(large) => Some(large),
                Step::Done(done) => self.complete(done),
            };
        }
    }

    /// Waits for a walk; none comes any more when all is done.
    fn next(&self) -> Option<Walk> {
        let mut state = self.state();
        loop {
            if state.outcome.is_some() {
                return None;
            }
            if let Some(walk) = state.waiting.pop() {
                self.wake_idle(&state);
                return Some(walk);
            }
            state.idle += 1;
            self.wake_idle(&state);
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            self.wake_idle(&state);
        }
    }

    /// Settles a walk at its end. Gives the one that was laid aside for it.
    fn complete(&self, done: Walk) -> Option<Walk> {
        let mut state = self.state();
        state.walks -= 1;
        self.wake_idle(&state);
        drop(state);
        let Some(join) = done.join else {
            self.end(done.outcome);
            return None;
        };
        join.finish_one(done.failed, done.outcome)
    }

    fn end(&self, outcome: RemovalOutcome) {
        self.state().outcome = Some(outcome);
        self.news.notify_all();
    }

    fn wake_idle(&self, state: &State) {
        // One is to wait for the next who is ready: to sleep and be woken takes as long as a few files.
        let free = state.most_walks.saturating_sub(state.walks);
        let wanted = (state.idle + 1).saturating_sub(state.waiting.len()).min(free);
        self.wanted.store(wanted, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends all home when one has panicked, who would wait for its walk for ever.
struct PanicGuard<'c, 'a>(&'c Pool<'a>);

impl Drop for PanicGuard<'_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.end(RemovalOutcome::default());
        }
    }
}

/// For how many walks the descriptors suffice that the process may still open.
fn room_for_walks(newest: RawFd) -> usize {
    /// Those that a walk opens on its way, and those of other parts of the program.
    const SPARE: usize = 3;
    let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let free = usize::try_from(most)
        .unwrap_or(usize::MAX)
        .saturating_sub(usize::try_from(newest).unwrap_or_default() + SPARE);
    (free / (OPEN_LEVELS + SPARE)).max(1)
}

/// What a level has lent and not got back.
#[derive(Default)]
pub(super) struct Join(Mutex<Owed>);

#[derive(Default)]
struct Owed {
    walks: usize,
    /// Whether something in what was lent could not be removed.
    failed: bool,
    outcome: RemovalOutcome,
    /// The walk that goes on when all is back.
    aside: Option<Walk>,
}

impl Join {
    /// Notes that one more walk is lent.
    pub(super) fn add(&self) {
        self.owed().walks += 1;
    }

    /// What has come back so far: whether something in it failed, and how it went.
    pub(super) fn returned(&self) -> (bool, RemovalOutcome) {
        let mut owed = self.owed();
        (owed.failed, std::mem::take(&mut owed.outcome))
    }

    /// Lays a walk aside until all is back. Gives it back if that is so already.
    pub(super) fn park(&self, walk: Walk) -> Option<Walk> {
        let mut owed = self.owed();
        if owed.walks == 0 {
            return Some(walk);
        }
        owed.aside = Some(walk);
        None
    }

    fn finish_one(&self, failed: bool, outcome: RemovalOutcome) -> Option<Walk> {
        let mut owed = self.owed();
        owed.walks = owed.walks.saturating_sub(1);
        owed.failed |= failed;
        owed.outcome.add(outcome);
        if owed.walks == 0 { owed.aside.take() } else { None }
    }

    fn owed(&self) -> MutexGuard<'_, Owed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Shares one removal among several threads.
//!
//! One thread starts alone. Once it has found enough work for several, worker threads take over. A
//! running walk then shares some of its work whenever a worker is idle, and one part in advance,
//! for the worker that is idle next: half of the pending subdirectories of the highest directory
//! that has any, or a batch of files of the directory that it is reading. A walk that has done
//! everything in a directory except what it shared is parked in a
//! [`Join`](crate::remove::join::Join); the worker that finishes the last part continues it. So no
//! thread waits for a particular other one, and no directory is removed before its contents.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::process::free_fds;
use crate::remove::context::RemovalContext;
use crate::remove::outcome::RemovalOutcome;
use crate::remove::stack::OPEN_FRAMES;
use crate::remove::walk::RemovalWalk;
use crate::remove::work::{Completed, Step, WorkPool, Worker};
use crate::sys;

/// The maximum number of threads. More than these contend in the kernel.
const MAX_THREADS: usize = 8;

/// The maximum number of walks for each thread: those that run, wait for a worker, or are parked.
const WALKS_PER_THREAD: usize = 4;

/// The stack of a worker thread. A walk does not recurse.
const STACK_BYTES: usize = 256 * 1024;

/// The descriptors that a walk needs besides those of its stack: to open and reopen directories.
/// The rest of the program needs as many.
const SPARE_FDS: usize = 3;

/// The workers of one removal and the walks that wait for them.
pub(super) struct Pool<'a> {
    context: &'a RemovalContext<'a>,
    state: Mutex<PoolState>,
    /// Signals that a walk waits, or that the removal is done.
    changed: Condvar,
    /// How many more walks should be shared.
    demand: AtomicUsize,
}

#[derive(Default)]
struct PoolState {
    /// Walks that wait for a worker.
    waiting: Vec<RemovalWalk>,
    /// Workers that wait for a walk.
    idle: usize,
    /// Walks that are not finished, and places that are reserved for more.
    walks: usize,
    max_walks: usize,
    /// The outcome, once the removal is done.
    outcome: Option<RemovalOutcome>,
}

impl PoolState {
    /// Returns how many more walks should be shared: one for each idle worker, and one in advance,
    /// since to fall asleep and be woken costs a worker the time of several files.
    fn demand(&self) -> usize {
        let places = self.max_walks.saturating_sub(self.walks);
        (self.idle + 1).saturating_sub(self.waiting.len()).min(places)
    }
}

impl<'a> Pool<'a> {
    pub(super) fn new(context: &'a RemovalContext<'a>) -> Self {
        Self {
            context,
            state: Mutex::default(),
            changed: Condvar::new(),
            demand: AtomicUsize::new(0),
        }
    }

    /// Runs a walk and all walks that it shares. Stays on this thread while the tree is small: to
    /// find out how many threads to start takes longer than to remove a small tree. `newest_fd` is
    /// the descriptor that was opened last.
    pub(super) fn run(&self, walk: RemovalWalk, newest_fd: RawFd) -> RemovalOutcome {
        match walk.run(self.context, self, Worker { alone: true, own_cwd: false }) {
            Step::Large(walk) => self.run_threads(walk, newest_fd),
            Step::Done(walk) => match walk.complete() {
                Completed::Tree(outcome) => outcome,
                Completed::Part(_) => RemovalOutcome::default(),
            },
            Step::Parked => RemovalOutcome::default(),
        }
    }

    fn run_threads(&self, walk: RemovalWalk, newest_fd: RawFd) -> RemovalOutcome {
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        let affordable = walks_for(free_fds(newest_fd));
        let threads = cpus.min(MAX_THREADS).min(affordable);
        let max_walks = if threads > 1 { affordable.min(threads * WALKS_PER_THREAD) } else { 1 };
        *self.state() =
            PoolState { waiting: vec![walk], walks: 1, max_walks, ..PoolState::default() };
        thread::scope(|scope| {
            let spawn = || {
                let thread = thread::Builder::new().stack_size(STACK_BYTES);
                let work = || self.work(Worker { alone: false, own_cwd: unshare_cwd() });
                thread.spawn_scoped(scope, work).is_ok()
            };
            let spawned = threads > 1 && (0..threads).filter(|_| spawn()).count() > 0;
            // If no thread can be started, this one does all of the work.
            if !spawned {
                self.work(Worker::default());
            }
        });
        self.state().outcome.take().unwrap_or_default()
    }

    /// Runs walks until the removal is done.
    fn work(&self, worker: Worker) {
        let _guard = PanicGuard(self);
        let mut next = None;
        while let Some(walk) = next.take().or_else(|| self.wait_for_walk()) {
            next = match walk.run(self.context, self, worker) {
                Step::Parked => None,
                Step::Large(walk) => Some(walk),
                Step::Done(walk) => self.complete(walk),
            };
        }
    }

    /// Returns the next walk to run, or none once the removal is done.
    fn wait_for_walk(&self) -> Option<RemovalWalk> {
        let mut state = self.state();
        loop {
            if state.outcome.is_some() {
                return None;
            }
            if let Some(walk) = state.waiting.pop() {
                self.update_demand(&state);
                return Some(walk);
            }
            state.idle += 1;
            self.update_demand(&state);
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            self.update_demand(&state);
        }
    }

    /// Frees the place of a finished walk. Returns the walk that continues now, if any.
    fn complete(&self, walk: RemovalWalk) -> Option<RemovalWalk> {
        let mut state = self.state();
        state.walks -= 1;
        self.update_demand(&state);
        drop(state);
        match walk.complete() {
            Completed::Part(parked) => parked,
            Completed::Tree(outcome) => {
                self.end(outcome);
                None
            }
        }
    }

    fn end(&self, outcome: RemovalOutcome) {
        self.state().outcome = Some(outcome);
        self.changed.notify_all();
    }

    fn update_demand(&self, state: &PoolState) {
        self.demand.store(state.demand(), Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WorkPool<RemovalWalk> for Pool<'_> {
    fn wants_work(&self) -> bool {
        self.demand.load(Ordering::Relaxed) > 0
    }

    fn try_reserve(&self) -> bool {
        let mut state = self.state();
        let reserved = state.demand() > 0;
        state.walks += usize::from(reserved);
        self.update_demand(&state);
        reserved
    }

    fn share(&self, walk: RemovalWalk) {
        let mut state = self.state();
        state.waiting.push(walk);
        self.update_demand(&state);
        drop(state);
        self.changed.notify_one();
    }
}

/// Ends the removal if a worker panics. Its walk is lost, and the other workers would wait for it
/// forever.
struct PanicGuard<'c, 'a>(&'c Pool<'a>);

impl Drop for PanicGuard<'_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.end(RemovalOutcome::default());
        }
    }
}

/// Gives the calling thread its own working directory. Returns whether that is possible.
fn unshare_cwd() -> bool {
    sys::unshare_working_directory().is_ok()
}

/// Returns how many walks may run with so many free descriptors.
fn walks_for(free_fds: usize) -> usize {
    (free_fds.saturating_sub(SPARE_FDS) / (OPEN_FRAMES + SPARE_FDS)).max(1)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::ffi::CString;
    use std::fs;
    use std::os::fd::{AsFd as _, AsRawFd as _};
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;

    use super::*;
    use crate::remove::options::Removal;

    #[test]
    fn walks_fit_into_the_descriptor_limit() {
        assert_eq!(walks_for(1014), 37);
        assert_eq!(walks_for(54), 1);
        assert_eq!(walks_for(0), 1, "one always runs");
    }

    #[test]
    fn demand_is_one_for_each_idle_worker_and_one_in_advance() {
        let demand =
            |idle, walks| PoolState { idle, walks, max_walks: 8, ..PoolState::default() }.demand();
        assert_eq!(demand(0, 1), 1);
        assert_eq!(demand(2, 1), 3);
        assert_eq!(demand(2, 7), 1, "one place is left");
        assert_eq!(demand(2, 8), 0, "no place is left");
        assert_eq!(PoolState::default().demand(), 0, "a thread alone shares nothing");
    }

    /// Wants work until it has enough walks, and runs them on the test's thread.
    #[derive(Default)]
    struct TestPool {
        places: Cell<usize>,
        shared: RefCell<Vec<RemovalWalk>>,
    }

    impl WorkPool<RemovalWalk> for TestPool {
        fn wants_work(&self) -> bool {
            self.places.get() > 0
        }

        fn try_reserve(&self) -> bool {
            let places = self.places.get();
            self.places.set(places.saturating_sub(1));
            places > 0
        }

        fn share(&self, walk: RemovalWalk) {
            self.shared.borrow_mut().push(walk);
        }
    }

    /// In memory if possible: ext4 takes up to a millisecond to create a file after mass removals.
    fn tempdir() -> tempfile::TempDir {
        tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
    }

    fn walk(path: &Path) -> RemovalWalk {
        let name = CString::new(path.file_name().unwrap().as_bytes()).unwrap();
        RemovalWalk::new(name, path.to_owned(), fs::File::open(path).unwrap().into(), 0)
    }

    /// Removes `path`, shares up to `places` parts, and returns how often a walk was parked.
    fn remove(path: &Path, places: usize) -> (RemovalOutcome, usize) {
        let parent = fs::File::open(path.parent().unwrap()).unwrap();
        let context = RemovalContext::new(Removal::PLAIN, parent.as_fd());
        let root = walk(path);
        let pool = TestPool { places: Cell::new(places), shared: RefCell::new(vec![root]) };
        let mut parked = 0;
        loop {
            let walk = pool.shared.borrow_mut().pop().expect("a walk is left");
            match walk.run(&context, &pool, Worker::default()) {
                Step::Parked => parked += 1,
                Step::Large(_) => unreachable!("the worker is not alone"),
                Step::Done(walk) => match walk.complete() {
                    Completed::Tree(outcome) => return (outcome, parked),
                    Completed::Part(next) => pool.shared.borrow_mut().extend(next),
                },
            }
        }
    }

    /// Creates 4 × 4 × 4 directories with 5 files each.
    fn create_tree(top: &Path) -> u64 {
        let branches = (0..64).map(|n| top.join(format!("{}/{}/{}", n / 16, n / 4 % 4, n % 4)));
        for dir in branches {
            fs::create_dir_all(&dir).unwrap();
            (0..5).for_each(|n| fs::write(dir.join(n.to_string()), "").unwrap());
        }
        1 + 4 + 16 + 64 + 64 * 5
    }

    #[test]
    fn every_entry_is_removed_and_counted_however_much_is_shared() {
        let dir = tempdir();
        for places in [0, 1, 2, 7, 100] {
            let top = dir.path().join("tree");
            let entries = create_tree(&top);
            let (outcome, parked) = remove(&top, places);
            assert!(outcome.is_complete(), "{outcome:?}");
            assert_eq!(outcome.freed.entries, entries, "{places} places");
            assert_eq!(parked > 0, places > 0, "{places} places");
            assert!(!top.exists());
        }
    }

    #[test]
    fn threads_remove_and_count_every_entry() {
        let dir = tempdir();
        let parent = fs::File::open(dir.path()).unwrap();
        let top = dir.path().join("tree");
        for _ in 0..20 {
            let entries = create_tree(&top);
            let context = RemovalContext::new(Removal::PLAIN, parent.as_fd());
            let outcome = Pool::new(&context).run(walk(&top), parent.as_raw_fd());
            assert!(outcome.is_complete(), "{outcome:?}");
            assert_eq!(outcome.freed.entries, entries);
            assert!(!top.exists());
        }
    }
}

//! A fork-join in which no thread blocks: the task that shared parts of its work is parked, and the
//! worker that finishes the last part continues it.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::remove::outcome::RemovalOutcome;

/// Counts the parts of a task's work that other workers do, and keeps the task while it waits for
/// them.
pub(super) struct Join<T>(Mutex<JoinState<T>>);

struct JoinState<T> {
    /// Shared parts that are not finished.
    unfinished: usize,
    finished: Finished,
    /// The task that continues once all parts are finished.
    parked: Option<T>,
}

/// The result of the parts that are finished.
#[derive(Debug, Default)]
pub(super) struct Finished {
    pub(super) outcome: RemovalOutcome,
    /// Whether some entry could not be removed.
    pub(super) failed: bool,
}

impl<T> Default for Join<T> {
    fn default() -> Self {
        let state = JoinState { unfinished: 0, finished: Finished::default(), parked: None };
        Self(Mutex::new(state))
    }
}

impl<T> Join<T> {
    /// Adds a part. The caller shares it with another worker, which calls [`Join::finish_one`].
    pub(super) fn add(&self) {
        self.state().unfinished += 1;
    }

    /// Records that a part is finished. Returns the parked task if this was the last part; the
    /// caller then continues with it.
    pub(super) fn finish_one(&self, part: Finished) -> Option<T> {
        let mut state = self.state();
        state.unfinished = state.unfinished.saturating_sub(1);
        state.finished.failed |= part.failed;
        state.finished.outcome.add(part.outcome);
        if state.unfinished == 0 { state.parked.take() } else { None }
    }

    /// Parks a task until all parts are finished. If they are finished already, returns the task,
    /// and the caller continues with it.
    pub(super) fn park(&self, task: T) -> Option<T> {
        let mut state = self.state();
        if state.unfinished == 0 {
            return Some(task);
        }
        state.parked = Some(task);
        None
    }

    /// Returns the result of all parts that finished since the last call.
    pub(super) fn returned(&self) -> Finished {
        mem::take(&mut self.state().finished)
    }

    fn state(&self) -> MutexGuard<'_, JoinState<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The joins of a walk, each with the depth of the directory that it belongs to.
pub(super) struct Joins<T>(Vec<(usize, Arc<Join<T>>)>);

impl<T> Joins<T> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn get(&self, depth: usize) -> Option<Arc<Join<T>>> {
        self.0.iter().find(|(at, _)| *at == depth).map(|(_, join)| Arc::clone(join))
    }

    pub(super) fn get_or_add(&mut self, depth: usize) -> Arc<Join<T>> {
        self.get(depth).unwrap_or_else(|| {
            let join = Arc::default();
            self.0.push((depth, Arc::clone(&join)));
            join
        })
    }

    pub(super) fn remove(&mut self, depth: usize) {
        self.0.retain(|(at, _)| *at != depth);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::SeqCst;
    use std::thread;

    use super::*;
    use crate::remove::outcome::Usage;

    fn part(entries: u64, failed: bool) -> Finished {
        let outcome =
            RemovalOutcome { freed: Usage { entries, bytes: 0 }, ..RemovalOutcome::default() };
        Finished { outcome, failed }
    }

    #[test]
    fn a_task_without_unfinished_parts_is_not_parked() {
        let join = Join::default();
        assert_eq!(join.park("task"), Some("task"));
        join.add();
        assert_eq!(join.finish_one(part(1, false)), None);
        assert_eq!(join.park("task"), Some("task"));
    }

    #[test]
    fn the_last_part_returns_the_parked_task() {
        let join = Join::default();
        join.add();
        join.add();
        assert_eq!(join.park("task"), None);
        assert_eq!(join.finish_one(part(1, false)), None);
        assert_eq!(join.finish_one(part(2, false)), Some("task"));
        assert_eq!(join.returned().outcome.freed.entries, 3);
    }

    #[test]
    fn a_failure_in_one_part_is_a_failure_of_the_whole() {
        let join = Join::<()>::default();
        for failed in [false, true, false] {
            join.add();
            join.finish_one(part(0, failed));
        }
        assert!(join.returned().failed);
    }

    #[test]
    fn results_are_returned_once() {
        let join = Join::<()>::default();
        join.add();
        join.finish_one(part(5, true));
        assert_eq!(join.returned().outcome.freed.entries, 5);
        let rest = join.returned();
        assert_eq!((rest.outcome.freed.entries, rest.failed), (0, false));
    }

    #[test]
    fn each_depth_has_one_join() {
        let mut joins = Joins::<()>::new();
        let [first, second] = [3, 1].map(|depth| joins.get_or_add(depth));
        assert!(Arc::ptr_eq(&joins.get_or_add(3), &first));
        assert!(joins.get(1).is_some_and(|join| Arc::ptr_eq(&join, &second)));
        joins.remove(3);
        assert!(joins.get(3).is_none() && joins.get(1).is_some());
    }

    #[test]
    fn exactly_one_thread_resumes_the_task() {
        for _ in 0..200 {
            let join = Arc::new(Join::default());
            let resumed = AtomicUsize::new(0);
            (0..4).for_each(|_| join.add());
            let resume = |task: Option<()>| resumed.fetch_add(usize::from(task.is_some()), SeqCst);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| resume(join.finish_one(part(1, false))));
                }
                resume(join.park(()));
            });
            assert_eq!(resumed.into_inner(), 1);
            assert_eq!(join.returned().outcome.freed.entries, 4);
        }
    }
}

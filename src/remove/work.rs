//! The contract between a task that can share its work and the pool of workers that runs it.

use crate::remove::outcome::RemovalOutcome;

/// Where a running task of type `T` leaves work for other workers.
pub(super) trait WorkPool<T> {
    /// Whether a worker could use more work. Cheap enough to ask before each directory.
    fn wants_work(&self) -> bool;

    /// Reserves a place for one more task. If this returns true, the caller must call
    /// [`WorkPool::share`].
    fn try_reserve(&self) -> bool;

    /// Hands over a task for which a place is reserved.
    fn share(&self, task: T);
}

/// The thread that runs a task.
#[derive(Clone, Copy, Default)]
pub(super) struct Worker {
    /// Whether no other thread works on this removal yet.
    pub(super) alone: bool,
    /// Whether its working directory is its own, so that it may change it.
    pub(super) own_cwd: bool,
}

/// Why a task stopped.
pub(super) enum Step<T> {
    /// It is finished.
    Done(T),
    /// It waits in a join for the parts that it shared.
    Parked,
    /// Its worker is alone, and it has found enough work for several.
    Large(T),
}

/// What follows from a finished task.
pub(super) enum Completed<T> {
    /// The whole tree is done.
    Tree(RemovalOutcome),
    /// A shared part is done. If it was the last one, the task that shared it continues.
    Part(Option<T>),
}

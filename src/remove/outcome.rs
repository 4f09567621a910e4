//! What a removal achieved: entries, bytes, and failures.

use std::io;
use std::ops::AddAssign;
use std::path::PathBuf;

/// What was removed, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Directory entries.
    pub entries: u64,
    /// Bytes of storage, as du(1) counts them; 0 if the caller did not ask for them. Removing a
    /// file that has another hard link frees none. If two threads remove the last two names of a
    /// file at the same moment, each may see the other's name, and neither counts the bytes.
    pub bytes: u64,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.entries += other.entries;
        self.bytes += other.bytes;
    }
}

/// An entry that could not be removed.
#[derive(Debug)]
pub struct Failure {
    /// The path of the entry.
    pub path: PathBuf,
    /// Why it could not be removed.
    pub cause: io::Error,
}

/// The result of a removal.
#[derive(Debug, Default)]
pub struct RemovalOutcome {
    /// What was removed, or would be.
    pub freed: Usage,
    /// The first [`RemovalOutcome::MAX_FAILURES`] failures in the order of their paths.
    pub failures: Vec<Failure>,
    /// How many more failures occurred.
    pub more_failures: u64,
}

impl RemovalOutcome {
    /// How many failures keep their path and cause.
    pub const MAX_FAILURES: usize = 20;

    /// Whether everything was removed.
    pub fn is_complete(&self) -> bool {
        self.failures.is_empty()
    }

    /// Records a failure, unless one is recorded for the same path.
    pub(super) fn fail(&mut self, path: PathBuf, cause: io::Error) {
        let position = self.failures.binary_search_by(|failure| failure.path.cmp(&path));
        let Err(position) = position else { return };
        self.failures.insert(position, Failure { path, cause });
        if self.failures.len() > Self::MAX_FAILURES {
            self.failures.pop();
            self.more_failures += 1;
        }
    }

    /// Adds the outcome of another part of the same removal.
    pub(crate) fn add(&mut self, other: Self) {
        self.freed += other.freed;
        self.more_failures += other.more_failures;
        for Failure { path, cause } in other.failures {
            self.fail(path, cause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_failures(paths: impl IntoIterator<Item = String>) -> RemovalOutcome {
        let mut outcome = RemovalOutcome::default();
        for path in paths {
            outcome.fail(path.into(), io::ErrorKind::PermissionDenied.into());
        }
        outcome
    }

    fn paths(outcome: &RemovalOutcome) -> Vec<&str> {
        outcome.failures.iter().map(|failure| failure.path.to_str().unwrap()).collect()
    }

    #[test]
    fn failures_are_sorted_and_each_path_is_recorded_once() {
        let outcome = with_failures(["b", "c", "a", "b"].map(String::from));
        assert_eq!(paths(&outcome), ["a", "b", "c"]);
        assert_eq!(outcome.more_failures, 0);
        assert!(!outcome.is_complete());
    }

    #[test]
    fn failures_beyond_the_limit_are_only_counted() {
        let outcome = with_failures((0..30).rev().map(|n| format!("{n:02}")));
        let first: Vec<_> = (0..20).map(|n| format!("{n:02}")).collect();
        assert_eq!(paths(&outcome), first);
        assert_eq!(outcome.more_failures, 10);
    }

    #[test]
    fn parts_add_up() {
        let mut sum = with_failures((0..15).map(|n| format!("a{n:02}")));
        sum.freed = Usage { entries: 1, bytes: 2 };
        let mut part = with_failures((0..15).map(|n| format!("b{n:02}")));
        part.freed = Usage { entries: 10, bytes: 20 };
        part.more_failures = 3;
        sum.add(part);
        assert_eq!(sum.freed, Usage { entries: 11, bytes: 22 });
        assert_eq!((sum.failures.len(), sum.more_failures), (20, 13));
        assert_eq!(paths(&sum)[15..], ["b00", "b01", "b02", "b03", "b04"]);
    }
}

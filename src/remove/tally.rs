//! What one walk has removed so far, and what it could not remove.

use std::path::PathBuf;
use std::{io, mem};

use crate::remove::outcome::{RemovalOutcome, Usage};
use crate::values::Progress;

/// How many entries are counted before the progress is updated: threads contend for it.
const PROGRESS_BATCH: u64 = 16;

/// Counts for one walk, and updates the progress of the whole removal now and then.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) outcome: RemovalOutcome,
    /// What the progress does not include yet.
    unreported: Usage,
}

impl Tally {
    /// Counts one removed entry.
    pub(super) fn count(&mut self, bytes: u64, progress: Option<&Progress>) {
        let one = Usage { entries: 1, bytes };
        self.outcome.freed += one;
        self.unreported += one;
        if self.unreported.entries == PROGRESS_BATCH {
            self.report(progress);
        }
    }

    /// Adds to the progress what it does not include yet.
    pub(super) fn report(&mut self, progress: Option<&Progress>) {
        let unreported = mem::take(&mut self.unreported);
        if let Some(progress) = progress {
            progress.add(unreported.entries, unreported.bytes);
        }
    }

    /// Records a failure. In a second pass over a directory, failures that exceed the limit are not
    /// counted: the first pass has counted them.
    pub(super) fn fail(&mut self, path: PathBuf, cause: io::Error, second_pass: bool) {
        let more_failures = self.outcome.more_failures;
        self.outcome.fail(path, cause);
        if second_pass {
            self.outcome.more_failures = more_failures;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_updated_in_batches_and_at_the_end() {
        let progress = Progress::default();
        let mut tally = Tally::default();
        let mut reported = Vec::new();
        for _ in 0..40 {
            tally.count(2, Some(&progress));
            reported.push(progress.done().0);
        }
        reported.dedup();
        assert_eq!(reported, [0, 16, 32]);
        tally.report(Some(&progress));
        assert_eq!(progress.done(), (40, 80));
        assert_eq!(tally.outcome.freed, Usage { entries: 40, bytes: 80 });
    }

    #[test]
    fn a_second_pass_does_not_count_failures_again() {
        let mut tally = Tally::default();
        for second_pass in [false, true] {
            for n in 0..25 {
                let path = PathBuf::from(format!("{n:02}"));
                tally.fail(path, io::ErrorKind::PermissionDenied.into(), second_pass);
            }
            assert_eq!((tally.outcome.failures.len(), tally.outcome.more_failures), (20, 5));
        }
    }
}

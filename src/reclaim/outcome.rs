//! What a sweep reports.

use std::io;
use std::path::PathBuf;

use crate::lease::Resource;
use crate::reclaim::problem::LeaseProblem;
use crate::reclaim::state::KeepReason;
use crate::remove::{RemovalOutcome, Usage};
use crate::values::message::strerror;

/// What became of one resource.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was removed, or would be in a dry run. Holds what that frees.
    Removed(Usage),
    /// It was kept.
    Kept(KeepReason),
    /// Its lease ended although it was out of sight: for too long, or on request.
    GivenUp,
    /// It was removed in part or not at all.
    Failed {
        /// The entries that could not be removed, and why.
        failures: Vec<(PathBuf, String)>,
        /// What was removed all the same.
        freed: Usage,
        /// The first entry that this process was not permitted to remove.
        denied: Option<PathBuf>,
    },
}

/// Receives what a sweep does, as it happens.
pub(crate) trait Observer {
    /// Reports what became of a resource of the lease `id`. An error ends the sweep.
    fn outcome(&mut self, id: &str, resource: &Resource, outcome: Outcome) -> io::Result<()>;

    /// Reports a lease that was skipped.
    fn problem(&mut self, problem: LeaseProblem);

    /// Reports resources that are kept.
    fn kept(&mut self, id: &str, resources: Vec<(Resource, KeepReason)>) -> io::Result<()> {
        resources
            .into_iter()
            .try_for_each(|(resource, reason)| self.outcome(id, &resource, Outcome::Kept(reason)))
    }

    /// Reports resources that are given up.
    fn given_up(&mut self, id: &str, resources: &[Resource]) -> io::Result<()> {
        resources.iter().try_for_each(|resource| self.outcome(id, resource, Outcome::GivenUp))
    }
}

impl From<RemovalOutcome> for Outcome {
    fn from(outcome: RemovalOutcome) -> Self {
        if outcome.is_complete() {
            return Self::Removed(outcome.freed);
        }
        let is_denied =
            |cause: &io::Error| matches!(cause.raw_os_error(), Some(libc::EPERM | libc::EACCES));
        let denied = outcome.failures.iter().find(|failure| is_denied(&failure.cause));
        let denied = denied.map(|failure| failure.path.clone());
        let failures = outcome.failures.into_iter();
        let mut failures: Vec<_> =
            failures.map(|failure| (failure.path, strerror(&failure.cause))).collect();
        if let (Some((_, why)), more @ 1..) = (failures.last_mut(), outcome.more_failures) {
            *why = format!("{why} (and {more} more)");
        }
        Self::Failed { failures, freed: outcome.freed, denied }
    }
}

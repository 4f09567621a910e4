//! Which leases and resources a cleanup or a listing is about.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::lease::{Record, Resource};
use crate::reclaim::system::SystemState;

/// What the user selected. A resource must match all parts that are set. Any part but `other_jobs`
/// and `force` also selects manual and timed resources, which a bare cleanup keeps.
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// The least age of a lease.
    pub older_than: Option<Duration>,
    /// The session of a lease.
    pub session: Option<String>,
    /// Every lease.
    pub all: bool,
    /// The real paths of the resources. A set, since each resource of each lease is looked up in it.
    pub paths: HashSet<PathBuf>,
    /// Whether to remove what is of another job, or unknown.
    pub other_jobs: bool,
    /// Whether to end the leases of what is out of sight, and to remove nothing.
    pub forget: bool,
    /// Whether to remove even what is live, in use, of another job, or unknown.
    pub force: bool,
}

impl Selection {
    /// Returns whether a lease is selected, whatever its resources are.
    pub(super) fn matches_lease(&self, record: &Record, system: &SystemState) -> bool {
        let in_session = match &self.session {
            Some(session) => record.header.session.as_ref() == Some(session),
            None => true,
        };
        let old_enough = match self.older_than {
            Some(least) => system.age(record).is_some_and(|age| age >= least),
            None => true,
        };
        in_session && old_enough
    }

    /// Returns whether a resource of a selected lease is selected if it is found under this path.
    pub(super) fn matches_path(&self, path: &Path) -> bool {
        self.paths.is_empty() || self.paths.contains(path)
    }

    /// Returns whether a resource of a selected lease may be selected, wherever it is found.
    pub(super) fn may_match(&self, resource: &Resource) -> bool {
        !self.names_paths()
            || self.matches_path(&resource.path())
            || self.matches_path(&resource.first_path())
    }

    /// Returns whether the user names resources by their paths.
    pub(crate) fn names_paths(&self) -> bool {
        !self.paths.is_empty()
    }

    /// Returns whether the user names this very path and insists. Then tmpx may remove what nothing proves
    /// to be ours, and end a lease without removing what is not ours.
    pub(super) fn insists_on(&self, path: &Path) -> bool {
        self.force && self.paths.contains(path)
    }

    /// Returns whether manual and timed resources are selected too.
    pub(crate) fn includes_manual(&self) -> bool {
        self.all
            || self.forget
            || self.older_than.is_some()
            || self.session.is_some()
            || self.names_paths()
    }

    /// Returns whether the selection restricts a cleanup to some leases or resources.
    pub(crate) fn is_restricted(&self) -> bool {
        self.older_than.is_some() || self.session.is_some() || self.names_paths()
    }

    /// Returns whether the user names resources, by their paths or their session.
    pub(super) fn is_narrow(&self) -> bool {
        self.names_paths() || self.session.is_some()
    }

    /// Returns whether the selection covers what other jobs of the same user created, although the
    /// user named neither.
    pub(super) fn is_broad(&self) -> bool {
        let forgets_all = self.forget && self.session.is_none();
        (self.all || forgets_all || self.older_than.is_some()) && !self.names_paths()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::Lifetime;
    use crate::reclaim::fixture::{HOUR_MS, lease, system};

    #[test]
    fn age_and_session_must_both_match() {
        let mut record = lease(Lifetime::Manual);
        record.header.session = Some("nightly".into());
        let matches = |session: &str, hours: u64| {
            let older_than = Some(Duration::from_millis(hours * HOUR_MS));
            let selection =
                Selection { older_than, session: Some(session.into()), ..Selection::default() };
            selection.matches_lease(&record, &system())
        };
        assert!(matches("nightly", 1));
        assert!(!matches("nightly", 2));
        assert!(!matches("weekly", 1));
    }

    #[test]
    fn a_lease_from_the_future_is_never_old_enough() {
        let mut record = lease(Lifetime::Manual);
        record.header.created.boot_ms = 11 * HOUR_MS;
        let selection = Selection { older_than: Some(Duration::ZERO), ..Selection::default() };
        assert!(!selection.matches_lease(&record, &system()));
        record.header.created.boot_ms = 10 * HOUR_MS;
        assert!(selection.matches_lease(&record, &system()));
    }
}

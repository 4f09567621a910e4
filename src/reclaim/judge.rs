//! Decides whether a lease's resources may be removed.
//!
//! The verdict is a function of the record, its lock, the selection and the state of the system. Of
//! the system it asks only whether a process is alive.

use crate::lease::Record;
use crate::os::Liveness;
use crate::reclaim::selection::Selection;
use crate::reclaim::state::{KeepReason, State};
use crate::reclaim::system::SystemState;

/// Whether to remove the resources of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Remove,
    Keep(KeepReason),
}

/// Judges a lease that the selection matches.
pub(super) fn judge(
    record: &Record,
    locked: bool,
    selection: &Selection,
    system: &SystemState,
) -> Verdict {
    // Its creator may be about to create what it has announced, or to print what it has created.
    let is_being_created = locked && !record.header.committed;
    if selection.force && !is_being_created {
        return Verdict::Remove;
    }
    let reason = match State::of_lease(record, locked, system) {
        State::Ended => return Verdict::Remove,
        State::Kept(reason) => reason,
    };
    match reason {
        // Only a script itself removes what it owns while it runs, and only by naming it or its session.
        KeepReason::Live(owner) if selection.is_narrow() && system.is_ancestor(owner) => {
            Verdict::Remove
        }
        // No process waits for these, so they are removed on request.
        KeepReason::Manual | KeepReason::Timed(_) if selection.includes_manual() => {
            match other_job(record, system) {
                Some(reason) if selection.is_broad() && !selection.other_jobs => {
                    Verdict::Keep(reason)
                }
                _ => Verdict::Remove,
            }
        }
        KeepReason::Unknown(_) if selection.other_jobs => Verdict::Remove,
        reason => Verdict::Keep(reason),
    }
}

/// Returns why a lease is kept that belongs to a running script which the cleanup is not part of.
fn other_job(record: &Record, system: &SystemState) -> Option<KeepReason> {
    let caller = record.header.caller?;
    if system.descends_from(caller, record) {
        return None;
    }
    match system.liveness(caller, record) {
        Liveness::Dead => None,
        Liveness::Alive => Some(KeepReason::OtherJob(caller)),
        Liveness::Unknown => Some(KeepReason::Unknown("caller")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::lease::Lifetime;
    use crate::reclaim::fixture::{HOUR_MS, bound, dead, lease, system, this};

    fn verdict(record: &Record, selection: &Selection) -> Verdict {
        judge(record, false, selection, &system())
    }

    fn all() -> Selection {
        Selection { all: true, ..Selection::default() }
    }

    fn older_than_zero() -> Selection {
        Selection { older_than: Some(Duration::ZERO), ..Selection::default() }
    }

    fn session() -> Selection {
        Selection { session: Some("s".into()), ..Selection::default() }
    }

    fn path() -> Selection {
        Selection { paths: ["/x".into()].into(), ..Selection::default() }
    }

    #[test]
    fn manual_and_timed_leases_are_kept_until_they_are_selected() {
        let manual = lease(Lifetime::Manual);
        let timed = bound(None, Some(2 * HOUR_MS));
        let bare = Selection::default();
        let hour = Some(Duration::from_millis(HOUR_MS));
        assert_eq!(verdict(&manual, &bare), Verdict::Keep(KeepReason::Manual));
        assert_eq!(verdict(&timed, &bare), Verdict::Keep(KeepReason::Timed(hour)));
        for selection in [all(), older_than_zero(), session(), path()] {
            assert_eq!(verdict(&manual, &selection), Verdict::Remove, "{selection:?}");
            assert_eq!(verdict(&timed, &selection), Verdict::Remove, "{selection:?}");
        }
    }

    #[test]
    fn broad_selections_leave_other_running_jobs_alone_and_narrow_ones_do_not() {
        let mut record = lease(Lifetime::Manual);
        record.header.caller = Some(this());
        let other_job = Verdict::Keep(KeepReason::OtherJob(this()));
        assert_eq!(verdict(&record, &all()), other_job);
        assert_eq!(verdict(&record, &older_than_zero()), other_job);
        assert_eq!(verdict(&record, &session()), Verdict::Remove);
        assert_eq!(verdict(&record, &path()), Verdict::Remove);
        assert_eq!(verdict(&record, &Selection { force: true, ..all() }), Verdict::Remove);
    }

    #[test]
    fn a_caller_that_is_dead_or_an_ancestor_is_no_other_job() {
        let mut record = lease(Lifetime::Manual);
        record.header.caller = Some(dead());
        assert_eq!(verdict(&record, &all()), Verdict::Remove);
        record.header.caller = Some(system().ancestry[0]);
        assert_eq!(verdict(&record, &all()), Verdict::Remove);
    }

    #[test]
    fn a_caller_in_another_pid_namespace_cannot_be_judged() {
        let mut record = lease(Lifetime::Manual);
        record.header.caller = Some(system().ancestry[0]);
        record.header.namespaces.pid_ns = Some(1);
        assert_eq!(verdict(&record, &all()), Verdict::Keep(KeepReason::Unknown("caller")));
        assert_eq!(verdict(&record, &session()), Verdict::Remove);
    }

    #[test]
    fn other_jobs_and_what_cannot_be_judged_are_removed_on_request_and_what_lives_is_not() {
        let other_jobs = |selection| Selection { other_jobs: true, ..selection };
        let mut unknown = bound(Some(this()), None);
        unknown.header.namespaces.pid_ns = Some(1);
        assert_eq!(verdict(&unknown, &all()), Verdict::Keep(KeepReason::Unknown("owner")));
        assert_eq!(verdict(&unknown, &other_jobs(Selection::default())), Verdict::Remove);
        let mut manual = lease(Lifetime::Manual);
        manual.header.caller = Some(this());
        let kept = verdict(&manual, &other_jobs(Selection::default()));
        assert_eq!(kept, Verdict::Keep(KeepReason::Manual));
        assert_eq!(verdict(&manual, &other_jobs(all())), Verdict::Remove);
        let live = bound(Some(this()), None);
        assert_eq!(verdict(&live, &other_jobs(all())), Verdict::Keep(KeepReason::Live(this())));
        let in_use = judge(&manual, true, &other_jobs(all()), &system());
        assert_eq!(in_use, Verdict::Keep(KeepReason::InUse(None)));
    }

    #[test]
    fn a_live_lease_is_removed_only_for_its_own_script_by_name_or_by_force() {
        let owned = bound(Some(this()), Some(2 * HOUR_MS));
        let live = Verdict::Keep(KeepReason::Live(this()));
        for selection in [Selection::default(), all(), session(), path()] {
            assert_eq!(verdict(&owned, &selection), live, "{selection:?}");
        }
        assert_eq!(verdict(&owned, &Selection { force: true, ..path() }), Verdict::Remove);
        let ours = bound(Some(system().ancestry[0]), None);
        for selection in [path(), session()] {
            assert_eq!(verdict(&ours, &selection), Verdict::Remove, "{selection:?}");
        }
        for selection in [Selection::default(), all(), older_than_zero()] {
            let kept = verdict(&ours, &selection);
            assert!(matches!(kept, Verdict::Keep(KeepReason::Live(_))), "{selection:?}");
        }
    }

    #[test]
    fn a_locked_lease_is_removed_only_by_force() {
        let record = lease(Lifetime::Manual);
        let judge = |selection: &Selection| judge(&record, true, selection, &system());
        assert_eq!(judge(&path()), Verdict::Keep(KeepReason::InUse(None)));
        assert_eq!(judge(&Selection { force: true, ..path() }), Verdict::Remove);
    }
}

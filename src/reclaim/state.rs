//! The states of leases and resources, and the words for them.
//!
//! A resource has either ended or is kept, and every kept one has a [`KeepReason`]. `list` prints
//! its word as the state; `cleanup` counts by the same word and prints the reason in full.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::lease::{Kind, Lifetime, Record};
use crate::os::{Liveness, Process};
use crate::reclaim::sight::Absence;
use crate::reclaim::system::SystemState;
use crate::values::Span;

/// The state of a lease or of one of its resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The lifetime is over, or the lease was never committed.
    Ended,
    /// The next cleanup keeps it.
    Kept(KeepReason),
}

/// Why a resource is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeepReason {
    /// Its owner is alive.
    Live(Process),
    /// A process uses it. Holds its number if it was found by its working directory.
    InUse(Option<u32>),
    /// Its time is not up, and it has no owner. Holds the time that is left.
    Timed(Option<Duration>),
    /// Its lifetime is manual.
    Manual,
    /// The script that created it still runs, and the cleanup is not part of that script.
    OtherJob(Process),
    /// Its name now belongs to an entry that is not provably ours. Holds the kind of the original.
    Replaced(Kind),
    /// Its name now belongs to an entry that may be ours, which nothing proves. Holds the kind of the
    /// original.
    Unproven(Kind),
    /// It cannot be seen here, and may exist elsewhere.
    OutOfSight(Absence),
    /// It can be seen here, and `--forget` ends only leases of what is out of sight.
    InSight,
    /// Its path could not be examined. Holds the path and the error.
    Unreadable(String),
    /// A process that decides about it cannot be seen from here. Holds which one.
    Unknown(&'static str),
}

/// What makes a cleanup remove a resource that it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Remedy {
    /// To select leases that have not ended.
    Select,
    /// To include what other jobs created.
    OtherJobs,
    /// Force.
    Force,
    /// Force, with the path.
    ForceByPath,
    /// To end its lease without it.
    Forget,
}

impl State {
    /// Returns the state of a lease.
    pub(crate) fn of_lease(record: &Record, locked: bool, system: &SystemState) -> Self {
        if locked {
            return Self::Kept(KeepReason::InUse(None));
        }
        if !record.header.committed {
            return Self::Ended;
        }
        let owner = match record.lifetime {
            Lifetime::Manual => return Self::Kept(KeepReason::Manual),
            Lifetime::Command => return Self::of_command(record, system),
            Lifetime::Bound { owner, .. } => owner,
        };
        let (ttl, age) = (record.lifetime.ttl(), system.age(record));
        if let (Some(ttl), Some(age)) = (ttl, age)
            && age >= ttl
        {
            return Self::Ended;
        }
        let Some(owner) = owner else {
            let left = ttl.map(|ttl| ttl.saturating_sub(age.unwrap_or_default()));
            return Self::Kept(KeepReason::Timed(left));
        };
        match system.liveness(owner, record) {
            Liveness::Alive => Self::Kept(KeepReason::Live(owner)),
            Liveness::Dead => Self::Ended,
            Liveness::Unknown => Self::Kept(KeepReason::Unknown("owner")),
        }
    }

    /// Returns the state of a lease whose tmpx has ended without it. Its command may have closed the
    /// descriptor that has the lock, as sudo(8) closes all that it does not know.
    fn of_command(record: &Record, system: &SystemState) -> Self {
        let Some(command) = record.command else { return Self::Ended };
        match system.liveness(command, record) {
            Liveness::Alive => Self::Kept(KeepReason::InUse(Some(command.pid))),
            Liveness::Dead => Self::Ended,
            Liveness::Unknown => Self::Kept(KeepReason::Unknown("command")),
        }
    }

    /// Returns the word that `list` prints.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Kept(reason) => reason.word(),
        }
    }
}

impl KeepReason {
    /// Whether the resource was most likely removed out of sight.
    pub(super) fn expires(&self) -> bool {
        matches!(self, Self::OutOfSight(absence) if absence.expires())
    }

    /// Returns what would make a cleanup remove the resource. Nothing makes it remove an entry that
    /// tmpx did not create, or that it cannot examine.
    pub(crate) fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::Manual | Self::Timed(_) => Some(Remedy::Select),
            Self::OtherJob(_) | Self::Unknown(_) => Some(Remedy::OtherJobs),
            Self::Live(_) | Self::InUse(_) => Some(Remedy::Force),
            Self::Unproven(_) => Some(Remedy::ForceByPath),
            Self::OutOfSight(_) => Some(Remedy::Forget),
            Self::Replaced(_) | Self::Unreadable(_) | Self::InSight => None,
        }
    }

    /// Returns the word for it in `list` and in the summary of `cleanup`.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Live(_) => "live",
            Self::InUse(_) => "in use",
            Self::Timed(_) => "timed",
            Self::Manual => "manual",
            Self::OtherJob(_) => "of another job",
            Self::Replaced(_) => "replaced",
            Self::Unproven(_) => "unproven",
            Self::OutOfSight(_) | Self::Unreadable(_) => "out of sight",
            Self::InSight => "in sight",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl fmt::Display for KeepReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live(owner) => write!(f, "live until {} exits", describe(owner.pid)),
            Self::InUse(Some(pid)) => write!(f, "in use by {}", describe(*pid)),
            Self::Timed(Some(left)) => write!(f, "timed, for another {}", Span(*left)),
            Self::OtherJob(caller) => {
                write!(f, "created by {}, which still runs", describe(caller.pid))
            }
            Self::Replaced(kind) => write!(f, "no longer the {} tmpx created", kind.word()),
            Self::Unproven(kind) => {
                write!(f, "nothing proves that it is the {} tmpx created", kind.word())
            }
            Self::OutOfSight(absence) => write!(f, "out of sight: {absence}"),
            Self::Unreadable(why) => write!(f, "out of sight: {why}"),
            Self::Unknown(process) => write!(f, "its {process} cannot be seen from here"),
            Self::InUse(None) | Self::Timed(None) | Self::Manual | Self::InSight => {
                f.write_str(self.word())
            }
        }
    }
}

/// Names a process as `bash (1181)`, or by its number if it has just exited.
fn describe(pid: u32) -> String {
    match crate::os::processes::program_name(pid) {
        Some(name) => format!("{} ({pid})", Path::new(OsStr::new(&name)).display()),
        None => format!("process {pid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reclaim::fixture::{HOUR_MS, bound, dead, lease, system, this};

    fn live(owner: Process) -> State {
        State::Kept(KeepReason::Live(owner))
    }

    fn timed(left_ms: u64) -> State {
        State::Kept(KeepReason::Timed(Some(Duration::from_millis(left_ms))))
    }

    #[test]
    fn a_locked_lease_is_in_use_and_an_uncommitted_one_has_ended() {
        let mut record = bound(Some(dead()), Some(0));
        let in_use = State::Kept(KeepReason::InUse(None));
        assert_eq!(State::of_lease(&record, true, &system()), in_use);
        record = lease(Lifetime::Manual);
        assert_eq!(State::of_lease(&record, false, &system()), State::Kept(KeepReason::Manual));
        record.header.committed = false;
        assert_eq!(State::of_lease(&record, false, &system()), State::Ended);
        assert_eq!(State::of_lease(&lease(Lifetime::Command), false, &system()), State::Ended);
    }

    #[test]
    fn the_workspace_of_a_killed_exec_is_in_use_while_its_command_runs() {
        let state = |command, pid_ns: Option<u64>| {
            let mut record = lease(Lifetime::Command);
            record.command = Some(command);
            record.header.namespaces.pid_ns = pid_ns.or(record.header.namespaces.pid_ns);
            State::of_lease(&record, false, &system())
        };
        assert_eq!(state(this(), None), State::Kept(KeepReason::InUse(Some(this().pid))));
        assert_eq!(state(dead(), None), State::Ended);
        let unknown = State::Kept(KeepReason::Unknown("command"));
        assert_eq!(state(this(), Some(1)), unknown);
    }

    #[test]
    fn the_owner_or_the_ttl_ends_a_lease_whichever_comes_first() {
        let state = |record: &Record| State::of_lease(record, false, &system());
        assert_eq!(state(&bound(Some(this()), None)), live(this()));
        assert_eq!(state(&bound(Some(dead()), None)), State::Ended);
        assert_eq!(state(&bound(Some(this()), Some(HOUR_MS))), State::Ended);
        assert_eq!(state(&bound(Some(dead()), Some(2 * HOUR_MS))), State::Ended);
        assert_eq!(state(&bound(None, Some(2 * HOUR_MS))), timed(HOUR_MS));
    }

    #[test]
    fn within_one_boot_the_wall_clock_does_not_count() {
        let mut system = system();
        for wall_ms in [0, 98 * HOUR_MS, 10_000 * HOUR_MS] {
            system.now.wall_ms = wall_ms;
            let state = |ttl_ms| State::of_lease(&bound(None, Some(ttl_ms)), false, &system);
            assert_eq!(state(2 * HOUR_MS), timed(HOUR_MS));
            assert_eq!(state(HOUR_MS), State::Ended);
        }
    }

    #[test]
    fn after_a_restart_owners_are_dead_and_the_wall_clock_counts() {
        let state = |mut record: Record, system: &SystemState| {
            record.header.namespaces.boot = Some("an earlier one".into());
            State::of_lease(&record, false, system)
        };
        let mut system = system();
        system.now.boot_ms = 1;
        assert_eq!(state(bound(Some(this()), None), &system), State::Ended);
        assert_eq!(state(bound(None, Some(HOUR_MS)), &system), State::Ended);
        assert_eq!(state(bound(None, Some(2 * HOUR_MS)), &system), timed(HOUR_MS));
        // The clock was set back to before the lease was created, so the lease has no age.
        system.now.wall_ms = HOUR_MS;
        assert_eq!(state(bound(None, Some(HOUR_MS)), &system), timed(HOUR_MS));
    }

    #[test]
    fn an_owner_in_another_pid_namespace_is_unknown_but_a_ttl_still_ends_the_lease() {
        let state = |mut record: Record| {
            record.header.namespaces.pid_ns = Some(1);
            State::of_lease(&record, false, &system())
        };
        let unknown = State::Kept(KeepReason::Unknown("owner"));
        assert_eq!(state(bound(Some(dead()), None)), unknown);
        assert_eq!(state(bound(Some(this()), Some(HOUR_MS))), State::Ended);
    }

    #[test]
    fn each_state_has_the_word_that_list_and_cleanup_share() {
        let words = [
            (State::Ended, "ended"),
            (live(this()), "live"),
            (State::Kept(KeepReason::InUse(None)), "in use"),
            (timed(0), "timed"),
            (State::Kept(KeepReason::Manual), "manual"),
            (State::Kept(KeepReason::Replaced(Kind::File)), "replaced"),
            (State::Kept(KeepReason::Unproven(Kind::File)), "unproven"),
            (State::Kept(KeepReason::OutOfSight(Absence::DirMissing)), "out of sight"),
            (State::Kept(KeepReason::InSight), "in sight"),
            (State::Kept(KeepReason::Unreadable(String::new())), "out of sight"),
            (State::Kept(KeepReason::Unknown("owner")), "unknown"),
        ];
        for (state, word) in words {
            assert_eq!(state.word(), word);
        }
    }
}

//! What is to become of a lease, from what it says and what the system says.
//!
//! The rules are a function of the record, the selection and the present; the system is only asked
//! whether a process lives, and what it is called.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::lease::{Lifetime, Record, Resource};
use crate::os::{Liveness, Moment, Namespaces, Process};
use crate::values::Span;

/// What leases are held against.
#[derive(Clone, Debug)]
pub(crate) struct SystemState {
    /// The time.
    pub now: Moment,
    /// Where this process belongs to.
    pub habitat: Namespaces,
    /// This process, which may have been a script before it called exec(2), its parent, the parent's
    /// parent, and so on.
    pub ancestry: Vec<Process>,
}

impl SystemState {
    /// Now, for a process of this habitat, without a look at who its ancestors are.
    pub(crate) fn without_ancestry(habitat: Namespaces) -> Self {
        Self { now: Moment::now(), habitat, ancestry: Vec::new() }
    }

    /// Now, as this process sees it.
    pub(crate) fn now() -> Self {
        let this = Process::find(std::process::id());
        let line = this.into_iter().chain(crate::os::processes::ancestors()).collect();
        Self { ancestry: line, ..Self::without_ancestry(Namespaces::current()) }
    }

    /// How old a lease is.
    pub(crate) fn age(&self, record: &Record) -> Option<Duration> {
        let same_clock = self.habitat.same_clock(&record.header.habitat);
        self.now.since(record.header.created, same_clock)
    }

    fn liveness(&self, process: Process, record: &Record) -> Liveness {
        self.habitat.liveness(process, &record.header.habitat)
    }

    /// Whether it is this process, or above it.
    pub(crate) fn is_ancestor(&self, process: Process) -> bool {
        self.ancestry.contains(&process)
    }
}

/// Which leases a cleanup is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Only older ones, and then manual ones too.
    pub older_than: Option<Duration>,
    /// Only those of a session, and then manual ones too.
    pub session: Option<String>,
    /// Manual ones too.
    pub all: bool,
    /// Only resources with one of these real paths, and then manual ones too.
    pub paths: Vec<PathBuf>,
    /// What lives, is in use or cannot be judged too.
    pub force: bool,
}

impl Selection {
    /// Whether the lease is among those that the cleanup is about.
    pub(crate) fn matches_lease(&self, record: &Record, present: &SystemState) -> bool {
        let in_session = match &self.session {
            Some(session) => record.header.session.as_ref() == Some(session),
            None => true,
        };
        let old_enough = match self.older_than {
            Some(least) => present.age(record).is_some_and(|age| age >= least),
            None => true,
        };
        in_session && old_enough
    }

    /// Whether the resource is among those that the cleanup is about.
    pub(crate) fn matches_resource(&self, resource: &Resource) -> bool {
        self.paths.is_empty() || self.paths.contains(&resource.path())
    }

    /// Whether the user names things and insists. Then a lease may end although what it covers
    /// cannot be removed from here.
    pub(crate) fn is_forced_by_path(&self) -> bool {
        self.force && !self.paths.is_empty()
    }

    /// Whether it asks for more than what is due.
    pub(crate) fn includes_manual(&self) -> bool {
        self.all || self.older_than.is_some() || self.session.is_some() || !self.paths.is_empty()
    }

    /// Whether it sweeps over what other jobs of the same user have made.
    fn is_broad(&self) -> bool {
        (self.all || self.older_than.is_some()) && self.paths.is_empty()
    }
}

/// Why a resource stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeepReason {
    /// Its lifetime is manual, and nobody asked for those.
    Manual,
    /// Its owner lives: the process, if it is to be seen.
    Live(u32),
    /// Its time is not up, and nobody's exit is waited for.
    NotDue(Option<Duration>),
    /// A process has its lock, or stands in it.
    InUse(Option<u32>),
    /// The script that made it still runs, and is not the one that cleans up.
    OtherJob(u32),
    /// Something else is in its place.
    Replaced,
    /// It may be where this mount namespace does not reach, or its filesystem is not mounted.
    Unseen,
    /// Nothing can be said of it from here.
    Unknown(String),
}

impl KeepReason {
    /// The word for it in the summary and in JSON.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Live(_) => "live",
            Self::NotDue(_) => "not due",
            Self::InUse(_) => "in use",
            Self::OtherJob(_) => "of another job",
            Self::Replaced => "replaced",
            Self::Unseen | Self::Unknown(_) => "unknown",
        }
    }
}

impl fmt::Display for KeepReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live(pid) => write!(f, "until {} exits", described(*pid)),
            Self::NotDue(Some(left)) => write!(f, "for another {}", Span(*left)),
            Self::InUse(Some(pid)) => write!(f, "in use by {}", described(*pid)),
            Self::OtherJob(pid) => write!(f, "made by {}, which still runs", described(*pid)),
            Self::Replaced => f.write_str("something else is in its place"),
            Self::Unseen => f.write_str("it is not to be seen from here; it may be elsewhere"),
            Self::Unknown(why) => f.write_str(why),
            _ => f.write_str(self.word()),
        }
    }
}

fn described(pid: u32) -> String {
    match crate::os::processes::program_name(pid) {
        Some(name) => format!("{} ({pid})", Path::new(OsStr::new(&name)).display()),
        None => format!("process {pid}"),
    }
}

/// The state of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Its lifetime is over, or nobody was ever told of it.
    Ended,
    /// A process has its lock.
    InUse,
    /// Its owner lives, or its time is not up.
    Live,
    /// Whoever wants it gone says so.
    Manual,
    /// Its owner cannot be judged from here.
    Unknown(String),
}

impl State {
    /// The word for it in `list`.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::InUse => "in use",
            Self::Live => "live",
            Self::Manual => "manual",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// Whether to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Yes.
    Remove,
    /// No, and why not.
    Keep(KeepReason),
}

/// The state of a lease.
pub(crate) fn state(record: &Record, locked: bool, present: &SystemState) -> State {
    if locked {
        return State::InUse;
    }
    if record.header.committed == 0 {
        return State::Ended;
    }
    let (owner, ttl) = match &record.lifetime {
        Lifetime::Manual => return State::Manual,
        Lifetime::Command => return State::Ended,
        Lifetime::Bound { owner, .. } => (*owner, record.lifetime.ttl()),
    };
    if let (Some(ttl), Some(age)) = (ttl, present.age(record))
        && age >= ttl
    {
        return State::Ended;
    }
    match owner.map(|owner| present.liveness(owner, record)) {
        Some(Liveness::Dead) => State::Ended,
        Some(Liveness::Unknown) => State::Unknown("its owner cannot be seen from here".into()),
        Some(Liveness::Alive) | None => State::Live,
    }
}

/// What to do with a lease that the selection is about.
pub(crate) fn judge(
    record: &Record,
    locked: bool,
    selection: &Selection,
    present: &SystemState,
) -> Verdict {
    if selection.force {
        return Verdict::Remove;
    }
    let owner = match record.lifetime {
        Lifetime::Bound { owner, .. } => owner,
        Lifetime::Manual | Lifetime::Command => None,
    };
    match (state(record, locked, present), owner) {
        (State::Ended, _) => Verdict::Remove,
        (State::InUse, _) => Verdict::Keep(KeepReason::InUse(None)),
        (State::Unknown(why), _) => Verdict::Keep(KeepReason::Unknown(why)),
        // What a living script has is taken by that script alone, and when it says which.
        (State::Live, Some(owner)) => {
            if !selection.paths.is_empty() && present.is_ancestor(owner) {
                Verdict::Remove
            } else {
                Verdict::Keep(KeepReason::Live(owner.pid))
            }
        }
        // Nobody's exit is waited for: whoever asks for such ones gets them.
        (State::Live, None) if !selection.includes_manual() => {
            let age = present.age(record).unwrap_or_default();
            Verdict::Keep(KeepReason::NotDue(
                record.lifetime.ttl().map(|ttl| ttl.saturating_sub(age)),
            ))
        }
        (State::Manual, _) if !selection.includes_manual() => Verdict::Keep(KeepReason::Manual),
        (State::Live | State::Manual, _) => match another_job(record, present) {
            Some(kept) if selection.is_broad() => Verdict::Keep(kept),
            _ => Verdict::Remove,
        },
    }
}

/// Whether the lease belongs to a script that still runs and that this cleanup is no part of.
fn another_job(record: &Record, present: &SystemState) -> Option<KeepReason> {
    let caller = record.header.caller?;
    if present.is_ancestor(caller)
        && present.habitat.pid_ns == record.header.habitat.pid_ns
        && present.habitat.same_boot(&record.header.habitat) == Some(true)
    {
        return None;
    }
    match present.liveness(caller, record) {
        Liveness::Dead => None,
        Liveness::Alive => Some(KeepReason::OtherJob(caller.pid)),
        Liveness::Unknown => {
            Some(KeepReason::Unknown("its caller cannot be seen from here".into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::Header;
    use crate::lease::record::VERSION;

    const HOUR: u64 = 3_600_000;

    fn present() -> SystemState {
        SystemState {
            now: Moment { wall_ms: 100 * HOUR, boot_ms: 10 * HOUR },
            habitat: Namespaces::current(),
            ancestry: crate::os::processes::ancestors().collect(),
        }
    }

    /// A lease that was made an hour ago.
    fn lease(lifetime: Lifetime) -> Record {
        let header = Header {
            v: VERSION,
            committed: 1,
            id: "one".into(),
            created: Moment { wall_ms: 99 * HOUR, boot_ms: 9 * HOUR },
            habitat: Namespaces::current(),
            caller: None,
            lifetime: lifetime.clone(),
            session: None,
        };
        Record { header, resources: Vec::new(), lifetime }
    }

    fn bound(owner: Option<Process>, ttl_ms: Option<u64>) -> Record {
        lease(Lifetime::Bound { owner, ttl_ms })
    }

    fn this() -> Process {
        Process::find(std::process::id()).unwrap()
    }

    /// A process that has our number and is not us.
    fn gone() -> Process {
        Process { start: this().start + 1, ..this() }
    }

    #[test]
    fn the_lock_goes_before_everything_and_an_untold_lease_has_ended() {
        let mut record = bound(Some(gone()), Some(0));
        assert_eq!(state(&record, true, &present()), State::InUse);
        record = lease(Lifetime::Manual);
        assert_eq!(state(&record, false, &present()), State::Manual);
        record.header.committed = 0;
        assert_eq!(state(&record, false, &present()), State::Ended);
        assert_eq!(state(&lease(Lifetime::Command), false, &present()), State::Ended);
    }

    #[test]
    fn owner_and_ttl_end_it_whichever_is_first() {
        let state = |record: &Record| state(record, false, &present());
        assert_eq!(state(&bound(Some(this()), None)), State::Live);
        assert_eq!(state(&bound(Some(gone()), None)), State::Ended);
        assert_eq!(state(&bound(Some(this()), Some(HOUR))), State::Ended);
        assert_eq!(state(&bound(Some(gone()), Some(2 * HOUR))), State::Ended);
        assert_eq!(state(&bound(None, Some(2 * HOUR))), State::Live);
    }

    #[test]
    fn within_a_boot_the_wall_clock_does_not_count() {
        let mut present = present();
        for wall_ms in [0, 98 * HOUR, 10_000 * HOUR] {
            present.now.wall_ms = wall_ms;
            assert_eq!(state(&bound(None, Some(2 * HOUR)), false, &present), State::Live);
            assert_eq!(state(&bound(None, Some(HOUR)), false, &present), State::Ended);
        }
    }

    #[test]
    fn after_a_restart_owners_are_dead_and_the_wall_clock_counts() {
        let elsewhen = |mut record: Record| {
            record.header.habitat.boot = Some("an earlier one".into());
            record
        };
        let mut present = present();
        present.now.boot_ms = 1;
        let state =
            |record: Record, present: &SystemState| state(&elsewhen(record), false, present);
        assert_eq!(state(bound(Some(this()), None), &present), State::Ended);
        assert_eq!(state(bound(None, Some(HOUR)), &present), State::Ended);
        assert_eq!(state(bound(None, Some(2 * HOUR)), &present), State::Live);
        // Set back to before it was made: it has no age, and stays.
        present.now.wall_ms = HOUR;
        assert_eq!(state(bound(None, Some(HOUR)), &present), State::Live);
    }

    #[test]
    fn another_pid_namespace_cannot_be_judged_but_for_the_time() {
        let elsewhere = |mut record: Record| {
            record.header.habitat.pid_ns = Some(1);
            record
        };
        let state = |record| state(&elsewhere(record), false, &present());
        assert!(matches!(state(bound(Some(gone()), None)), State::Unknown(_)));
        assert_eq!(state(bound(Some(this()), Some(HOUR))), State::Ended);
    }

    #[test]
    fn broad_cleanups_leave_living_callers_alone_and_narrow_ones_do_not() {
        let all = Selection { all: true, ..Selection::default() };
        let old = Selection { older_than: Some(Duration::ZERO), ..Selection::default() };
        let session = Selection { session: Some("s".into()), ..Selection::default() };
        let force = Selection { all: true, force: true, ..Selection::default() };
        let mut record = lease(Lifetime::Manual);
        let verdict = |record: &Record, selection| judge(record, false, selection, &present());
        record.header.caller = Some(this());
        let other = Verdict::Keep(KeepReason::OtherJob(this().pid));
        assert_eq!(verdict(&record, &all), other);
        assert_eq!(verdict(&record, &old), other);
        assert_eq!(verdict(&record, &session), Verdict::Remove);
        assert_eq!(verdict(&record, &force), Verdict::Remove);
        record.header.caller = Some(present().ancestry[0]);
        assert_eq!(verdict(&record, &all), Verdict::Remove, "our own parent is no other job");
        record.header.caller = Some(gone());
        assert_eq!(verdict(&record, &all), Verdict::Remove);
        let bare = Selection::default();
        assert_eq!(verdict(&record, &bare), Verdict::Keep(KeepReason::Manual));
        let timed = bound(None, Some(2 * HOUR));
        let hour = Some(Duration::from_secs(3600));
        assert_eq!(verdict(&timed, &bare), Verdict::Keep(KeepReason::NotDue(hour)));
        assert_eq!(verdict(&timed, &all), Verdict::Remove, "nobody's exit is waited for");
        let owned = bound(Some(this()), Some(2 * HOUR));
        assert_eq!(verdict(&owned, &all), Verdict::Keep(KeepReason::Live(this().pid)));
    }
}

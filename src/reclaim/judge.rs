//! What is to become of a lease, from what it says and what the system says.
//!
//! No system call is made here but to ask whether a process lives: the rules are a function of the
//! record, the selection and the present.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Moment;
use crate::lease::record::{Lifetime, Record, Resource};
use crate::process::{Habitat, Liveness, Process};

/// What leases are held against.
#[derive(Clone, Debug)]
pub struct Present {
    /// The time.
    pub now: Moment,
    /// Where this process belongs to.
    pub habitat: Habitat,
    /// Its parent, the parent's parent, and so on.
    pub ancestors: Vec<Process>,
}

impl Present {
    /// Now, for a process of this habitat, without a look at who its ancestors are.
    #[must_use]
    pub fn of(habitat: Habitat) -> Self {
        Self { now: Moment::now(), habitat, ancestors: Vec::new() }
    }

    /// Now, as this process sees it.
    #[must_use]
    pub fn look() -> Self {
        Self { ancestors: crate::process::ancestors().collect(), ..Self::of(Habitat::here()) }
    }

    /// How old a lease is.
    #[must_use]
    pub fn age(&self, record: &Record) -> Option<Duration> {
        let same_boot = self.habitat.same_boot(&record.header.habitat) == Some(true);
        self.now.since(record.header.created, same_boot)
    }

    fn liveness(&self, process: Process, record: &Record) -> Liveness {
        self.habitat.liveness(process, &record.header.habitat)
    }

    fn descends_from(&self, process: Process) -> bool {
        self.ancestors.contains(&process)
    }
}

/// Which leases a cleanup is about.
#[derive(Clone, Debug, Default)]
pub struct Selection {
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
    #[must_use]
    pub fn narrows_to(&self, record: &Record, present: &Present) -> bool {
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
    #[must_use]
    pub fn names(&self, resource: &Resource) -> bool {
        self.paths.is_empty() || self.paths.contains(&resource.path())
    }

    fn takes_manual(&self) -> bool {
        self.all || self.older_than.is_some() || self.session.is_some() || !self.paths.is_empty()
    }

    /// Whether it sweeps over what other jobs of the same user have made.
    fn is_broad(&self) -> bool {
        (self.all || self.older_than.is_some()) && self.paths.is_empty()
    }
}

/// Why a resource stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Its lifetime is manual, and nobody asked for those.
    Manual,
    /// Its owner lives, or its time is not up.
    Live,
    /// A process has its lock, or stands in it.
    InUse(Option<u32>),
    /// The script that made it still runs, and is not the one that cleans up.
    OtherJob(u32),
    /// Something else is in its place.
    Replaced,
    /// Nothing can be said of it from here.
    Unknown(String),
}

impl Kept {
    /// The word for it in the summary and in JSON.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Live => "live",
            Self::InUse(_) => "in use",
            Self::OtherJob(_) => "of another job",
            Self::Replaced => "replaced",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(Some(pid)) => write!(f, "in use by {}", described(*pid)),
            Self::OtherJob(pid) => write!(f, "made by {}, which still runs", described(*pid)),
            Self::Replaced => f.write_str("something else is in its place"),
            Self::Unknown(why) => f.write_str(why),
            _ => f.write_str(self.word()),
        }
    }
}

fn described(pid: u32) -> String {
    match crate::process::name_of(pid) {
        Some(name) => format!("{} ({pid})", Path::new(OsStr::new(&name)).display()),
        None => format!("process {pid}"),
    }
}

/// The state of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
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
    #[must_use]
    pub fn word(&self) -> &'static str {
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
pub enum Verdict {
    /// Yes.
    Take,
    /// No, and why not.
    Keep(Kept),
}

/// The state of a lease.
#[must_use]
pub fn state(record: &Record, locked: bool, present: &Present) -> State {
    if locked {
        return State::InUse;
    }
    if record.header.given == 0 {
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
#[must_use]
pub fn judge(record: &Record, locked: bool, selection: &Selection, present: &Present) -> Verdict {
    if selection.force {
        return Verdict::Take;
    }
    match state(record, locked, present) {
        State::InUse => Verdict::Keep(Kept::InUse(None)),
        State::Unknown(why) => Verdict::Keep(Kept::Unknown(why)),
        State::Live => match &record.lifetime {
            Lifetime::Bound { owner: Some(owner), .. }
                if !selection.paths.is_empty() && present.descends_from(*owner) =>
            {
                Verdict::Take
            }
            Lifetime::Bound { owner: None, .. } if !selection.paths.is_empty() => Verdict::Take,
            _ => Verdict::Keep(Kept::Live),
        },
        State::Manual if !selection.takes_manual() => Verdict::Keep(Kept::Manual),
        State::Manual if selection.is_broad() => match another_job(record, present) {
            None => Verdict::Take,
            Some(kept) => Verdict::Keep(kept),
        },
        State::Ended | State::Manual => Verdict::Take,
    }
}

/// Whether the lease belongs to a script that still runs and that this cleanup is no part of.
fn another_job(record: &Record, present: &Present) -> Option<Kept> {
    let caller = record.header.caller?;
    if present.descends_from(caller)
        && present.habitat.pid_ns == record.header.habitat.pid_ns
        && present.habitat.same_boot(&record.header.habitat) == Some(true)
    {
        return None;
    }
    match present.liveness(caller, record) {
        Liveness::Dead => None,
        Liveness::Alive => Some(Kept::OtherJob(caller.pid)),
        Liveness::Unknown => Some(Kept::Unknown("its caller cannot be seen from here".into())),
    }
}

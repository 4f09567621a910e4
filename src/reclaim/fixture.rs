//! Records, leases and stores for the unit tests of this folder.

use std::cell::OnceCell;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::fs::Dir;
use crate::lease::entry::create;
use crate::lease::format::VERSION;
use crate::lease::{
    CreateOptions, Header, Kind, Lease, LeaseSpec, Lifetime, NameRule, Record, Resource, Store,
    Stores,
};
use crate::os::{Env, Moment, Namespaces, Process, Random};
use crate::reclaim::outcome::{Observer, Outcome};
use crate::reclaim::problem::LeaseProblem;
use crate::reclaim::selection::Selection;
use crate::reclaim::sweep::Sweep;
use crate::reclaim::system::SystemState;
use crate::remove::{Mode, Removal};
use crate::values::Template;

pub(super) const HOUR_MS: u64 = 3_600_000;

/// A system that has run for ten hours.
pub(super) fn system() -> SystemState {
    SystemState {
        now: Moment { wall_ms: 100 * HOUR_MS, boot_ms: 10 * HOUR_MS },
        ancestry: crate::os::processes::ancestors().collect(),
        store_is_local: true,
        // A survey would have a real time, which may be before or after the one above.
        pid_namespaces: OnceCell::from(None),
        ..SystemState::without_ancestry(Namespaces::current())
    }
}

/// A committed record that was created one hour before [`system`], without resources.
pub(super) fn lease(lifetime: Lifetime) -> Record {
    let header = Header {
        v: VERSION,
        committed: true,
        id: "one".into(),
        store: None,
        local: true,
        created: Moment { wall_ms: 99 * HOUR_MS, boot_ms: 9 * HOUR_MS },
        namespaces: Namespaces::current(),
        caller: None,
        lifetime,
        session: None,
    };
    Record::new(header)
}

/// A record like [`lease`] with an owner, a TTL, or both.
pub(super) fn bound(owner: Option<Process>, ttl_ms: Option<u64>) -> Record {
    lease(Lifetime::Bound { owner, ttl_ms })
}

/// This process, which is alive.
pub(super) fn this() -> Process {
    Process::find(std::process::id()).unwrap()
}

/// A process that had the number of this one before.
pub(super) fn dead() -> Process {
    Process { start: this().start + 1, ..this() }
}

/// A store and a directory for resources, both removed when the test ends.
pub(super) struct TestStore {
    root: TempDir,
}

impl TestStore {
    pub(super) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("tmp")).unwrap();
        Self { root }
    }

    /// The directory with the resources.
    pub(super) fn dir(&self) -> PathBuf {
        self.root.path().canonicalize().unwrap().join("tmp")
    }

    pub(super) fn store(&self) -> Store {
        Store::open(&self.root.path().join("state"), false).unwrap()
    }

    /// The ids of all leases.
    pub(super) fn ids(&self) -> Vec<String> {
        self.store().ids().unwrap()
    }

    /// Creates resources under a new lease, which stays locked until it is dropped.
    pub(super) fn locked(
        &self,
        spec: LeaseSpec,
        options: &CreateOptions,
        count: usize,
    ) -> (Lease, Vec<PathBuf>) {
        self.locked_in(&self.dir(), spec, options, count)
    }

    /// The same, in another directory.
    pub(super) fn locked_in(
        &self,
        dir: &Path,
        spec: LeaseSpec,
        options: &CreateOptions,
        count: usize,
    ) -> (Lease, Vec<PathBuf>) {
        let state = self.root.path().join("state");
        let env = Env::fixed(&[("TMPX_STATE_DIR", state.to_str().unwrap())]);
        let mut lease = Lease::new(Stores::new(&env).unwrap(), spec, Random::system());
        let dir = Dir::open(dir).unwrap();
        let created = create(&mut lease, &dir, options, count, None).unwrap();
        (lease, created.iter().map(|one| dir.join(&one.name)).collect())
    }

    /// Creates resources under a new lease as a finished run leaves it, committed and unlocked.
    pub(super) fn create(&self, lifetime: Lifetime, kind: Kind, count: usize) -> Vec<PathBuf> {
        let (mut lease, paths) = self.locked(spec(lifetime), &random(kind), count);
        lease.commit().unwrap();
        paths
    }

    /// Sweeps the store.
    pub(super) fn sweep(&self, selection: &Selection, mode: Mode) -> Swept {
        let removal = Removal { mode, ..Removal::PLAIN };
        let system = SystemState::without_ancestry(Namespaces::current()).for_store(&self.store());
        let store = self.store();
        let mut swept = Swept::default();
        Sweep::new(&store, selection, &system, removal).all(&mut swept).unwrap();
        swept
    }
}

/// Terms without a session or a caller.
pub(super) fn spec(lifetime: Lifetime) -> LeaseSpec {
    LeaseSpec { lifetime, session: None, caller: None, namespaces: Namespaces::current() }
}

/// Entries with the default name.
pub(super) fn random(kind: Kind) -> CreateOptions {
    let name = NameRule::Random(Template::new(None, None));
    CreateOptions { kind, name, mode: None, keep_open: false }
}

/// What a sweep reported.
#[derive(Debug, Default)]
pub(super) struct Swept {
    pub(super) outcomes: Vec<(PathBuf, Outcome)>,
    pub(super) problems: Vec<String>,
}

impl Swept {
    /// The paths that were removed, or would be, sorted: leases of one millisecond have no order.
    pub(super) fn removed(&self) -> Vec<&Path> {
        let removed = self.outcomes.iter().filter_map(|(path, outcome)| match outcome {
            Outcome::Removed(_) => Some(path.as_path()),
            _ => None,
        });
        sorted(removed)
    }

    /// The state words of what was kept, sorted.
    pub(super) fn kept(&self) -> Vec<&str> {
        let kept = self.outcomes.iter().filter_map(|(_, outcome)| match outcome {
            Outcome::Kept(reason) => Some(reason.word()),
            _ => None,
        });
        sorted(kept)
    }
}

/// Collects items in their order.
pub(super) fn sorted<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.into_iter().collect();
    items.sort_unstable();
    items
}

impl Observer for Swept {
    fn outcome(&mut self, _: &str, resource: &Resource, outcome: Outcome) -> io::Result<()> {
        self.outcomes.push((resource.path(), outcome));
        Ok(())
    }

    fn problem(&mut self, problem: LeaseProblem) {
        self.problems.push(problem.to_string());
    }
}

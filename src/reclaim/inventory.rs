//! Collects the resources that exist, with their states, as `list` prints them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::lease::{Content, Header, Kind, Lifetime, Record, Resource, Store};
use crate::os::Process;
use crate::reclaim::presence::{Locator, Presence, RemovedDirs};
use crate::reclaim::problem::LeaseProblem;
use crate::reclaim::selection::Selection;
use crate::reclaim::state::{KeepReason, State};
use crate::reclaim::system::SystemState;
use crate::remove::{Removal, Usage};

/// A resource that exists, or may.
#[derive(Debug)]
pub(crate) struct InventoryEntry {
    /// The resource under the name that it was found by, if the user names paths.
    pub found: Option<Resource>,
    pub path: PathBuf,
    pub kind: Kind,
    pub state: State,
    /// The first line of its lease.
    pub header: Header,
    /// The lifetime, which may have changed since the first line.
    pub lifetime: Lifetime,
    /// Its age; `None` if its creation time lies in the future.
    pub age: Option<Duration>,
    /// How much of its TTL is left.
    pub left: Option<Duration>,
    /// What it takes up on the disk; zero if it cannot be examined.
    pub size: Usage,
}

impl InventoryEntry {
    /// Returns the process whose exit ends the lease.
    pub(crate) fn owner(&self) -> Option<Process> {
        match self.lifetime {
            Lifetime::Bound { owner, .. } => owner,
            Lifetime::Manual | Lifetime::Command => None,
        }
    }
}

/// Collects the selected resources of a store. Reports leases that cannot be read to `problem`.
pub(crate) fn survey(
    store: &Store,
    selection: &Selection,
    system: &SystemState,
    problem: &mut dyn FnMut(LeaseProblem),
) -> Result<Vec<InventoryEntry>, LeaseProblem> {
    let mut entries = Vec::new();
    for (id, snapshot) in store.records().map_err(|err| LeaseProblem::store(store, err))? {
        match snapshot.map(|snapshot| (snapshot.content, snapshot.locked)) {
            Ok((Content::Record(record), locked)) => {
                if selection.matches_lease(&record, system) {
                    entries.extend(resources(&record, locked, selection, system));
                }
            }
            Ok((Content::Empty, _)) => {}
            Ok((Content::Unreadable(why), _)) => problem(LeaseProblem::unreadable(store, &id, why)),
            Err(err) => problem(LeaseProblem::call("read", store, &id, err)),
        }
    }
    Ok(entries)
}

/// Returns the selected resources of a lease that are not known to be gone.
fn resources(
    record: &Record,
    locked: bool,
    selection: &Selection,
    system: &SystemState,
) -> Vec<InventoryEntry> {
    let lease_state = State::of_lease(record, locked, system);
    let age = system.age(record);
    let left = record.lifetime.ttl().and_then(|ttl| ttl.checked_sub(age?));
    let removed = RemovedDirs::default();
    let mut locator = Locator::new(record, system, &removed);
    let mut entries = Vec::new();
    for resource in record.resources.iter().filter(|one| selection.may_match(one)) {
        let kind = resource.kind;
        let kept = |reason| (State::Kept(reason), Usage::default());
        let presence = match locator.locate(resource) {
            Presence::Halfway { hidden, .. } => *hidden,
            presence => presence,
        };
        if !presence.is_selected(resource, selection) {
            continue;
        }
        let path = presence.path().map_or_else(|| resource.path(), Path::to_owned);
        let found = selection.names_paths().then(|| resource.found_at(&path));
        let (state, size) = match presence {
            Presence::Gone => continue,
            Presence::OutOfSight(absence) => kept(KeepReason::OutOfSight(absence)),
            Presence::Unreadable(why) => kept(KeepReason::Unreadable(why)),
            Presence::Unproven(_) | Presence::Halfway { .. } => kept(KeepReason::Unproven(kind)),
            Presence::Foreign(_) | Presence::Displaced(_) => kept(KeepReason::Replaced(kind)),
            Presence::Proven(root, _)
            | Presence::OursByName(root)
            | Presence::OursIfEmpty(root) => {
                (lease_state.clone(), root.remove(Removal::DRY_RUN).freed)
            }
        };
        entries.push(InventoryEntry {
            found,
            path,
            kind,
            state,
            header: record.header.clone(),
            lifetime: record.lifetime.clone(),
            age,
            left,
            size,
        });
    }
    entries
}

//! Finds the directories that are in use although their own leases do not say so.

use std::path::{Path, PathBuf};

use crate::lease::{Content, Record, Store};
use crate::reclaim::state::{KeepReason, State};
use crate::reclaim::system::SystemState;

/// The directories in which running commands and live scripts created resources, each with the id
/// of the lease that says so. What the cleanup itself is part of does not count.
#[derive(Debug)]
pub(super) struct Occupants(Vec<(String, PathBuf)>);

impl Occupants {
    /// Reads all leases of a store. Those that cannot be read are skipped: they are reported where
    /// they are judged.
    pub(super) fn of(store: &Store, system: &SystemState) -> Self {
        let mut dirs = Vec::new();
        for (id, snapshot) in store.records().into_iter().flatten() {
            let Ok(snapshot) = snapshot else { continue };
            let Content::Record(record) = snapshot.content else { continue };
            if is_occupant(&record, snapshot.locked, system) {
                let theirs = record.resources.into_iter().map(|resource| resource.dir);
                dirs.extend(theirs.map(|dir| (id.clone(), dir)));
            }
        }
        Self(dirs)
    }

    /// Returns whether a lease other than `id` has a resource in `dir` or below it.
    pub(super) fn are_in(&self, dir: &Path, id: &str) -> bool {
        self.0.iter().any(|(other, occupied)| other != id && occupied.starts_with(dir))
    }
}

fn is_occupant(record: &Record, locked: bool, system: &SystemState) -> bool {
    match State::of_lease(record, locked, system) {
        State::Kept(KeepReason::Live(owner)) => !system.is_ancestor(owner),
        State::Kept(KeepReason::InUse(_) | KeepReason::Unknown(_)) => true,
        _ => false,
    }
}

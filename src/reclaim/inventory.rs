//! What is there, and in what state: the leases as `list` shows them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use crate::lease::{Content, Header, Kind, Lifetime, Record, Store, reader};
use crate::os::Process;
use crate::reclaim::judge::{Selection, SystemState, state};
use crate::reclaim::presence::{Presence, locate};
use crate::remove::{Removal, Usage};

/// A resource that is there.
#[derive(Debug)]
pub(crate) struct InventoryEntry {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub kind: Kind,
    /// `live`, `ended`, `in use`, `manual`, `replaced` or `unknown`.
    pub state: &'static str,
    /// The first line of its lease.
    pub header: Header,
    /// When it goes.
    pub lifetime: Lifetime,
    /// How old it is.
    pub age: Option<Duration>,
    /// How much of its time is left.
    pub left: Option<Duration>,
    /// What it takes up.
    pub size: Usage,
}

impl InventoryEntry {
    /// The process whose exit ends it.
    pub(crate) fn owner(&self) -> Option<Process> {
        match self.lifetime {
            Lifetime::Bound { owner, .. } => owner,
            _ => None,
        }
    }
}

/// Collects the resources of a store. `problem` is told of leases that cannot be read.
pub(crate) fn survey(
    store: &Store,
    selection: &Selection,
    present: &SystemState,
    problem: &mut dyn FnMut(String),
    entries: &mut Vec<InventoryEntry>,
) -> anyhow::Result<()> {
    let ids = store
        .ids()
        .with_context(|| format!("could not read the leases in {}", store.path().display()))?;
    for id in ids {
        let lease = || format!("the lease {}", store.path().join(&id).display());
        match reader::read(store, &id) {
            Ok(None) => {}
            Ok(Some(seen)) => match seen.content {
                Content::Record(record) if selection.matches_lease(&record, present) => {
                    entries.extend(resources(&record, seen.locked, present));
                }
                Content::Record(_) | Content::Empty => {}
                Content::Unreadable(why) => problem(format!("cannot read {}: {why}", lease())),
            },
            Err(err) => problem(format!(
                "cannot read {}: {}",
                lease(),
                crate::values::error::strerror(&err)
            )),
        }
    }
    Ok(())
}

/// The resources of one lease that are not known to be gone.
fn resources(record: &Record, locked: bool, present: &SystemState) -> Vec<InventoryEntry> {
    let state = state(record, locked, present);
    let age = present.age(record);
    let mut place = None;
    let mut entries = Vec::new();
    for resource in &record.resources {
        let presence = locate(resource, &record.header.habitat, &present.habitat, &mut place);
        let (state, size) = match presence {
            Presence::Gone => continue,
            Presence::Unreachable | Presence::Unknown(_) => ("unknown", Usage::default()),
            Presence::Foreign | Presence::Displaced => ("replaced", Usage::default()),
            Presence::Ours { root, replaced } => {
                let state = if replaced { "replaced" } else { state.word() };
                (state, root.remove(Removal::DRY_RUN).freed)
            }
        };
        entries.push(InventoryEntry {
            path: resource.path(),
            kind: resource.kind,
            state,
            header: record.header.clone(),
            lifetime: record.lifetime.clone(),
            age,
            left: record.lifetime.ttl().and_then(|ttl| ttl.checked_sub(age?)),
            size,
        });
    }
    entries
}

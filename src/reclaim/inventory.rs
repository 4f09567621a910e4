//! What is there, and in what state: the leases as `list` shows them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use crate::lease::reader as read;
use crate::lease::reader::Content;
use crate::lease::record::{Header, Kind, Lifetime, Record};
use crate::lease::store::Store;
use crate::os::processes::Process;
use crate::reclaim::judge::{Present, Selection, state};
use crate::reclaim::presence::{Presence, examine};
use crate::remove::root::{Freed, Removal};

/// A resource that is there.
#[derive(Debug)]
pub(crate) struct Entry {
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
    pub size: Freed,
}

impl Entry {
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
    present: &Present,
    problem: &mut dyn FnMut(String),
    entries: &mut Vec<Entry>,
) -> anyhow::Result<()> {
    let ids = store
        .ids()
        .with_context(|| format!("could not read the leases in {}", store.path().display()))?;
    for id in ids {
        let lease = || format!("the lease {}", store.path().join(&id).display());
        match read::look(store, &id) {
            Ok(None) => {}
            Ok(Some(seen)) => match seen.content {
                Content::Record(record) if selection.narrows_to(&record, present) => {
                    entries.extend(resources(&record, seen.locked, present));
                }
                Content::Record(_) | Content::Empty => {}
                Content::Unreadable(why) => problem(format!("cannot read {}: {why}", lease())),
            },
            Err(err) => {
                problem(format!("cannot read {}: {}", lease(), crate::values::error::reason(&err)))
            }
        }
    }
    Ok(())
}

/// The resources of one lease that are not known to be gone.
fn resources(record: &Record, locked: bool, present: &Present) -> Vec<Entry> {
    let state = state(record, locked, present);
    let age = present.age(record);
    let mut place = None;
    let mut entries = Vec::new();
    for resource in &record.resources {
        let presence = examine(resource, &record.header.habitat, &present.habitat, &mut place);
        let (state, size) = match presence {
            Presence::Gone => continue,
            Presence::Unseen | Presence::Unknown(_) => ("unknown", Freed::default()),
            Presence::Other | Presence::Superseded => ("replaced", Freed::default()),
            Presence::There { root, replaced } => {
                let state = if replaced { "replaced" } else { state.word() };
                (state, root.remove(Removal::DRY).freed)
            }
        };
        entries.push(Entry {
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

//! Removing what is no longer wanted.
//!
//! [`sweep`] goes through leases, decides on each from what the lease says and what the system says
//! ([`judge`], [`resource`]), and removes or only measures. [`release`] is for a lease of this very
//! process.

use crate::reclaim::sweep;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};

use crate::lease::{Content, Lease, Record, Store, reader};
use crate::os::{Namespaces, Random};
use crate::reclaim::judge::{KeepReason, SystemState};
use crate::remove::{Removal, RemovalProgress, Usage};

/// What became of one resource.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is gone, or would be.
    Removed(Usage),
    /// It stays, and why.
    Kept(KeepReason),
    /// It should have gone: what of it could not be removed, and why, and what is gone all the same.
    Failed(Vec<(PathBuf, String)>, Usage),
}

/// Removes everything that a lease of this very process covers, then the lease: when the command
/// it was made for has ended, or when the caller could not be told. Who else has its lock does not
/// matter. `progress` is counted into. Returns what could not be removed.
pub(crate) fn release(
    lease: &Lease,
    progress: Option<&RemovalProgress>,
) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let Some((store, held)) = lease.locked()? else { return Ok(Vec::new()) };
    let record = match held.content().context("could not read the lease")? {
        Content::Record(record) => record,
        Content::Empty => {
            held.delete().context("could not remove the lease")?;
            return Ok(Vec::new());
        }
        Content::Unreadable(why) => return Err(anyhow!("could not read the lease: {why}")),
    };
    let mut failures = Vec::new();
    let removal = Removal { progress, ..Removal::PLAIN };
    let gone =
        sweep::remove_resources(&record, store, lease.id(), removal, &mut |_, resource, fate| {
            match fate {
                Outcome::Removed(_) => {}
                Outcome::Kept(kept) => failures.push((resource.path(), kept.to_string())),
                Outcome::Failed(more, _) => failures.extend(more),
            }
            Ok(())
        })?;
    if gone {
        held.delete().context("could not remove the lease")?;
    }
    Ok(failures)
}

/// Removes leases of things that were made below `dirs` in a mount namespace that is gone: what it had
/// there was its own, and went with it. Does nothing where anything goes wrong.
pub(crate) fn forget_resources_in(
    store: &Store,
    mnt_ns: u64,
    dirs: &[PathBuf],
    habitat: &Namespaces,
) {
    let is_hidden = |dir: &PathBuf| dirs.iter().any(|hidden| dir.starts_with(hidden));
    let went = |record: &Record| {
        let there = &record.header.habitat;
        there.mnt_ns == Some(mnt_ns)
            && habitat.same_boot(there) == Some(true)
            && record.resources.iter().all(|resource| is_hidden(&resource.dir))
    };
    for id in store.ids().unwrap_or_default() {
        if let Ok(Some(seen)) = reader::read(store, &id)
            && let Content::Record(record) = seen.content
            && !seen.locked
            && went(&record)
            && let Ok(Some(held)) = reader::lock(store, &id)
        {
            let _ = held.delete();
        }
    }
}

/// How many leases are looked at by one pruning.
const PRUNE_BATCH: usize = 128;

/// Removes leases whose resources have all been removed by somebody else, so that scripts which
/// clean up after themselves leave no litter in the store. Looks at some of them, beginning
/// anywhere; does nothing where anything goes wrong, since nothing depends on it.
pub(crate) fn prune(store: &Store, habitat: &Namespaces, random: &mut Random) {
    let Ok(ids) = store.ids() else { return };
    let Ok(start) = random.index_below(ids.len()) else { return };
    let present = SystemState::without_ancestry(habitat.clone());
    for id in ids.iter().cycle().skip(start).take(PRUNE_BATCH.min(ids.len())) {
        if let Ok(Some(seen)) = reader::read(store, id)
            && let Content::Record(record) = seen.content
            && !seen.locked
            && sweep::all_gone(&record, &present)
        {
            let _ = sweep::delete_leftover(store, id, &present);
        }
    }
}

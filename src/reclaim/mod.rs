//! Removing what is no longer wanted.
//!
//! One way of judging, for real and for show: [`sweep`] goes through all leases, decides on each
//! from what the lease says and what the system says, and removes or only measures. A dry run is
//! the same plan, not applied.

pub mod judge;
pub mod resource;

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::entropy::Entropy;
use crate::error::reason;
use crate::lease::Lease;
use crate::lease::read::{self, Content, Held};
use crate::lease::record::{Record, Resource};
use crate::lease::store::Store;
use crate::remove::{Act, Freed};
use judge::{Kept, Present, Selection, Verdict, judge};
use resource::{Presence, examine};

/// What became of one resource.
#[derive(Debug)]
pub enum Fate {
    /// It is gone, or would be.
    Removed(Freed),
    /// It stays, and why.
    Kept(Kept),
    /// It should have gone: what of it could not be removed, and why.
    Failed(Vec<(PathBuf, String)>),
}

/// What is told of each resource that a sweep comes across.
pub type Report<'a> = &'a mut dyn FnMut(&str, &Resource, Fate) -> anyhow::Result<()>;

/// Goes through the leases of a store and removes what the selection takes. `paths` that were come
/// across are struck off in `found`.
///
/// # Errors
/// Where the store cannot be read, or the report fails.
pub fn sweep(
    store: &Store,
    selection: &Selection,
    present: &Present,
    act: Act,
    damaged: &mut dyn FnMut(&str),
    report: Report<'_>,
) -> anyhow::Result<()> {
    let ids = store
        .ids()
        .with_context(|| format!("could not read the leases in {}", store.path().display()))?;
    for id in ids {
        if let Err(err) = reclaim_one(store, &id, selection, present, act, report)? {
            damaged(&format!("kept the lease {}: {err}", store.path().join(&id).display()));
        }
    }
    Ok(())
}

/// Why a lease is passed over as a whole.
pub type PassedOver = Result<(), String>;

/// Looks at one lease and removes what the selection takes of it.
///
/// # Errors
/// That of the report. A lease that cannot be read is told in the value.
pub fn reclaim_one(
    store: &Store,
    id: &str,
    selection: &Selection,
    present: &Present,
    act: Act,
    report: Report<'_>,
) -> anyhow::Result<PassedOver> {
    let seen = match read::look(store, id) {
        Ok(Some(seen)) => seen,
        Ok(None) => return Ok(Ok(())),
        Err(err) => return Ok(Err(reason(&err))),
    };
    let record = match seen.content {
        Content::Record(record) => record,
        Content::Empty if seen.locked => return Ok(Ok(())),
        Content::Empty => return Ok(discard_leftover(store, id, act)),
        Content::Unreadable(why) => return Ok(Err(why.to_string())),
    };
    let wanted = |resource: &Resource| selection.names(resource);
    if !selection.narrows_to(&record, present) || !record.resources.iter().any(wanted) {
        // A killed maker can leave a header and nothing else.
        if record.resources.is_empty() && !seen.locked {
            return Ok(discard_leftover(store, id, act));
        }
        return Ok(Ok(()));
    }
    match judge(&record, seen.locked, selection, present) {
        Verdict::Keep(kept) => {
            if !seen.locked && all_gone(&record, present) {
                return Ok(discard_leftover(store, id, act));
            }
            keep(id, &record, &wanted, &kept, report)?;
        }
        Verdict::Take if act == Act::Measure => {
            take(id, &record, &wanted, present, selection.force, act, report)?;
        }
        Verdict::Take if seen.locked => {
            // Only by force: somebody has the lock, so it is not asked for.
            if take(id, &record, &wanted, present, true, act, report)? {
                return Ok(read::discard(store, id).map_err(|err| reason(&err)));
            }
        }
        Verdict::Take => match read::hold(store, id) {
            Ok(Some(held)) => return take_held(held, id, selection, present, report),
            // Somebody else is at it, or was.
            Ok(None) => {}
            Err(err) => return Ok(Err(reason(&err))),
        },
    }
    Ok(Ok(()))
}

/// Takes a lease whose lock is held. It is read and judged again: it may have changed since.
fn take_held(
    held: Held<'_>,
    id: &str,
    selection: &Selection,
    present: &Present,
    report: Report<'_>,
) -> anyhow::Result<PassedOver> {
    let Ok(Content::Record(record)) = held.content() else {
        return Ok(Ok(()));
    };
    let wanted = |resource: &Resource| selection.names(resource);
    match judge(&record, false, selection, present) {
        Verdict::Keep(kept) => keep(id, &record, &wanted, &kept, report)?,
        Verdict::Take => {
            if take(id, &record, &wanted, present, selection.force, Act::Remove, report)? {
                return Ok(held.discard().map_err(|err| reason(&err)));
            }
        }
    }
    Ok(Ok(()))
}

/// Removes a lease that is about nothing.
fn discard_leftover(store: &Store, id: &str, act: Act) -> PassedOver {
    if act == Act::Measure {
        return Ok(());
    }
    match read::hold(store, id) {
        Ok(Some(held)) => held.discard().map_err(|err| reason(&err)),
        Ok(None) => Ok(()),
        Err(err) => Err(reason(&err)),
    }
}

fn keep(
    id: &str,
    record: &Record,
    wanted: &dyn Fn(&Resource) -> bool,
    kept: &Kept,
    report: Report<'_>,
) -> anyhow::Result<()> {
    for resource in record.resources.iter().filter(|one| wanted(one)) {
        report(id, resource, Fate::Kept(kept.clone()))?;
    }
    Ok(())
}

const UNSEEN: &str = "it is not to be seen from this mount namespace";

/// Removes the wanted resources of a record, or measures them. True where nothing is left of any.
fn take(
    id: &str,
    record: &Record,
    wanted: &dyn Fn(&Resource) -> bool,
    present: &Present,
    force: bool,
    act: Act,
    report: Report<'_>,
) -> anyhow::Result<bool> {
    let mut all_gone = true;
    let mut place = None;
    for resource in &record.resources {
        let presence = examine(resource, &record.header.habitat, &present.habitat, &mut place);
        if !wanted(resource) {
            all_gone &= matches!(presence, Presence::Gone);
            continue;
        }
        let fate = match presence {
            Presence::Gone => continue,
            Presence::Unseen if force => continue,
            Presence::Unseen => Fate::Kept(Kept::Unknown(UNSEEN.into())),
            Presence::Unknown(why) => Fate::Kept(Kept::Unknown(why)),
            Presence::Other => Fate::Kept(Kept::Replaced),
            Presence::There { root, .. } => match in_use(record, root.path(), force) {
                Some(pid) => Fate::Kept(Kept::InUse(Some(pid))),
                None => fate_of(root.remove(act)),
            },
        };
        all_gone &= matches!(fate, Fate::Removed(_));
        report(id, resource, fate)?;
    }
    Ok(all_gone && act == Act::Remove)
}

/// The workspace of a command whose tmpx was killed has no lock any more where the command closed
/// all descriptors it did not know; a process that stands in it still uses it.
fn in_use(record: &Record, path: &Path, force: bool) -> Option<u32> {
    let by_command = record.lifetime == crate::lease::record::Lifetime::Command;
    if by_command && !force { crate::process::standing_in(path) } else { None }
}

fn fate_of(outcome: crate::remove::Outcome) -> Fate {
    if outcome.is_complete() {
        return Fate::Removed(outcome.freed);
    }
    let mut failures: Vec<_> = outcome
        .failures
        .into_iter()
        .map(|failure| (failure.path, reason(&failure.cause)))
        .collect();
    if let (Some(last), more @ 1..) = (failures.last_mut(), outcome.more_failures) {
        last.1 = format!("{} (and {more} more)", last.1);
    }
    Fate::Failed(failures)
}

fn all_gone(record: &Record, present: &Present) -> bool {
    let mut place = None;
    record.resources.iter().all(|resource| {
        matches!(
            examine(resource, &record.header.habitat, &present.habitat, &mut place),
            Presence::Gone
        )
    })
}

/// Removes everything that a lease of this very process covers, then the lease: when the command
/// it was made for has ended, or when the caller could not be told. Who else has its lock does not
/// matter. Returns what could not be removed.
///
/// # Errors
/// Where the lease cannot be read or removed.
pub fn release(lease: &Lease) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let Some(held) = lease.held()? else {
        return Ok(Vec::new());
    };
    let Content::Record(record) = held.content()? else {
        held.discard()?;
        return Ok(Vec::new());
    };
    let present = Present::of(record.header.habitat.clone());
    let mut failures = Vec::new();
    let done = take(
        lease.id(),
        &record,
        &|_| true,
        &present,
        true,
        Act::Remove,
        &mut |_, resource, fate| {
            match fate {
                Fate::Removed(_) => {}
                Fate::Kept(kept) => failures.push((resource.path(), kept.to_string())),
                Fate::Failed(more) => failures.extend(more),
            }
            Ok(())
        },
    )?;
    if done {
        held.discard().context("could not remove the lease")?;
    }
    Ok(failures)
}

/// How many leases are looked at by one pruning.
const PRUNED: usize = 128;

/// Removes leases whose resources have all been removed by somebody else, so that scripts which
/// clean up after themselves leave no litter in the store. Looks at some of them, beginning
/// anywhere; does nothing where anything goes wrong, since nothing depends on it.
pub fn prune(store: &Store, habitat: &crate::process::Habitat, entropy: &mut Entropy) {
    let Ok(ids) = store.ids() else { return };
    let Ok(start) = entropy.below(ids.len()) else {
        return;
    };
    let present = Present::of(habitat.clone());
    for id in ids.iter().cycle().skip(start).take(PRUNED.min(ids.len())) {
        let Ok(Some(seen)) = read::look(store, id) else {
            continue;
        };
        if let Content::Record(record) = seen.content
            && !seen.locked
            && all_gone(&record, &present)
        {
            let _ = discard_leftover(store, id, Act::Remove);
        }
    }
}

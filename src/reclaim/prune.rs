//! Removes leases that cover nothing any more.
//!
//! Nothing depends on it: a lease that stays here is removed by a later cleanup.

use std::io;
use std::path::PathBuf;

use crate::lease::{Content, LeaseSnapshot, PrivateTmp, Record, Store, reader};
use crate::os::{Mounts, Namespaces, Random};
use crate::reclaim::presence::{RemovedDirs, nothing_is_left};
use crate::reclaim::system::SystemState;

/// How many leases are looked at by one pruning.
const PRUNE_BATCH: usize = 128;

/// Removes leases whose resources other programs have removed, so that scripts which clean up after
/// themselves leave no litter in the store. Looks at some of the leases, from a random one on, and
/// skips those that fail.
pub(crate) fn prune(store: &Store, namespaces: &Namespaces, random: &mut Random) {
    let Ok(mut ids) = store.ids() else { return };
    let Ok(start) = random.index_below(ids.len()) else { return };
    ids.rotate_left(start);
    ids.truncate(PRUNE_BATCH);
    let system = SystemState::without_ancestry(namespaces.clone()).for_store(store);
    let removed = RemovedDirs::default();
    for (id, snapshot) in store.records_of(ids) {
        if unlocked(snapshot)
            .is_some_and(|record| nothing_is_left(&record, &system, &removed, false))
        {
            let _ = discard(store, &system, &removed, &id, false);
        }
    }
}

/// Removes the leases of what was in directories that this process has just removed. Only later
/// leases can cover that. Skips leases that fail.
pub(super) fn end_inner_leases(store: &Store, system: &SystemState, removed: &RemovedDirs) {
    let Some(first) = removed.first_lease() else { return };
    let Ok(mut ids) = store.ids() else { return };
    ids.retain(|id| *id > first);
    for (id, snapshot) in store.records_of(ids) {
        let was_inside = |record: Box<Record>| removed.contain_all(&record, system);
        if unlocked(snapshot).is_some_and(was_inside) {
            let _ = discard(store, system, removed, &id, false);
        }
    }
}

/// Removes the leases of resources below `dirs` that were created where other mounts were visible,
/// which have ended: there were filesystems of their own. Skips leases that fail.
pub(crate) fn forget_resources_in(
    store: &Store,
    mounts: Mounts,
    dirs: &[PathBuf],
    namespaces: &Namespaces,
) {
    // A command that has left its namespace shows ours, where nothing has ended.
    if mounts == namespaces.mounts() {
        return;
    }
    let is_below = |dir: &PathBuf| dirs.iter().any(|hidden| dir.starts_with(hidden));
    let is_lost = |record: &Record| {
        let theirs = &record.header.namespaces;
        theirs.mounts() == mounts
            && namespaces.same_boot(theirs) == Some(true)
            && record.resources.iter().all(|resource| is_below(&resource.dir))
    };
    for (id, snapshot) in store.records().into_iter().flatten() {
        if unlocked(snapshot).is_some_and(|record| is_lost(&record))
            && let Ok(Some(lease)) = reader::lock(store, &id)
        {
            let _ = lease.delete();
        }
    }
}

/// Removes the leases of what was in the private /tmp of a command, which was removed with its
/// workspace.
pub(super) fn end_private_tmp(store: &Store, private: &PrivateTmp, namespaces: &Namespaces) {
    let dirs: Vec<PathBuf> = private.dirs.iter().map(|dir| dir.as_path().to_owned()).collect();
    forget_resources_in(store, private.mounts, &dirs, namespaces);
}

fn unlocked(snapshot: io::Result<LeaseSnapshot>) -> Option<Box<Record>> {
    match snapshot {
        Ok(LeaseSnapshot { content: Content::Record(record), locked: false }) => Some(record),
        _ => None,
    }
}

/// Removes a lease if nothing is left that it covers. Does nothing if another process has the lock.
/// Reads the lease again under the lock, since its creator may have created a resource meanwhile.
pub(super) fn discard(
    store: &Store,
    system: &SystemState,
    removed: &RemovedDirs,
    id: &str,
    displaced_was_reported: bool,
) -> io::Result<()> {
    let Some(lease) = reader::lock(store, id)? else { return Ok(()) };
    let covers_nothing = match lease.content() {
        Ok(Content::Empty) => true,
        Ok(Content::Record(record)) => {
            nothing_is_left(&record, system, removed, displaced_was_reported)
        }
        Ok(Content::Unreadable(_)) | Err(_) => false,
    };
    if covers_nothing { lease.delete() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::lease::{Kind, LeaseSpec, Lifetime};
    use crate::reclaim::fixture::{TestStore, random, spec};

    #[test]
    fn pruning_removes_only_leases_whose_resources_are_gone() {
        let store = TestStore::new();
        for path in store.create(Lifetime::Manual, Kind::File, 2) {
            fs::remove_file(path).unwrap();
        }
        let kept = store.create(Lifetime::Manual, Kind::File, 1);
        let (lease, locked) = store.locked(spec(Lifetime::Command), &random(Kind::File), 1);
        fs::remove_file(&locked[0]).unwrap();
        prune(&store.store(), &Namespaces::current(), &mut Random::system());
        assert_eq!(store.ids().len(), 2);
        assert!(store.ids().contains(&lease.id().to_owned()), "a locked lease stays");
        assert!(kept[0].exists());
    }

    #[test]
    fn leases_of_an_ended_mount_namespace_are_forgotten_below_its_directories_only() {
        let store = TestStore::new();
        let ended = Namespaces { root: Some((1, 2)), ..Namespaces::current() };
        let mounts = ended.mounts();
        for namespaces in [ended, Namespaces::current()] {
            let spec = LeaseSpec { namespaces, ..spec(Lifetime::Manual) };
            store.locked(spec, &random(Kind::File), 1).0.commit().unwrap();
        }
        let forget = |dir: PathBuf| {
            forget_resources_in(&store.store(), mounts, &[dir], &Namespaces::current());
            store.ids().len()
        };
        assert_eq!(forget(store.dir().join("other")), 2);
        assert_eq!(forget(store.dir()), 1);
        let current = Namespaces::current();
        forget_resources_in(&store.store(), current.mounts(), &[store.dir()], &current);
        assert_eq!(store.ids().len(), 1, "this namespace has not ended");
    }
}

//! Decides what to do with each lease and each resource.
//!
//! A plan only reads. A sweep carries it out, or reports it and stops there: so a dry run lists
//! exactly what the real run removes.

use std::cell::OnceCell;
use std::path::Path;

use crate::fs::Dir;
use crate::lease::{Content, Kind, LeaseSnapshot, Lifetime, Record, Resource, Store, Unreadable};
use crate::os::processes::with_cwd_in;
use crate::reclaim::judge::{Verdict, judge};
use crate::reclaim::occupants::Occupants;
use crate::reclaim::presence::{Presence, locate};
use crate::reclaim::selection::Selection;
use crate::reclaim::state::KeepReason;
use crate::reclaim::system::SystemState;
use crate::remove::Root;

/// What to do with a lease.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LeasePlan {
    /// Nothing: the selection does not match it, or its creator is just writing it.
    Pass,
    /// Report that it cannot be read.
    Report(Unreadable),
    /// Remove the lease alone, since nothing that it covers exists. Report the resources whose names
    /// other entries have.
    Discard { displaced: Vec<Resource> },
    /// Keep the lease, and report these resources as kept.
    Keep {
        resources: Vec<Resource>,
        reason: KeepReason,
        /// Whether it is kept only because its creator or another cleanup holds the lock for a moment.
        briefly: bool,
    },
    /// Remove its resources, then the lease.
    Remove {
        record: Box<Record>,
        /// Whether a process has the lock. Only force removes such a lease.
        locked: bool,
    },
}

/// What to do with a resource of a lease whose resources are removed.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one at a time, on the stack")]
pub(super) enum ResourcePlan<'d> {
    /// Nothing: it no longer exists.
    Pass,
    /// Nothing: the selection does not match it. The lease stays because of it.
    Unselected,
    /// Keep it, and report why.
    Keep {
        reason: KeepReason,
        /// Whether the lease may end all the same.
        ends_lease: bool,
    },
    /// Remove this entry.
    Remove(Root<'d>),
}

/// Plans a sweep of one store.
#[derive(Debug)]
pub(super) struct Planner<'a> {
    pub(super) store: &'a Store,
    pub(super) selection: &'a Selection,
    pub(super) system: &'a SystemState,
    /// Whether the leases are this process's own, which sees everything that it created.
    own: bool,
    occupants: OnceCell<Occupants>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(store: &'a Store, selection: &'a Selection, system: &'a SystemState) -> Self {
        Self { store, selection, system, own: false, occupants: OnceCell::new() }
    }

    /// Returns a planner for leases of this very process.
    pub(super) fn for_own(
        store: &'a Store,
        selection: &'a Selection,
        system: &'a SystemState,
    ) -> Self {
        Self { own: true, ..Self::new(store, selection, system) }
    }

    /// Plans a lease.
    pub(super) fn lease(&self, snapshot: LeaseSnapshot) -> LeasePlan {
        let locked = snapshot.locked;
        let record = match snapshot.content {
            Content::Record(record) => record,
            Content::Empty => return LeasePlan::Discard { displaced: Vec::new() },
            Content::Unreadable(_) if locked => return LeasePlan::Pass,
            Content::Unreadable(why) => return LeasePlan::Report(why),
        };
        if self.is_selected(&record) {
            match self.judge(&record, locked) {
                Verdict::Remove => LeasePlan::Remove { record, locked },
                Verdict::Keep(reason) => self.keep(*record, locked, reason),
            }
        } else if record.resources.is_empty() && !locked {
            // A creator that was killed may leave a header and nothing else.
            LeasePlan::Discard { displaced: Vec::new() }
        } else {
            LeasePlan::Pass
        }
    }

    /// Plans a lease that the verdict keeps. If nothing is left of its resources, an unlocked one ends
    /// all the same.
    fn keep(&self, record: Record, locked: bool, reason: KeepReason) -> LeasePlan {
        let briefly = locked && self.is_being_handled(&record);
        let is_alone = record.resources.len() == 1;
        let (mut displaced, mut resources) = (Vec::new(), Vec::new());
        let (mut dir, mut nothing_is_left) = (None, true);
        let Record { header, resources: all, .. } = record;
        for resource in all {
            let is_selected = self.selection.matches_resource(&resource);
            if !is_selected && !nothing_is_left {
                continue;
            }
            let presence = locate(&resource, &header.namespaces, &self.system.namespaces, &mut dir);
            let is_gone = matches!(presence, Presence::Gone);
            let is_displaced = matches!(presence, Presence::Displaced);
            nothing_is_left &= is_gone || is_displaced;
            if is_selected && is_displaced {
                displaced.push(resource.clone());
            }
            // The creator of a lease with one resource may be about to create it.
            if is_selected && (is_alone || !is_gone) {
                resources.push(resource);
            }
        }
        if nothing_is_left && !locked {
            LeasePlan::Discard { displaced }
        } else {
            LeasePlan::Keep { resources, reason, briefly }
        }
    }

    /// Judges a lease that the selection matches.
    fn judge(&self, record: &Record, locked: bool) -> Verdict {
        judge(record, locked, self.selection, self.system)
    }

    fn is_selected(&self, record: &Record) -> bool {
        self.selection.matches_lease(record, self.system)
            && record.resources.iter().any(|resource| self.selection.matches_resource(resource))
    }

    /// Returns whether a lock must be the creator's or another cleanup's, and not a command's.
    fn is_being_handled(&self, record: &Record) -> bool {
        record.lifetime != Lifetime::Command && self.judge(record, false) == Verdict::Remove
    }

    /// Plans a resource of a lease whose resources are removed. `dir` keeps its directory open from
    /// one resource to the next.
    pub(super) fn resource<'d>(
        &self,
        id: &str,
        record: &Record,
        resource: &Resource,
        dir: &'d mut Option<Dir>,
    ) -> ResourcePlan<'d> {
        let presence = locate(resource, &record.header.namespaces, &self.system.namespaces, dir);
        if !self.selection.matches_resource(resource) {
            return match presence {
                Presence::Gone | Presence::Displaced => ResourcePlan::Pass,
                _ => ResourcePlan::Unselected,
            };
        }
        let replaced = KeepReason::Replaced(resource.kind);
        let keep = |reason, ends_lease| ResourcePlan::Keep { reason, ends_lease };
        match presence {
            Presence::Gone => ResourcePlan::Pass,
            Presence::Displaced => keep(replaced, true),
            Presence::Foreign => keep(replaced, self.selection.is_forced_by_path()),
            Presence::Unreachable => keep(KeepReason::OutOfSight, self.may_forget(record)),
            Presence::Unreadable(why) => keep(KeepReason::Unreadable(why), false),
            Presence::Ours(root) => match self.in_use(id, record, resource, root.path()) {
                Some(reason) => keep(reason, false),
                None => ResourcePlan::Remove(root),
            },
        }
    }

    /// Returns whether a lease may end although its resource is out of sight: if the user names it
    /// and insists, or by force if no process can ever find out which namespace created it.
    fn may_forget(&self, record: &Record) -> bool {
        let theirs = &record.header.namespaces;
        let unknowable = !theirs.mounts().are_known() || theirs.boot.is_none();
        self.own || self.selection.is_forced_by_path() || self.selection.force && unknowable
    }

    /// Returns why a directory is in use although its own lease is not locked: a command that closed
    /// all descriptors it did not know, and the lock with them, has its working directory there; or
    /// a live lease has a resource inside it.
    fn in_use(
        &self,
        id: &str,
        record: &Record,
        resource: &Resource,
        path: &Path,
    ) -> Option<KeepReason> {
        if self.selection.force || resource.kind != Kind::Dir {
            return None;
        }
        if record.lifetime == Lifetime::Command
            && let Some(pid) = with_cwd_in(path)
        {
            return Some(KeepReason::InUse(Some(pid)));
        }
        let occupants = self.occupants.get_or_init(|| Occupants::of(self.store, self.system));
        occupants.are_in(path, id).then_some(KeepReason::InUse(None))
    }
}

//! Decides what to do with each lease and each resource.
//!
//! A plan only reads. A sweep carries it out, or reports it and stops there: so a dry run lists
//! exactly what the real run removes.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use crate::lease::{
    Content, Event, Kind, LeaseSnapshot, Lifetime, Record, Resource, Store, Unreadable,
};
use crate::os::processes::with_cwd_in;
use crate::reclaim::judge::{Verdict, judge};
use crate::reclaim::occupants::Occupants;
use crate::reclaim::presence::{Locator, Presence, Published, RemovedDirs};
use crate::reclaim::selection::Selection;
use crate::reclaim::sight::Absence;
use crate::reclaim::state::KeepReason;
use crate::reclaim::system::SystemState;
use crate::remove::{Removal, RemovalOutcome, Root};

/// How long a resource may be out of sight before its lease ends, if its directory was most likely
/// removed.
pub(super) const UNSEEN_MS: u64 = 30 * 24 * 3_600_000;

/// What to do with a lease.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LeasePlan {
    /// Leave it alone: the selection does not match it, or its creator is just writing it.
    Pass,
    /// Report that it cannot be read.
    Report(Unreadable),
    /// Remove the lease alone, since nothing that it covers exists. Report the resources whose names
    /// other entries have.
    Discard { displaced: Vec<Resource> },
    /// Keep the lease, and report these resources as kept.
    Keep {
        resources: Vec<(Resource, KeepReason)>,
        /// Whether it is kept only because its creator or another cleanup holds the lock for a moment.
        briefly: bool,
        /// What to add to it.
        event: Option<Event>,
    },
    /// Remove the lease alone, since what it covers has been out of sight for long, or the user gives
    /// it up.
    GiveUp(Vec<Resource>),
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
    /// There is nothing to do: it no longer exists.
    Pass,
    /// Leave it alone, and keep the lease because of it: the selection does not match it.
    Unselected,
    /// Report that it has been out of sight for too long.
    GiveUp,
    /// Keep it, and report why.
    Keep {
        /// The resource under the name that it was found by.
        found: Resource,
        reason: KeepReason,
        /// Whether the lease may end all the same.
        ends_lease: bool,
    },
    /// Remove these entries.
    Remove {
        entries: ResourceEntries<'d>,
        /// Whether their identity is proven, and not only their name ours.
        is_proven: bool,
    },
}

/// The entries of a resource that is removed.
#[derive(Debug)]
pub(super) struct ResourceEntries<'d> {
    root: Root<'d>,
    /// The other name of the same file.
    twin: Option<Root<'d>>,
    /// Whether to remove a directory only while it is empty.
    alone: bool,
}

impl ResourceEntries<'_> {
    /// Returns the path of the resource, and the mount that it was reached by.
    pub(super) fn place(&self) -> (PathBuf, u64) {
        (self.root.path().to_owned(), self.root.parent().facts().mount)
    }

    /// Removes them, or counts what that would free.
    pub(super) fn remove(self, removal: Removal<'_>) -> RemovalOutcome {
        let mut removed =
            if self.alone { self.root.remove_alone(removal) } else { self.root.remove(removal) };
        if let Some(twin) = self.twin {
            removed.add(twin.remove(removal));
        }
        removed
    }
}

/// Who learns what a sweep does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Audience {
    /// The user reads what it reports.
    User,
    /// Nobody does. So a lease whose end must be reported is kept.
    Nobody,
    /// The leases are this process's own, which sees everything that it created.
    Creator,
}

/// Plans a sweep of one store.
#[derive(Debug)]
pub(super) struct Planner<'a> {
    pub(super) store: &'a Store,
    pub(super) selection: &'a Selection,
    pub(super) system: &'a SystemState,
    /// What was removed so far.
    pub(super) removed: RemovedDirs,
    audience: Audience,
    occupants: OnceCell<Occupants>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(store: &'a Store, selection: &'a Selection, system: &'a SystemState) -> Self {
        let (removed, occupants) = (RemovedDirs::default(), OnceCell::new());
        Self { store, selection, system, removed, audience: Audience::User, occupants }
    }

    /// Returns a planner whose reports nobody reads.
    pub(super) fn silent(self) -> Self {
        Self { audience: Audience::Nobody, ..self }
    }

    /// Returns a planner for leases of this very process.
    pub(super) fn for_own(
        store: &'a Store,
        selection: &'a Selection,
        system: &'a SystemState,
    ) -> Self {
        Self { audience: Audience::Creator, ..Self::new(store, selection, system) }
    }

    /// Returns whether what the sweep does becomes known.
    fn reports(&self) -> bool {
        self.audience != Audience::Nobody
    }

    /// Returns what looks for the resources of a lease.
    pub(super) fn locator<'r>(&'r self, record: &'r Record) -> Locator<'r> {
        if self.audience == Audience::Creator {
            Locator::for_own(record, &self.removed)
        } else {
            Locator::new(record, self.system, &self.removed)
        }
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
                Verdict::Remove if self.selection.forget => self.forget(&record, locked),
                Verdict::Remove => LeasePlan::Remove { record, locked },
                Verdict::Keep(_) if self.selection.forget && !self.selection.names_paths() => {
                    LeasePlan::Pass
                }
                Verdict::Keep(reason) => self.keep(&record, locked, &reason),
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
    fn keep(&self, record: &Record, locked: bool, reason: &KeepReason) -> LeasePlan {
        let briefly = locked && self.is_being_handled(record);
        let is_alone = record.resources.len() == 1;
        let (mut displaced, mut given_up, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        let (mut nothing_is_left, mut expires) = (true, false);
        let mut locator = self.locator(record);
        for resource in &record.resources {
            let presence = locator.locate(resource);
            let is_selected = presence.is_selected(resource, self.selection);
            let path = presence.path().map(Path::to_owned);
            let mut reason = reason.clone();
            let is_gone = match presence {
                Presence::Gone => true,
                Presence::Displaced(_) => {
                    displaced.extend(is_selected.then(|| found(resource, path.as_deref())));
                    true
                }
                Presence::OutOfSight(absence) => {
                    expires |= absence.expires();
                    let is_over = self.is_over(record, &absence);
                    given_up.extend(is_over.then(|| resource.clone()));
                    reason = KeepReason::OutOfSight(absence);
                    is_over
                }
                _ => false,
            };
            nothing_is_left &= is_gone;
            // The creator of a lease with one resource may be about to create it.
            if is_selected && (is_alone || !is_gone) {
                kept.push((found(resource, path.as_deref()), reason));
            }
        }
        if !nothing_is_left || locked {
            let event = self.sighting(record, expires);
            LeasePlan::Keep { resources: kept, briefly, event }
        } else if given_up.is_empty() {
            LeasePlan::Discard { displaced }
        } else {
            LeasePlan::GiveUp(given_up)
        }
    }

    /// Plans a lease whose user gives up what is out of sight.
    fn forget(&self, record: &Record, locked: bool) -> LeasePlan {
        let (mut forgotten, mut in_sight, mut all_are_out) = (Vec::new(), Vec::new(), true);
        let mut locator = self.locator(record);
        for resource in &record.resources {
            let presence = locator.locate(resource);
            let is_selected = presence.is_selected(resource, self.selection);
            match presence {
                Presence::Gone => {}
                Presence::OutOfSight(_) if is_selected => forgotten.push(resource.clone()),
                _ => {
                    all_are_out = false;
                    let is_named = is_selected && self.selection.names_paths();
                    let found = is_named.then(|| found(resource, presence.path()));
                    in_sight.extend(found.map(|found| (found, KeepReason::InSight)));
                }
            }
        }
        if !locked && all_are_out && forgotten.is_empty() {
            LeasePlan::Discard { displaced: Vec::new() }
        } else if locked || !all_are_out {
            LeasePlan::Keep { resources: in_sight, briefly: false, event: None }
        } else {
            LeasePlan::GiveUp(forgotten)
        }
    }

    /// Returns whether a resource that most likely exists no more has been out of sight for long.
    fn is_over(&self, record: &Record, absence: &Absence) -> bool {
        let unseen = record.unseen.map(|since| self.system.now.wall_ms.saturating_sub(since));
        self.reports() && absence.expires() && unseen.is_some_and(|unseen| unseen >= UNSEEN_MS)
    }

    /// Returns what a cleanup adds to a lease: since when its resources have been out of sight, or that
    /// none is any more.
    pub(super) fn sighting(&self, record: &Record, expires: bool) -> Option<Event> {
        match (record.unseen, expires) {
            _ if !self.reports() => None,
            (None, true) => Some(Event::Unseen(self.system.now.wall_ms)),
            (Some(_), false) => Some(Event::Seen(self.system.now.wall_ms)),
            _ => None,
        }
    }

    /// Judges a lease that the selection matches.
    fn judge(&self, record: &Record, locked: bool) -> Verdict {
        judge(record, locked, self.selection, self.system)
    }

    fn is_selected(&self, record: &Record) -> bool {
        self.selection.matches_lease(record, self.system)
            && record.resources.iter().any(|resource| self.selection.may_match(resource))
    }

    /// Returns whether a lock must be the creator's or another cleanup's, and not a command's.
    pub(super) fn is_being_handled(&self, record: &Record) -> bool {
        record.lifetime != Lifetime::Command && self.judge(record, false) == Verdict::Remove
    }

    /// Plans a resource of a lease whose resources are removed: what has its name, and what has the name
    /// that it was about to get.
    pub(super) fn resource<'d>(
        &self,
        record: &Record,
        resource: &Resource,
        locator: &'d mut Locator<'_>,
    ) -> Vec<ResourcePlan<'d>> {
        let presence = locator.locate(resource);
        if !presence.is_selected(resource, self.selection) {
            return vec![match presence {
                Presence::Gone => ResourcePlan::Pass,
                Presence::Displaced(_) if self.reports() => ResourcePlan::Pass,
                _ => ResourcePlan::Unselected,
            }];
        }
        let replaced = |ends_lease| {
            let reason = KeepReason::Replaced(resource.kind);
            ResourcePlan::Keep { found: resource.clone(), reason, ends_lease }
        };
        match presence {
            // Without the resource, a later cleanup may not know that the other entry is not ours.
            Presence::Halfway { published: Published::Placeholder, .. } if !self.reports() => {
                vec![replaced(false)]
            }
            Presence::Halfway { published: Published::Placeholder, hidden } => {
                let plan = self.present(record, resource, *hidden);
                let is_removed = matches!(plan, ResourcePlan::Remove { .. });
                std::iter::once(plan).chain(is_removed.then(|| replaced(true))).collect()
            }
            Presence::Halfway { published: Published::Unproven(other), hidden } => {
                let presences = [*hidden, Presence::Unproven(other)];
                presences.map(|presence| self.present(record, resource, presence)).into()
            }
            presence => vec![self.present(record, resource, presence)],
        }
    }

    /// Plans a selected resource, which was found like this under one of its names.
    fn present<'d>(
        &self,
        record: &Record,
        resource: &Resource,
        presence: Presence<'d>,
    ) -> ResourcePlan<'d> {
        let path = presence.path().map(Path::to_owned);
        let keep = |reason, ends_lease| {
            let found = found(resource, path.as_deref());
            ResourcePlan::Keep { found, reason, ends_lease }
        };
        let replaced = KeepReason::Replaced(resource.kind);
        let unproven = KeepReason::Unproven(resource.kind);
        let mut is_proven = false;
        let (root, twin, alone) = match presence {
            Presence::Gone => return ResourcePlan::Pass,
            Presence::Displaced(_) => return keep(replaced, self.reports()),
            Presence::Foreign(root) => {
                return keep(replaced, self.selection.insists_on(root.path()));
            }
            Presence::OutOfSight(absence) if self.is_over(record, &absence) => {
                return ResourcePlan::GiveUp;
            }
            Presence::OutOfSight(absence) => return keep(KeepReason::OutOfSight(absence), false),
            Presence::Unreadable(why) => return keep(KeepReason::Unreadable(why), false),
            // A resource has at most two names, so it cannot be halfway twice.
            Presence::Halfway { .. } => return keep(unproven, false),
            Presence::Unproven(entry) => match entry.given_up_by(self.selection) {
                Some(root) => (root, None, false),
                None => return keep(unproven, false),
            },
            Presence::OursIfEmpty(root) => (root, None, true),
            Presence::Proven(root, twin) => {
                is_proven = true;
                (root, twin, false)
            }
            Presence::OursByName(root) => (root, None, false),
        };
        if let Some(reason) = self.in_use(&record.header.id, record, resource, root.path()) {
            return keep(reason, false);
        }
        ResourcePlan::Remove { entries: ResourceEntries { root, twin, alone }, is_proven }
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

/// Returns a resource under the name that it was found by, if it was.
fn found(resource: &Resource, path: Option<&Path>) -> Resource {
    path.map_or_else(|| resource.clone(), |path| resource.found_at(path))
}

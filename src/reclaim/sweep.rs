//! Going through leases, judging each, and removing or only measuring: a dry run is the same plan,
//! not applied.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::lease::{Content, Kind, Lifetime, LockedLease, Record, Resource, Store, reader};
use crate::os::processes::with_cwd_in;
use crate::reclaim::judge::{KeepReason, Selection, State, SystemState, Verdict, judge, state};
use crate::reclaim::presence::{Presence, locate};
use crate::reclaim::release::Outcome;
use crate::remove::{Mode, Removal, RemovalOutcome};
use crate::values::error::strerror;

/// What is told of each resource that a sweep comes across.
pub(crate) type Report<'a> = &'a mut dyn FnMut(&str, &Resource, Outcome) -> anyhow::Result<()>;

/// Why a lease is passed over as a whole.
pub(crate) type SkipResult = Result<(), String>;

/// A way through the leases of a store.
#[derive(Debug)]
pub(crate) struct Sweep<'a> {
    store: &'a Store,
    selection: &'a Selection,
    present: &'a SystemState,
    removal: Removal<'a>,
    /// Whether it is about a lease of this very process, which sees what it has made.
    own: bool,
    occupied: OnceCell<Vec<(String, PathBuf)>>,
}

impl<'a> Sweep<'a> {
    /// Through this store, for what is selected, at this time.
    pub(crate) fn new(
        store: &'a Store,
        selection: &'a Selection,
        present: &'a SystemState,
        removal: Removal<'a>,
    ) -> Self {
        Self { store, selection, present, removal, own: false, occupied: OnceCell::new() }
    }

    /// Goes through all leases. `problem` is told of those that cannot be read.
    pub(crate) fn all(
        &self,
        problem: &mut dyn FnMut(&str),
        report: Report<'_>,
    ) -> anyhow::Result<()> {
        let path = self.store.path();
        let ids = match self.store.ids() {
            Ok(ids) => ids,
            Err(err) => {
                let why = strerror(&err);
                problem(&format!("could not read the leases in {}: {why}", path.display()));
                return Ok(());
            }
        };
        for id in ids {
            if let Err(why) = self.one(&id, report)? {
                problem(&format!("kept the lease {}: {why}", path.join(&id).display()));
            }
        }
        Ok(())
    }

    /// Looks at one lease and removes what the selection takes of it.
    pub(crate) fn one(&self, id: &str, report: Report<'_>) -> anyhow::Result<SkipResult> {
        // One that is asked for by name may have been told of a moment ago, and its maker be about
        // to let go of it; or another cleaner is at it.
        let tries = if self.selection.paths.is_empty() { 1 } else { 200 };
        for n in 1..=tries {
            if let Some(done) = self.attempt(id, n == tries, report)? {
                return Ok(done);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Ok(()))
    }

    /// The same, but `None` where somebody else has the lock for a moment, unless this is the last
    /// try.
    fn attempt(
        &self,
        id: &str,
        last: bool,
        report: Report<'_>,
    ) -> anyhow::Result<Option<SkipResult>> {
        let seen = match reader::read(self.store, id) {
            Ok(Some(seen)) => seen,
            Ok(None) => return Ok(Some(Ok(()))),
            Err(err) => return Ok(Some(Err(strerror(&err)))),
        };
        let record = match seen.content {
            Content::Record(record) => record,
            Content::Empty => return Ok(Some(self.delete_leftover(id))),
            Content::Unreadable(_) if seen.locked => return Ok(Some(Ok(()))),
            Content::Unreadable(why) => return Ok(Some(Err(why.to_string()))),
        };
        if !self.concerns(&record) {
            // A killed maker can leave a header and nothing else.
            let leftover = record.resources.is_empty() && !seen.locked;
            return Ok(Some(if leftover { self.delete_leftover(id) } else { Ok(()) }));
        }
        match judge(&record, seen.locked, self.selection, self.present) {
            Verdict::Keep(_) if !seen.locked && all_gone(&record, self.present) => {
                self.report_displaced(id, &record, report)?;
                return Ok(Some(self.delete_leftover(id)));
            }
            Verdict::Keep(_) if seen.locked && self.is_handled_by_reaper(&record) && !last => {
                return Ok(None);
            }
            Verdict::Keep(kept) => {
                if !seen.locked
                    || !self.is_handled_by_reaper(&record)
                    || !self.selection.paths.is_empty()
                {
                    self.keep(id, &record, &kept, report)?;
                }
            }
            Verdict::Remove if self.removal.mode == Mode::DryRun => {
                self.remove_lease(id, &record, report)?;
            }
            Verdict::Remove if seen.locked => {
                // Only by force: somebody has the lock, so it is not asked for.
                if self.remove_lease(id, &record, report)? {
                    return Ok(Some(deletion_result(reader::delete(self.store, id))));
                }
            }
            Verdict::Remove => match reader::lock(self.store, id) {
                Ok(Some(held)) => return self.remove_locked(held, id, report).map(Some),
                Ok(None) if !last => return Ok(None),
                Ok(None) => {}
                Err(err) => return Ok(Some(Err(strerror(&err)))),
            },
        }
        Ok(Some(Ok(())))
    }

    fn concerns(&self, record: &Record) -> bool {
        self.selection.matches_lease(record, self.present)
            && record.resources.iter().any(|resource| self.selection.matches_resource(resource))
    }

    /// Whether who has the lock is its maker, or another cleaner: nothing to tell of.
    fn is_handled_by_reaper(&self, record: &Record) -> bool {
        record.lifetime != Lifetime::Command
            && judge(record, false, self.selection, self.present) == Verdict::Remove
    }

    /// Takes a lease whose lock is held. It is read and judged again: it may have changed since.
    fn remove_locked(
        &self,
        held: LockedLease<'_>,
        id: &str,
        report: Report<'_>,
    ) -> anyhow::Result<SkipResult> {
        let Ok(Content::Record(record)) = held.content() else { return Ok(Ok(())) };
        match judge(&record, false, self.selection, self.present) {
            Verdict::Keep(kept) => self.keep(id, &record, &kept, report)?,
            Verdict::Remove => {
                if self.remove_lease(id, &record, report)? {
                    return Ok(deletion_result(held.delete()));
                }
            }
        }
        Ok(Ok(()))
    }

    /// Removes a lease that is about nothing, if it still is so when its lock is held.
    fn delete_leftover(&self, id: &str) -> SkipResult {
        if self.removal.mode == Mode::DryRun {
            return Ok(());
        }
        delete_leftover(self.store, id, self.present)
    }

    /// Tells of what has the name of something of ours by now, before the lease is forgotten.
    fn report_displaced(
        &self,
        id: &str,
        record: &Record,
        report: Report<'_>,
    ) -> anyhow::Result<()> {
        let mut place = None;
        for resource in record.resources.iter().filter(|one| self.selection.matches_resource(one)) {
            let there = &record.header.habitat;
            let presence = locate(resource, there, &self.present.habitat, &mut place);
            if matches!(presence, Presence::Displaced) {
                report(id, resource, Outcome::Kept(KeepReason::Replaced))?;
            }
        }
        Ok(())
    }

    fn keep(
        &self,
        id: &str,
        record: &Record,
        kept: &KeepReason,
        report: Report<'_>,
    ) -> anyhow::Result<()> {
        let (there, here) = (&record.header.habitat, &self.present.habitat);
        let mut place = None;
        for resource in record.resources.iter().filter(|one| self.selection.matches_resource(one)) {
            // One that is alone is there, or the lease would have ended.
            let is_gone = record.resources.len() > 1
                && matches!(locate(resource, there, here, &mut place), Presence::Gone);
            if !is_gone {
                report(id, resource, Outcome::Kept(kept.clone()))?;
            }
        }
        Ok(())
    }

    /// Removes the wanted resources of a record, or measures them. True where nothing is left of
    /// any, so that the lease can go.
    fn remove_lease(&self, id: &str, record: &Record, report: Report<'_>) -> anyhow::Result<bool> {
        let mut all_gone = true;
        let mut place = None;
        for resource in &record.resources {
            let presence =
                locate(resource, &record.header.habitat, &self.present.habitat, &mut place);
            if !self.selection.matches_resource(resource) {
                all_gone &= matches!(presence, Presence::Gone | Presence::Displaced);
                continue;
            }
            let (fate, gone) = match presence {
                Presence::Gone => continue,
                Presence::Unreachable => (Outcome::Kept(KeepReason::Unseen), self.forgets(record)),
                Presence::Unknown(why) => (Outcome::Kept(KeepReason::Unknown(why)), false),
                Presence::Foreign => {
                    (Outcome::Kept(KeepReason::Replaced), self.selection.is_forced_by_path())
                }
                Presence::Displaced => (Outcome::Kept(KeepReason::Replaced), true),
                Presence::Ours { root, .. } => {
                    if let Some(kept) = self.in_use(id, record, resource, root.path()) {
                        (Outcome::Kept(kept), false)
                    } else {
                        let outcome = root.remove(self.removal);
                        let complete = outcome.is_complete();
                        (outcome_of(outcome), complete)
                    }
                }
            };
            all_gone &= gone;
            report(id, resource, fate)?;
        }
        Ok(all_gone && self.removal.mode == Mode::Remove)
    }

    /// Whether a lease may end although what it covers is not to be seen: where the user insists,
    /// and by force where nobody will ever know which namespace it was made in.
    fn forgets(&self, record: &Record) -> bool {
        let there = &record.header.habitat;
        let unknowable = there.mnt_ns.is_none() || there.boot.is_none();
        self.own || self.selection.is_forced_by_path() || self.selection.force && unknowable
    }

    /// Whether somebody uses a resource whose own lease says nothing of it: a command that closed all
    /// descriptors it did not know, and with them the lock, stands in its workspace; or something
    /// that lives has been made inside it.
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
        let inside = |(other, dir): &&(String, PathBuf)| other != id && dir.starts_with(path);
        self.occupied().iter().find(inside).map(|_| KeepReason::InUse(None))
    }

    /// The directories that running commands and living scripts have made something in, but for
    /// those that we are part of. Found out once, when it is first asked for.
    fn occupied(&self) -> &[(String, PathBuf)] {
        self.occupied.get_or_init(|| {
            let mut occupied = Vec::new();
            for id in self.store.ids().unwrap_or_default() {
                let Ok(Some(seen)) = reader::read(self.store, &id) else { continue };
                let Content::Record(record) = seen.content else { continue };
                if self.is_occupant(&record, seen.locked) {
                    let dirs = record.resources.iter().map(|resource| resource.dir.clone());
                    occupied.extend(dirs.map(|dir| (id.clone(), dir)));
                }
            }
            occupied
        })
    }

    fn is_occupant(&self, record: &Record, locked: bool) -> bool {
        match (state(record, locked, self.present), &record.lifetime) {
            (State::InUse, _) => true,
            (State::Live, Lifetime::Bound { owner: Some(owner), .. }) => {
                !self.present.is_ancestor(*owner)
            }
            _ => false,
        }
    }
}

/// Removes a lease that is about nothing. Its maker may only just have made it, and have told of
/// something meanwhile, so it is read again when its lock is held.
pub(super) fn delete_leftover(store: &Store, id: &str, present: &SystemState) -> SkipResult {
    let held = match reader::lock(store, id) {
        Ok(Some(held)) => held,
        Ok(None) => return Ok(()),
        Err(err) => return Err(strerror(&err)),
    };
    let still = match held.content() {
        Ok(Content::Empty) => true,
        Ok(Content::Record(record)) => all_gone(&record, present),
        Ok(Content::Unreadable(_)) | Err(_) => false,
    };
    if still { deletion_result(held.delete()) } else { Ok(()) }
}

fn deletion_result(done: std::io::Result<()>) -> SkipResult {
    done.context("could not remove it").map_err(|err| crate::values::error::render(&err))
}

fn outcome_of(outcome: RemovalOutcome) -> Outcome {
    if outcome.is_complete() {
        return Outcome::Removed(outcome.freed);
    }
    let mut failures: Vec<_> = outcome
        .failures
        .into_iter()
        .map(|failure| (failure.path, strerror(&failure.cause)))
        .collect();
    if let (Some(last), more @ 1..) = (failures.last_mut(), outcome.more_failures) {
        last.1 = format!("{} (and {more} more)", last.1);
    }
    Outcome::Failed(failures, outcome.freed)
}

/// Whether nothing that a record covers is left.
pub(super) fn all_gone(record: &Record, present: &SystemState) -> bool {
    let mut place = None;
    record.resources.iter().all(|resource| {
        matches!(
            locate(resource, &record.header.habitat, &present.habitat, &mut place),
            Presence::Gone | Presence::Displaced
        )
    })
}

/// Removes all that a record of this very process covers.
pub(super) fn remove_resources(
    record: &Record,
    store: &Store,
    id: &str,
    removal: Removal<'_>,
    report: Report<'_>,
) -> anyhow::Result<bool> {
    let selection = Selection { force: true, ..Selection::default() };
    let present = SystemState::without_ancestry(record.header.habitat.clone());
    let sweep = Sweep::new(store, &selection, &present, removal);
    Sweep { own: true, ..sweep }.remove_lease(id, record, report)
}

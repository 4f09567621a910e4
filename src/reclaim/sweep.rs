//! Carries out the plans for all leases of a store, or only measures what that would free.

use std::io;
use std::time::Duration;

use crate::lease::{Kind, LeaseSnapshot, LockedLease, Record, Store, reader};
use crate::reclaim::outcome::{Observer, Outcome};
use crate::reclaim::plan::{LeasePlan, Planner, ResourcePlan};
use crate::reclaim::problem::LeaseProblem;
use crate::reclaim::prune;
use crate::reclaim::selection::Selection;
use crate::reclaim::state::KeepReason;
use crate::reclaim::system::SystemState;
use crate::remove::{Mode, Removal};

/// A pass through the leases of a store.
#[derive(Debug)]
pub(crate) struct Sweep<'a> {
    planner: Planner<'a>,
    removal: Removal<'a>,
}

/// How often a lease is looked at whose lock is held for a moment, if the user names its resources.
const MAX_ATTEMPTS: u32 = 200;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(1);

impl<'a> Sweep<'a> {
    pub(crate) fn new(
        store: &'a Store,
        selection: &'a Selection,
        system: &'a SystemState,
        removal: Removal<'a>,
    ) -> Self {
        Self { planner: Planner::new(store, selection, system), removal }
    }

    /// Returns the pass over a lease of this very process.
    pub(super) fn of_own(
        store: &'a Store,
        selection: &'a Selection,
        system: &'a SystemState,
        removal: Removal<'a>,
    ) -> Self {
        Self { planner: Planner::for_own(store, selection, system), removal }
    }

    /// Returns the same pass for a process whose reports nobody reads.
    pub(super) fn silent(self) -> Self {
        Self { planner: self.planner.silent(), ..self }
    }

    /// Visits all leases. Fails only if the observer does.
    pub(crate) fn all(&self, observer: &mut dyn Observer) -> io::Result<()> {
        self.visit_all(observer)?;
        // Otherwise the leases of what was inside have been visited since: they are later ones.
        if self.planner.selection.is_restricted() {
            self.end_inner_leases();
        }
        Ok(())
    }

    /// Removes the leases of what was in directories that this pass has removed.
    pub(super) fn end_inner_leases(&self) {
        prune::end_inner_leases(self.planner.store, self.planner.system, &self.planner.removed);
    }

    fn visit_all(&self, observer: &mut dyn Observer) -> io::Result<()> {
        let records = match self.planner.store.records() {
            Ok(records) => records,
            Err(err) => {
                observer.problem(LeaseProblem::store(self.planner.store, err));
                return Ok(());
            }
        };
        for (id, snapshot) in records {
            match snapshot {
                Ok(snapshot) => {
                    self.visit(&id, snapshot, observer)?;
                }
                Err(err) => {
                    observer.problem(LeaseProblem::call("read", self.planner.store, &id, err));
                }
            }
        }
        Ok(())
    }

    /// Visits the lease `id`, which looks as in `snapshot`. Returns false if another process held its
    /// lock all the time.
    pub(crate) fn visit(
        &self,
        id: &str,
        mut snapshot: LeaseSnapshot,
        observer: &mut dyn Observer,
    ) -> io::Result<bool> {
        // A resource that the user names or forces away may have been printed a moment ago, while its
        // creator still holds the lock; or another cleanup is removing it.
        let may_wait = self.planner.selection.names_paths() || self.planner.selection.force;
        let attempts = if may_wait { MAX_ATTEMPTS } else { 1 };
        for attempt in 1..=attempts {
            let is_last = attempt == attempts;
            let is_done = self.attempt(id, snapshot, is_last, observer)?;
            if is_done || is_last {
                return Ok(is_done);
            }
            std::thread::sleep(PAUSE);
            snapshot = match reader::read(self.planner.store, id) {
                Ok(Some(snapshot)) => snapshot,
                Ok(None) => break,
                Err(err) => {
                    observer.problem(LeaseProblem::call("read", self.planner.store, id, err));
                    break;
                }
            };
        }
        Ok(true)
    }

    /// Plans a lease and carries that out. Returns false if another process holds the lock for a moment.
    /// Then this has done nothing; in the last attempt it reports what it keeps.
    fn attempt(
        &self,
        id: &str,
        snapshot: LeaseSnapshot,
        is_last: bool,
        observer: &mut dyn Observer,
    ) -> io::Result<bool> {
        match self.planner.lease(snapshot) {
            LeasePlan::Pass => {}
            LeasePlan::Report(why) => {
                observer.problem(LeaseProblem::unreadable(self.planner.store, id, why));
            }
            LeasePlan::Discard { displaced } => {
                for resource in displaced {
                    let reason = KeepReason::Replaced(resource.kind);
                    observer.outcome(id, &resource, Outcome::Kept(reason))?;
                }
                if self.removal.mode == Mode::Remove {
                    let Planner { store, system, removed, .. } = &self.planner;
                    let discarded = prune::discard(store, system, removed, id, true);
                    self.check("remove", id, discarded, observer);
                }
            }
            // Only a user who names the resource needs to know.
            LeasePlan::Keep { briefly: true, .. } if !self.planner.selection.names_paths() => {}
            LeasePlan::Keep { briefly: true, .. } if !is_last => return Ok(false),
            LeasePlan::Keep { resources, event, .. } => {
                observer.kept(id, resources)?;
                if let Some(event) = event.filter(|_| self.removal.mode == Mode::Remove)
                    && let Ok(Some(lease)) = reader::lock(self.planner.store, id)
                {
                    self.check("write to", id, lease.append(&event), observer);
                }
            }
            LeasePlan::GiveUp(resources) if self.removal.mode == Mode::DryRun => {
                observer.given_up(id, &resources)?;
            }
            LeasePlan::Remove { record, .. } if self.removal.mode == Mode::DryRun => {
                self.remove(id, &record, observer)?;
            }
            LeasePlan::Remove { record, locked } => {
                // Its creator holds the lock until it has printed the path.
                let briefly = !locked || self.planner.is_being_handled(&record);
                let is_locked = self.lock_and_remove(id, observer)?;
                if is_locked && briefly && !is_last {
                    return Ok(false);
                }
                // The lease stays: its holder may still add resources to it.
                if is_locked && locked {
                    self.remove(id, &record, observer)?;
                }
                return Ok(!is_locked || locked);
            }
            LeasePlan::GiveUp(_) => return Ok(!self.lock_and_remove(id, observer)?),
        }
        Ok(true)
    }

    /// Removes a lease if no other process has its lock. Returns whether one has.
    fn lock_and_remove(&self, id: &str, observer: &mut dyn Observer) -> io::Result<bool> {
        match reader::lock(self.planner.store, id) {
            Ok(Some(lease)) => self.remove_locked(lease, id, observer)?,
            Ok(None) => return Ok(true),
            Err(err) => {
                observer.problem(LeaseProblem::call("lock", self.planner.store, id, err));
            }
        }
        Ok(false)
    }

    /// Removes a lease whose lock this process holds. It is planned again, since it may have changed
    /// before it was locked.
    fn remove_locked(
        &self,
        lease: LockedLease<'_>,
        id: &str,
        observer: &mut dyn Observer,
    ) -> io::Result<()> {
        let Ok(content) = lease.content() else { return Ok(()) };
        match self.planner.lease(LeaseSnapshot { content, locked: false }) {
            LeasePlan::Remove { record, .. } => {
                let swept = self.remove(id, &record, observer)?;
                if swept.ends_lease {
                    self.check("remove", id, lease.delete(), observer);
                    let Planner { store, system, .. } = &self.planner;
                    if let Some(private_tmp) = &record.private_tmp {
                        prune::end_private_tmp(store, private_tmp, &system.namespaces);
                    }
                } else if let Some(event) = self.planner.sighting(&record, swept.expires) {
                    self.check("write to", id, lease.append(&event), observer);
                }
                Ok(())
            }
            LeasePlan::GiveUp(resources) => {
                observer.given_up(id, &resources)?;
                self.check("remove", id, lease.delete(), observer);
                Ok(())
            }
            LeasePlan::Keep { resources, .. } => observer.kept(id, resources),
            LeasePlan::Pass | LeasePlan::Report(_) | LeasePlan::Discard { .. } => Ok(()),
        }
    }

    /// Removes the selected resources of a record, or measures them in a dry run.
    pub(super) fn remove(
        &self,
        id: &str,
        record: &Record,
        observer: &mut dyn Observer,
    ) -> io::Result<SweptLease> {
        let mut swept = SweptLease { ends_lease: true, expires: false };
        let mut locator = self.planner.locator(record);
        for resource in &record.resources {
            for plan in self.planner.resource(record, resource, &mut locator) {
                match plan {
                    ResourcePlan::Pass => {}
                    ResourcePlan::Unselected => swept.ends_lease = false,
                    ResourcePlan::GiveUp => observer.outcome(id, resource, Outcome::GivenUp)?,
                    ResourcePlan::Keep { found, reason, ends_lease } => {
                        swept.ends_lease &= ends_lease;
                        swept.expires |= reason.expires();
                        observer.outcome(id, &found, Outcome::Kept(reason))?;
                    }
                    ResourcePlan::Remove { entries, is_proven } => {
                        let (path, mount) = entries.place();
                        let found = resource.found_at(&path);
                        if let Some(progress) = self.removal.progress {
                            progress.begin(&path);
                        }
                        let removed = entries.remove(self.removal);
                        swept.ends_lease &= removed.is_complete();
                        if is_proven && resource.kind == Kind::Dir && removed.is_complete() {
                            self.planner.removed.add(path, mount, id);
                        }
                        observer.outcome(id, &found, removed.into())?;
                    }
                }
            }
        }
        swept.ends_lease &= self.removal.mode == Mode::Remove;
        Ok(swept)
    }

    /// Reports what could not be done with a lease.
    fn check(
        &self,
        act: &'static str,
        id: &str,
        done: io::Result<()>,
        observer: &mut dyn Observer,
    ) {
        if let Err(err) = done {
            observer.problem(LeaseProblem::call(act, self.planner.store, id, err));
        }
    }
}

/// What a sweep of one lease leads to.
#[derive(Clone, Copy, Debug)]
pub(super) struct SweptLease {
    /// Whether the lease may be removed, since nothing is left that it covers.
    pub(super) ends_lease: bool,
    /// Whether a resource is out of sight, and was most likely removed.
    expires: bool,
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::lease::{CreateOptions, Kind, Lifetime, NameRule};
    use crate::reclaim::fixture::{HOUR_MS, TestStore, random, sorted, spec, this};
    use crate::values::ExactName;

    const ENDED: Lifetime = Lifetime::Bound { owner: None, ttl_ms: Some(0) };
    const TIMED: Lifetime = Lifetime::Bound { owner: None, ttl_ms: Some(HOUR_MS) };

    fn bare() -> Selection {
        Selection::default()
    }

    fn all() -> Selection {
        Selection { all: true, ..bare() }
    }

    fn path(path: &std::path::Path) -> Selection {
        Selection { paths: [path.to_owned()].into(), ..bare() }
    }

    #[test]
    fn a_bare_sweep_removes_what_has_ended_and_keeps_the_rest() {
        let store = TestStore::new();
        let ended = store.create(ENDED, Kind::Dir, 2);
        fs::write(ended[0].join("file"), "").unwrap();
        store.create(Lifetime::Manual, Kind::File, 1);
        store.create(TIMED, Kind::File, 1);
        let live = Lifetime::Bound { owner: Some(this()), ttl_ms: None };
        store.create(live, Kind::File, 1);
        let swept = store.sweep(&bare(), Mode::Remove);
        assert_eq!(swept.removed(), sorted(&ended));
        assert_eq!(swept.kept(), ["live", "manual", "timed"]);
        assert_eq!(store.ids().len(), 3);
        assert!(!ended[0].exists());
    }

    #[test]
    fn a_dry_run_reports_what_the_real_run_removes() {
        let store = TestStore::new();
        store.create(Lifetime::Manual, Kind::Dir, 3);
        store.create(TIMED, Kind::File, 2);
        let dry = store.sweep(&all(), Mode::DryRun);
        assert_eq!(store.ids().len(), 2);
        let real = store.sweep(&all(), Mode::Remove);
        assert_eq!(dry.removed().len(), 5);
        assert_eq!(dry.removed(), real.removed());
        assert_eq!(store.ids(), [""; 0]);
        assert_eq!(fs::read_dir(store.dir()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_creator_had_not_printed_is_removed() {
        let store = TestStore::new();
        let (lease, paths) = store.locked(spec(Lifetime::Manual), &random(Kind::File), 3);
        drop(lease);
        assert_eq!(store.sweep(&bare(), Mode::Remove).removed(), sorted(&paths));
        assert_eq!(store.ids(), [""; 0]);
    }

    #[test]
    fn only_force_removes_what_a_locked_lease_covers_and_never_while_it_is_created() {
        let store = TestStore::new();
        let (mut lease, paths) = store.locked(spec(Lifetime::Command), &random(Kind::Dir), 1);
        let force = Selection { force: true, ..all() };
        for selection in [bare(), all(), path(&paths[0]), force.clone()] {
            assert_eq!(store.sweep(&selection, Mode::Remove).kept(), ["in use"]);
        }
        lease.commit().unwrap();
        assert_eq!(store.sweep(&all(), Mode::Remove).kept(), ["in use"]);
        assert_eq!(store.sweep(&force, Mode::Remove).removed(), paths);
        assert_eq!(store.ids(), [lease.id()], "its holder may add to it");
        drop(lease);
        store.sweep(&bare(), Mode::Remove);
        assert_eq!(store.ids(), [""; 0]);
    }

    #[test]
    fn a_lock_held_for_a_moment_is_reported_only_to_a_user_who_names_the_path() {
        let store = TestStore::new();
        let (_lease, paths) = store.locked(spec(Lifetime::Manual), &random(Kind::File), 1);
        assert_eq!(store.sweep(&all(), Mode::Remove).outcomes, []);
        assert_eq!(store.sweep(&path(&paths[0]), Mode::Remove).kept(), ["in use"]);
    }

    #[test]
    fn a_path_selects_one_resource_and_the_lease_stays_for_the_others() {
        let store = TestStore::new();
        let paths = store.create(Lifetime::Manual, Kind::File, 2);
        assert_eq!(store.sweep(&path(&paths[1]), Mode::Remove).removed(), [&*paths[1]]);
        assert_eq!(store.ids().len(), 1);
        assert!(paths[0].exists());
        assert_eq!(store.sweep(&path(&paths[0]), Mode::Remove).removed(), [&*paths[0]]);
        assert_eq!(store.ids(), [""; 0]);
    }

    #[test]
    fn a_lease_whose_resources_were_removed_by_others_ends_silently() {
        let store = TestStore::new();
        for path in store.create(Lifetime::Manual, Kind::File, 2) {
            fs::remove_file(path).unwrap();
        }
        assert_eq!(store.sweep(&bare(), Mode::DryRun).outcomes, []);
        assert_eq!(store.ids().len(), 1);
        assert_eq!(store.sweep(&bare(), Mode::Remove).outcomes, []);
        assert_eq!(store.ids(), [""; 0]);
    }

    #[test]
    fn an_entry_of_another_type_under_our_name_is_kept_with_its_lease() {
        let store = TestStore::new();
        let dir = store.create(ENDED, Kind::Dir, 1).remove(0);
        fs::remove_dir(&dir).unwrap();
        std::os::unix::fs::symlink("/etc", &dir).unwrap();
        assert_eq!(store.sweep(&bare(), Mode::Remove).kept(), ["replaced"]);
        assert_eq!(store.ids().len(), 1);
        store.sweep(&Selection { force: true, ..path(&dir) }, Mode::Remove);
        assert_eq!(store.ids(), [""; 0], "the lease ends if the user insists");
        assert!(dir.is_symlink());
    }

    #[test]
    fn another_file_under_a_guessable_name_is_reported_once_and_ends_the_lease() {
        let store = TestStore::new();
        let name = NameRule::Exact(ExactName::parse("report.csv".into()).unwrap());
        let options = CreateOptions { kind: Kind::File, name, mode: None, keep_open: false };
        let (mut lease, paths) = store.locked(spec(Lifetime::Manual), &options, 1);
        lease.commit().unwrap();
        drop(lease);
        fs::remove_file(&paths[0]).unwrap();
        fs::write(&paths[0], "another").unwrap();
        assert_eq!(store.sweep(&bare(), Mode::Remove).kept(), ["replaced"]);
        assert_eq!(store.sweep(&bare(), Mode::Remove).outcomes, []);
        assert!(paths[0].exists());
    }

    #[test]
    fn a_directory_with_a_resource_of_a_live_lease_inside_is_in_use() {
        let store = TestStore::new();
        let outer = store.create(ENDED, Kind::Dir, 1).remove(0);
        let live = Lifetime::Bound { owner: Some(this()), ttl_ms: None };
        let (mut lease, _) = store.locked_in(&outer, spec(live), &random(Kind::File), 1);
        lease.commit().unwrap();
        drop(lease);
        assert_eq!(store.sweep(&bare(), Mode::Remove).kept(), ["in use", "live"]);
        assert!(outer.exists());
    }

    #[test]
    fn a_resource_below_a_directory_that_became_a_symlink_is_out_of_sight() {
        let store = TestStore::new();
        let path = store.create(ENDED, Kind::File, 1).remove(0);
        let moved = store.dir().with_extension("moved");
        fs::rename(store.dir(), &moved).unwrap();
        std::os::unix::fs::symlink(&moved, store.dir()).unwrap();
        assert_eq!(store.sweep(&bare(), Mode::Remove).kept(), ["out of sight"]);
        assert!(path.exists());
        assert_eq!(store.ids().len(), 1);
    }

    #[test]
    fn a_damaged_lease_is_a_problem_and_stops_nothing() {
        let store = TestStore::new();
        store.create(ENDED, Kind::File, 1);
        store.create(ENDED, Kind::File, 1);
        let damaged = store.store().path().join(&store.ids()[0]);
        fs::write(&damaged, "nonsense\n").unwrap();
        let swept = store.sweep(&bare(), Mode::Remove);
        assert_eq!(swept.removed().len(), 1);
        let problem = format!("could not read the lease {}: it is damaged", damaged.display());
        assert_eq!(swept.problems, [problem]);
        assert_eq!(store.ids().len(), 1);
    }

    #[test]
    fn an_empty_lease_is_removed_and_an_emptied_one_is_damaged() {
        let store = TestStore::new();
        let paths = store.create(ENDED, Kind::File, 1);
        let lease = store.store().path().join(&store.ids()[0]);
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
        fs::File::create(&lease).unwrap().set_modified(later).unwrap();
        let swept = store.sweep(&bare(), Mode::Remove);
        assert!(swept.outcomes.is_empty() && swept.problems.len() == 1);
        assert!(paths[0].exists() && lease.exists());
        fs::remove_file(&lease).and_then(|()| fs::write(&lease, "")).unwrap();
        assert_eq!(store.sweep(&bare(), Mode::Remove).outcomes, []);
        assert_eq!(store.ids(), [""; 0]);
    }
}

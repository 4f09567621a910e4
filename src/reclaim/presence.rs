//! Finds out whether a resource still exists and is still ours.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use crate::fs::{Dir, EntryId, Proof, Protection, Witness};
use crate::lease::{Header, Kind, Record, Resource};
use crate::os::effective_user;
use crate::reclaim::ownership::{Evidence, NameOrigin, Ruling};
use crate::reclaim::selection::Selection;
use crate::reclaim::sight::{Absence, Vantage, absence, is_absence};
use crate::reclaim::system::SystemState;
use crate::reclaim::unproven::Unproven;
use crate::remove::Root;
use crate::values::OsJson;
use crate::values::message::strerror;

/// What became of a resource.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one at a time, on the stack")]
pub(super) enum Presence<'d> {
    /// It exists. Holds its entries, opened: two if it has two names, since its creator was killed
    /// while it gave the resource another one.
    Proven(Root<'d>, Option<Root<'d>>),
    /// An entry has its name, which only we knew, and is ours to remove.
    OursByName(Root<'d>),
    /// The same, but as an empty directory only.
    OursIfEmpty(Root<'d>),
    /// An entry has its name, and may be ours.
    Unproven(Unproven<'d>),
    /// It exists under its first name, and the name that it was about to get is taken, perhaps by
    /// its killed creator.
    Halfway { published: Published<'d>, hidden: Box<Presence<'d>> },
    /// No entry has any of its names.
    Gone,
    /// No entry is visible, but one may exist out of sight.
    OutOfSight(Absence),
    /// Another entry has the name that tmpx chose.
    Foreign(Root<'d>),
    /// Another entry has its name, which anybody could have chosen: ours was removed or renamed.
    Displaced(Root<'d>),
    /// Its entry could not be examined. Holds the path and the error.
    Unreadable(String),
}

/// What has the name that a resource was about to get.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one at a time, on the stack")]
pub(super) enum Published<'d> {
    /// A file that may be the resource, under its second name.
    Unproven(Unproven<'d>),
    /// An empty file or directory, which the resource was to replace. The user may have created it.
    Placeholder,
}

impl Presence<'_> {
    /// Returns the path of the entry that was found.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Proven(root, _)
            | Self::OursByName(root)
            | Self::OursIfEmpty(root)
            | Self::Foreign(root)
            | Self::Displaced(root) => Some(root.path()),
            Self::Unproven(unproven) => Some(unproven.path()),
            Self::Halfway { hidden, .. } => hidden.path(),
            Self::Gone | Self::OutOfSight(_) | Self::Unreadable(_) => None,
        }
    }

    /// Returns whether a selection has this resource, which was found like this. Its first name selects
    /// it only until it is published.
    pub(super) fn is_selected(&self, resource: &Resource, selection: &Selection) -> bool {
        if !selection.names_paths() {
            return true;
        }
        let first = resource.first_path();
        let has_first_name = || {
            matches!(self, Self::Proven(_, Some(_))) || self.path().is_none_or(|path| path == first)
        };
        selection.matches_path(&resource.path())
            || selection.matches_path(&first) && has_first_name()
    }

    /// Combines what has the published name of a resource with what has its first name.
    fn halfway(published: Self, hidden: Self, kind: Kind) -> Self {
        match (published, hidden) {
            (Self::Proven(first, _), Self::Proven(second, _) | Self::OursByName(second)) => {
                Self::Proven(first, Some(second))
            }
            (Self::Unproven(entry), hidden) if kind != Kind::Dir => {
                Self::Halfway { published: Published::Unproven(entry), hidden: Box::new(hidden) }
            }
            // A directory gets its new name at the moment when it loses its first one, and so does a file
            // without a second link. Until then, the other name is another entry's.
            (Self::Unproven(entry), hidden) => Self::taken(entry.entry(), hidden, kind),
            (Self::Displaced(root), hidden) => Self::taken(&root, hidden, kind),
            (published, _) => published,
        }
    }

    /// Returns what became of a resource that has its first name while another entry has the other one.
    fn taken(other: &Root<'_>, hidden: Self, kind: Kind) -> Self {
        if may_be_placeholder(other, kind) {
            Self::Halfway { published: Published::Placeholder, hidden: Box::new(hidden) }
        } else {
            hidden
        }
    }
}

/// Looks for the resources of one lease.
#[derive(Debug)]
pub(super) struct Locator<'a> {
    lease: &'a str,
    /// Whether the lease is committed. Its creator has announced each name before it knew whether that
    /// was free.
    committed: bool,
    vantage: Vantage,
    /// Directories that were removed with all that was in them.
    removed: &'a RemovedDirs,
    /// The directory of the last resource, which is often that of the next.
    dir: Option<Dir>,
}

impl<'a> Locator<'a> {
    /// Looks for the resources of any lease.
    pub(super) fn new(record: &'a Record, system: &SystemState, removed: &'a RemovedDirs) -> Self {
        Self::from(record, system.vantage(record), removed)
    }

    /// Looks for the resources of a lease of this very process.
    pub(super) fn for_own(record: &'a Record, removed: &'a RemovedDirs) -> Self {
        let vantage = Vantage { same_boot: Some(true), shares_paths: true };
        Self::from(record, vantage, removed)
    }

    fn from(record: &'a Record, vantage: Vantage, removed: &'a RemovedDirs) -> Self {
        let Header { id, committed, .. } = &record.header;
        Self { lease: id, committed: *committed, vantage, removed, dir: None }
    }

    /// Looks for a resource.
    pub(super) fn locate(&mut self, resource: &Resource) -> Presence<'_> {
        if self.removed.contain(resource, self.lease, self.vantage) {
            return Presence::Gone;
        }
        if self.dir.as_ref().is_none_or(|dir| dir.real_path() != resource.dir) {
            match Dir::reopen(&resource.dir) {
                Ok(dir) => self.dir = Some(dir),
                Err(err) if is_absence(&err) => return self.without(None, resource),
                Err(err) => {
                    return Presence::OutOfSight(Absence::DirUnreadable(strerror(&err)));
                }
            }
        }
        match &self.dir {
            Some(dir) => self.locate_in(dir, resource),
            None => Presence::Gone,
        }
    }

    fn locate_in<'d>(&self, dir: &'d Dir, resource: &Resource) -> Presence<'d> {
        let parent = match &resource.parent {
            None => self.old_parent(dir, resource),
            Some(parent) => {
                let shares_root = Some(self.vantage.shares_paths);
                dir.facts().proof(parent, self.vantage.same_boot, shares_root)
            }
        };
        let mut names = resource.names();
        let mut entry = || {
            names.find_map(|(name, is_chosen)| {
                let found = self.entry(dir, parent, resource, name, is_chosen)?;
                let is_published = resource.published.as_ref() == Some(name);
                (!is_published || !self.was_taken(&found, resource.kind)).then_some(found)
            })
        };
        let found = match (entry(), entry()) {
            (Some(Presence::Unreadable(why)), _) | (_, Some(Presence::Unreadable(why))) => {
                return Presence::Unreadable(why);
            }
            (Some(published), Some(hidden)) => {
                Some(Presence::halfway(published, hidden, resource.kind))
            }
            (found, _) => found,
        };
        match found {
            Some(found) => found,
            None if parent == Proof::Same => Presence::Gone,
            None if parent == Proof::Other => self.without(Some(dir), resource),
            None => Presence::OutOfSight(Absence::DirUnproven),
        }
    }

    /// Whether what has the announced name of a resource had it before: a creator that finds a name taken
    /// tries another one. An empty entry may be the creator's own.
    fn was_taken(&self, found: &Presence<'_>, kind: Kind) -> bool {
        match found {
            Presence::Displaced(root) => !self.committed && !may_be_placeholder(root, kind),
            _ => false,
        }
    }

    /// Judges the entry that has a name of a resource. Returns `None` if there is none.
    fn entry<'d>(
        &self,
        dir: &'d Dir,
        parent: Proof,
        resource: &Resource,
        name: &OsJson,
        is_chosen: bool,
    ) -> Option<Presence<'d>> {
        let root = match Root::open(dir, name.as_os_str()) {
            Ok(root) => root,
            Err(err) if is_absence(&err) => return None,
            Err(err) => return Some(unreadable(&resource.path(), &err)),
        };
        let name = if is_chosen { NameOrigin::Chosen } else { NameOrigin::Random };
        let evidence = self.evidence(resource, &root, dir, parent, name);
        Some(match evidence.ruling() {
            Ruling::Proven => Presence::Proven(root, None),
            Ruling::Ours => Presence::OursByName(root),
            Ruling::OursIfEmpty if !root.has_entries() => Presence::OursIfEmpty(root),
            Ruling::OursIfEmpty if evidence.identity == Some(Proof::Other) => {
                Presence::Foreign(root)
            }
            Ruling::OursIfEmpty | Ruling::Unproven => Presence::Unproven(Unproven::new(root)),
            Ruling::Other if is_chosen => Presence::Displaced(root),
            Ruling::Other => Presence::Foreign(root),
            Ruling::Elsewhere => return None,
        })
    }

    /// Judges a missing resource whose directory is missing, or is another one.
    fn without<'d>(&self, found: Option<&Dir>, resource: &Resource) -> Presence<'d> {
        let absence = match &resource.parent {
            Some(parent) => absence(resource, parent, found, self.vantage),
            // A lease of format 1: the filesystem decides.
            None if self.is_on_old_filesystem(resource) => None,
            None => Some(Absence::Elsewhere),
        };
        absence.map_or(Presence::Gone, Presence::OutOfSight)
    }

    /// Judges a directory for a lease of format 1, which recorded its filesystem at most.
    fn old_parent(&self, dir: &Dir, resource: &Resource) -> Proof {
        let is_here = self.vantage.same_boot == Some(true) && self.vantage.shares_paths;
        match resource.fsid() {
            Some(fsid) if is_here && fsid != dir.facts().filesystem.fsid => Proof::Other,
            _ if is_here => Proof::Same,
            _ => Proof::Unproven,
        }
    }

    /// Returns whether the nearest existing ancestor of a missing directory is on its filesystem, so
    /// that the directory was removed and not unmounted.
    fn is_on_old_filesystem(&self, resource: &Resource) -> bool {
        if self.vantage.same_boot != Some(true) || !self.vantage.shares_paths {
            return false;
        }
        let Some(fsid) = resource.fsid() else { return true };
        let mut ancestors =
            resource.dir.ancestors().skip(1).map(Dir::reopen).filter_map(Result::ok);
        ancestors.next().is_none_or(|ancestor| ancestor.facts().filesystem.fsid == fsid)
    }

    /// Collects what is known of an entry.
    fn evidence(
        &self,
        resource: &Resource,
        root: &Root<'_>,
        dir: &Dir,
        parent: Proof,
        name: NameOrigin,
    ) -> Evidence {
        let fits = root.owner() == effective_user() && has_type(root, resource.kind);
        let is_open_to_others = root.mode() & 0o022 != 0;
        let witness = Witness { lease: self.lease, same_boot: self.vantage.same_boot };
        let proof = |identity: &EntryId| {
            // Who may write to a directory, or owns a file, can mark it.
            let may_be_forged = !fits
                || resource.kind == Kind::Dir
                    && is_open_to_others
                    && dir.protection() != Protection::Private;
            if identity.is_marked() && may_be_forged {
                return Proof::Unproven;
            }
            root.proof(identity, witness)
        };
        let identity = match (&resource.identity, &resource.exchanged) {
            (Some(identity), Some(exchanged)) => match (proof(identity), proof(exchanged)) {
                (Proof::Other, other) => Some(other),
                (Proof::Unproven, Proof::Same) => Some(Proof::Same),
                (proof, _) => Some(proof),
            },
            (identity, _) => identity.as_ref().map(proof),
        };
        Evidence {
            parent,
            protection: dir.protection(),
            identity,
            name,
            fits,
            is_dir: resource.kind == Kind::Dir,
            is_open_to_others,
            is_weak: dir.facts().filesystem.is_weak(),
        }
    }
}

/// Directories that were removed with all that was in them. What later leases record inside them is
/// gone.
#[derive(Debug, Default)]
pub(super) struct RemovedDirs(RefCell<Vec<RemovedDir>>);

#[derive(Debug)]
struct RemovedDir {
    path: PathBuf,
    mount: u64,
    /// The lease that covered it.
    lease: String,
}

impl RemovedDirs {
    /// Returns the id of the first lease that covered one of them.
    pub(super) fn first_lease(&self) -> Option<String> {
        self.0.borrow().iter().map(|removed| removed.lease.clone()).min()
    }

    /// Adds a directory that a lease covered.
    pub(super) fn add(&self, path: PathBuf, mount: u64, lease: &str) {
        self.0.borrow_mut().push(RemovedDir { path, mount, lease: lease.to_owned() });
    }

    /// Whether all resources of a lease were in them.
    pub(super) fn contain_all(&self, record: &Record, system: &SystemState) -> bool {
        let vantage = system.vantage(record);
        let mut resources = record.resources.iter();
        resources.all(|resource| self.contain(resource, &record.header.id, vantage))
    }

    /// Whether a resource of a lease was in one of them: created later, on the same mount.
    pub(super) fn contain(&self, resource: &Resource, lease: &str, vantage: Vantage) -> bool {
        let is_here = vantage.same_boot == Some(true) && vantage.shares_paths;
        is_here
            && self.0.borrow().iter().any(|removed| {
                removed.lease.as_str() < lease
                    && resource.mount == Some(removed.mount)
                    && resource.dir.starts_with(&removed.path)
            })
    }
}

/// Returns whether nothing is left of any resource of a record, so that its lease may end. What was
/// displaced counts as left unless somebody was told (`displaced_was_reported`).
pub(super) fn nothing_is_left(
    record: &Record,
    system: &SystemState,
    removed: &RemovedDirs,
    displaced_was_reported: bool,
) -> bool {
    let mut locator = Locator::new(record, system, removed);
    record.resources.iter().all(|resource| match locator.locate(resource) {
        Presence::Gone => true,
        Presence::Displaced(_) => displaced_was_reported,
        _ => false,
    })
}

/// Whether an entry may be the empty one that is created first where a rename cannot refuse to replace.
fn may_be_placeholder(root: &Root<'_>, kind: Kind) -> bool {
    root.owner() == effective_user() && has_type(root, kind) && root.is_empty()
}

fn has_type(root: &Root<'_>, kind: Kind) -> bool {
    root.file_type()
        == match kind {
            Kind::File => FileType::RegularFile,
            Kind::Dir => FileType::Directory,
            Kind::Link => FileType::Symlink,
        }
}

fn unreadable<'d>(path: &Path, err: &io::Error) -> Presence<'d> {
    Presence::Unreadable(format!("{}: {}", path.display(), strerror(err)))
}

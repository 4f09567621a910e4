//! Finds out whether a resource still exists and is still ours.

use std::io;
use std::path::Path;

use rustix::fs::FileType;

use crate::fs::{Dir, Proof, Protection, Witness};
use crate::lease::{Kind, Record, Resource};
use crate::os::{Namespaces, effective_user};
use crate::remove::Root;
use crate::values::message::strerror;

/// What became of a resource.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one at a time, on the stack")]
pub(super) enum Presence<'d> {
    /// It exists and is ours to remove. Holds the entry, opened.
    Ours(Root<'d>),
    /// No entry has any of its names.
    Gone,
    /// No entry is visible, but one may exist where this mount namespace does not reach.
    Unreachable,
    /// Another entry has its name, and is not provably ours.
    Foreign,
    /// Another entry has its name, which anybody could have chosen: ours was removed or renamed.
    Displaced,
    /// Its path could not be examined. Holds the path and the error.
    Unreadable(String),
}

/// Looks for a resource of a lease from the namespaces `theirs`. `dir` keeps its directory open from
/// one resource to the next.
pub(super) fn locate<'d>(
    resource: &Resource,
    theirs: &Namespaces,
    ours: &Namespaces,
    dir: &'d mut Option<Dir>,
) -> Presence<'d> {
    let same_boot = ours.same_boot(theirs) == Some(true);
    let missing = || {
        if ours.shares_mounts_with(theirs) { Presence::Gone } else { Presence::Unreachable }
    };
    if dir.as_ref().is_none_or(|dir| dir.real_path() != resource.dir) {
        match Dir::reopen(&resource.dir) {
            Ok(opened) => *dir = Some(opened),
            Err(err) if is_absence(&err) => {
                let mounted = is_mounted_above(&resource.dir, resource, same_boot);
                return if mounted { missing() } else { Presence::Unreachable };
            }
            Err(err) => return unreadable(&resource.dir, &err),
        }
    }
    let Some(dir) = dir else { return missing() };
    if same_boot && resource.fsid().is_some_and(|fsid| fsid != dir.facts().filesystem.fsid) {
        return Presence::Unreachable;
    }
    let witness = Witness { lease: "", same_boot: ours.same_boot(theirs) };
    let (mut foreign, mut displaced) = (false, false);
    for (name, guessable) in resource.names() {
        let root = match Root::open(dir, name.as_os_str()) {
            Ok(root) => root,
            Err(err) if is_absence(&err) => continue,
            Err(err) => return unreadable(&resource.path(), &err),
        };
        match is_ours(resource, guessable, &root, dir, witness) {
            true => return Presence::Ours(root),
            false if guessable => displaced = true,
            false => foreign = true,
        }
    }
    match (foreign, displaced) {
        (true, _) => Presence::Foreign,
        (false, true) => Presence::Displaced,
        (false, false) => missing(),
    }
}

/// Returns whether nothing is left of any resource of a record, so that its lease may end.
pub(super) fn nothing_is_left(record: &Record, ours: &Namespaces) -> bool {
    let mut dir = None;
    record.resources.iter().all(|resource| {
        let presence = locate(resource, &record.header.namespaces, ours, &mut dir);
        matches!(presence, Presence::Gone | Presence::Displaced)
    })
}

/// Returns whether a missing directory was removed, rather than its filesystem unmounted. If it was
/// unmounted, the nearest existing ancestor is on another filesystem. After a restart this proves
/// nothing, since the ids of some filesystems change; the directory then counts as removed.
fn is_mounted_above(dir: &Path, resource: &Resource, same_boot: bool) -> bool {
    let Some(fsid) = resource.fsid().filter(|_| same_boot) else { return true };
    let mut ancestors = dir.ancestors().skip(1).map(Dir::reopen).filter_map(Result::ok);
    ancestors.next().is_none_or(|ancestor| ancestor.facts().filesystem.fsid == fsid)
}

/// Returns whether an entry is ours: it has the recorded identity, or it has a name that only tmpx
/// can have chosen, the recorded type and our user as its owner, in a directory where nobody else
/// can have put it. The second rule covers `sed -i`, `mv new "$f"` and `rm -rf "$d"; mkdir "$d"`,
/// which put another entry of ours under the name.
fn is_ours(
    resource: &Resource,
    guessable: bool,
    root: &Root<'_>,
    dir: &Dir,
    witness: Witness<'_>,
) -> bool {
    if let Some(identity) = &resource.identity
        && root.proof(identity, witness) == Proof::Same
    {
        return true;
    }
    let same_type = match resource.kind {
        Kind::File => root.file_type() == FileType::RegularFile,
        Kind::Dir => root.file_type() == FileType::Directory && is_closed_to_others(root, dir),
        Kind::Link => root.file_type() == FileType::Symlink,
    };
    // A creator that was killed before it recorded the identity had put nothing into the directory.
    let is_full = resource.identity.is_none() && root.has_entries();
    let our_user = root.owner() == effective_user();
    !is_full && !guessable && same_type && our_user && dir.entries_are_protected()
}

/// Returns whether other users cannot have moved this directory to its place. In a directory such
/// as /tmp they can move a directory of ours to a name that has become free, if they may write to
/// it: a move rewrites its `..`. A file that they can move they could also have removed.
fn is_closed_to_others(root: &Root<'_>, dir: &Dir) -> bool {
    dir.protection() == Protection::Private || root.mode() & 0o022 == 0
}

/// Returns whether an error proves that no such entry exists: it is missing, an ancestor is no
/// directory any more, or the filesystem finds the name too long and so never created it.
fn is_absence(err: &io::Error) -> bool {
    matches!(err.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG))
}

fn unreadable<'d>(path: &Path, err: &io::Error) -> Presence<'d> {
    Presence::Unreadable(format!("{}: {}", path.display(), strerror(err)))
}

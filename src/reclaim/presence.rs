//! Whether a resource is still there, and still ours.

use std::io;
use std::path::Path;

use crate::fs::Dir;
use crate::lease::{Kind, Resource};
use crate::os::Namespaces;
use crate::remove::Root;
use rustix::fs::FileType;

/// What has become of a resource.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one at a time, on the stack")]
pub(crate) enum Presence<'a> {
    /// It is there and ours to remove.
    Ours {
        /// The entry, opened.
        root: Root<'a>,
        /// Whether it is no longer the one that was made, but one that we put in its place
        /// (`sed -i`, `mv new "$f"`, `rm -rf "$d"; mkdir "$d"`).
        replaced: bool,
    },
    /// There is nothing under any of its names.
    Gone,
    /// There is nothing to be seen of it, and it may be where this mount namespace does not reach.
    Unreachable,
    /// Something else is in its place, which is not provably ours.
    Foreign,
    /// Something else has a name that anybody could choose: ours is gone.
    Displaced,
    /// It cannot be judged from here.
    Unknown(String),
}

/// Looks for a resource. `place` keeps its directory open from one resource to the next.
pub(crate) fn locate<'a>(
    resource: &Resource,
    there: &Namespaces,
    here: &Namespaces,
    place: &'a mut Option<Dir>,
) -> Presence<'a> {
    let same_files = here.shares_mounts_with(there);
    let same_boot = here.same_boot(there) == Some(true);
    let missing = || {
        if same_files { Presence::Gone } else { Presence::Unreachable }
    };
    if place.as_ref().is_none_or(|place| place.real_path() != resource.dir) {
        match Dir::reopen(&resource.dir) {
            Ok(opened) => *place = Some(opened),
            Err(err) if is_absence(&err) => {
                let reachable = is_mounted_above(&resource.dir, resource, same_boot);
                return if reachable { missing() } else { Presence::Unreachable };
            }
            Err(err) => return unknown(&resource.dir, &err),
        }
    }
    let Some(place) = place else { return missing() };
    if same_boot && resource.fsid().is_some_and(|fsid| fsid != place.fsid()) {
        return Presence::Unreachable;
    }
    let (mut something_else, mut superseded) = (false, false);
    for (name, guessable) in resource.names() {
        let root = match Root::open(place, name.as_os_str()) {
            Ok(root) => root,
            Err(err) if is_absence(&err) => continue,
            Err(err) => return unknown(&resource.path(), &err),
        };
        match judge(resource, guessable, &root, place, same_boot) {
            Ok(Some(replaced)) => return Presence::Ours { root, replaced },
            Ok(None) if guessable => superseded = true,
            Ok(None) => something_else = true,
            Err(err) => return unknown(&resource.path(), &err),
        }
    }
    match (something_else, superseded) {
        (true, _) => Presence::Foreign,
        (false, true) => Presence::Displaced,
        (false, false) => missing(),
    }
}

/// Whether what is missing is so because it was removed, and not because its filesystem is not
/// mounted: then the nearest directory that exists is on another one. After a restart nothing is
/// known of that, since the ids of some filesystems change.
fn is_mounted_above(dir: &Path, resource: &Resource, same_boot: bool) -> bool {
    let Some(fsid) = resource.fsid().filter(|_| same_boot) else { return true };
    let mut above = dir.ancestors().skip(1).map(Dir::reopen).filter_map(Result::ok);
    above.next().is_none_or(|place| place.fsid() == fsid)
}

/// Whether an entry is ours, and then whether it is another one than was made. Ours is what has the
/// recorded identity; and what stands under a name that only we can have chosen, is of the same
/// type, belongs to us, and cannot have been put there by anybody else.
fn judge(
    resource: &Resource,
    guessable: bool,
    root: &Root<'_>,
    place: &Dir,
    same_boot: bool,
) -> io::Result<Option<bool>> {
    if let Some(identity) = &resource.identity
        && root.is(identity, same_boot)?
    {
        return Ok(Some(false));
    }
    let same_type = match resource.kind {
        Kind::File => root.file_type() == FileType::RegularFile,
        Kind::Dir => root.file_type() == FileType::Directory && is_closed_to_others(root, place),
        Kind::Link => root.file_type() == FileType::Symlink,
    };
    let ours = root.owner() == rustix::process::geteuid().as_raw();
    let provably = !guessable && same_type && ours && place.entries_are_protected();
    Ok(provably.then_some(resource.identity.is_some()))
}

/// In a directory where all may make entries, like /tmp, others can move a directory of ours to a
/// name that has become free, if they may write to it: a move rewrites its `..`. A file that they
/// can move they could have removed.
fn is_closed_to_others(root: &Root<'_>, place: &Dir) -> bool {
    place.only_owner_can_create() || root.mode() & 0o022 == 0
}

/// There is no such thing, or cannot be: what is above it is no directory any more, or the name is
/// one that the filesystem finds too long, and so was never made.
fn is_absence(err: &io::Error) -> bool {
    matches!(err.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG))
}

fn unknown<'a>(path: &Path, err: &io::Error) -> Presence<'a> {
    Presence::Unknown(format!("{}: {}", path.display(), crate::values::error::strerror(err)))
}

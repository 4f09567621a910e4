//! Distinguishes a resource that is gone from one that is out of sight.
//!
//! A resource is gone if its name is missing in the very directory that it was created in. If that
//! directory itself cannot be found, it may be elsewhere: moved, not mounted, or below another root.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, fstat, openat, readlinkat};

use crate::fs::{Dir, DirId};
use crate::lease::Resource;
use crate::os::is_initial_user_namespace;
use crate::sys;

/// Where a lease was written, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vantage {
    /// Whether that was in this boot, as far as it is known.
    pub(super) same_boot: Option<bool>,
    /// Whether a path means the same here.
    pub(super) shares_paths: bool,
}

/// Why a resource is out of sight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// The path of its directory leads nowhere, but its filesystem is here.
    DirMissing,
    /// The path of its directory leads to another one on the same filesystem.
    DirReplaced,
    /// Its directory was moved. Holds the new path.
    DirMoved(PathBuf),
    /// The filesystem of its directory, or the root, is another one.
    Elsewhere,
    /// The path of its directory leads to one that may be another.
    DirUnproven,
    /// The path of its directory could not be followed. Holds the error.
    DirUnreadable(String),
}

impl Absence {
    /// Whether the resource was most likely removed with its directory, so that its lease ends if it
    /// stays out of sight.
    pub(super) fn expires(&self) -> bool {
        matches!(self, Self::DirMissing | Self::DirReplaced)
    }
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DirMissing => f.write_str("the directory was removed or moved"),
            Self::DirReplaced => f.write_str("another directory has its place"),
            Self::DirMoved(path) => write!(f, "the directory is now {}", path.display()),
            Self::Elsewhere => f.write_str("not mounted here, or only visible elsewhere"),
            Self::DirUnproven => f.write_str("mounted anew, or only visible elsewhere"),
            Self::DirUnreadable(why) => write!(f, "the directory is out of reach: {why}"),
        }
    }
}

/// Judges a missing resource whose directory `found` is not the recorded one, or is missing if `found`
/// is `None`. Returns `None` if the resource is gone.
pub(super) fn absence(
    resource: &Resource,
    parent: &DirId,
    found: Option<&Dir>,
    vantage: Vantage,
) -> Option<Absence> {
    if vantage.same_boot == Some(false) && parent.ends_with_boot() {
        return None;
    }
    let ancestor = if found.is_none() { nearest(&resource.dir) } else { None };
    let near = found.or(ancestor.as_ref());
    let Some(near) = near else { return Some(Absence::Elsewhere) };
    let is_on_filesystem = is_on_filesystem(near, resource, parent, vantage);
    match fate(near, parent, is_on_filesystem) {
        Some(Fate::Deleted) => None,
        Some(Fate::Exists(path)) => Some(path.map_or(Absence::Elsewhere, Absence::DirMoved)),
        None if !is_on_filesystem => Some(Absence::Elsewhere),
        None if found.is_some() => Some(Absence::DirReplaced),
        None => Some(Absence::DirMissing),
    }
}

/// Opens the nearest ancestor of a directory that exists.
fn nearest(dir: &Path) -> Option<Dir> {
    for ancestor in dir.ancestors().skip(1) {
        match Dir::reopen(ancestor) {
            Ok(dir) => return Some(dir),
            Err(err) if is_absence(&err) => {}
            Err(_) => return None,
        }
    }
    None
}

/// Returns whether an error proves that no such entry exists: it is missing, an ancestor is no
/// directory any more, or the filesystem finds the name too long and so never created it.
pub(super) fn is_absence(err: &io::Error) -> bool {
    matches!(err.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG))
}

/// Whether a directory is on the filesystem that a resource was created on. Within one boot, it must
/// also be reached by the same mount: a directory of the same filesystem below a mount point whose
/// mount is missing is another one.
fn is_on_filesystem(near: &Dir, resource: &Resource, parent: &DirId, vantage: Vantage) -> bool {
    match vantage.same_boot {
        Some(true) => vantage.shares_paths && resource.mount == Some(near.facts().mount),
        Some(false) => vantage.shares_paths && near.facts().may_share_filesystem(parent),
        None => false,
    }
}

/// What became of a directory, by its handle.
enum Fate {
    Deleted,
    /// It exists, at this path if it has one here.
    Exists(Option<PathBuf>),
}

/// Finds out what became of a directory on the filesystem of `near`. Only a process with all
/// privileges may ask the kernel.
fn fate(near: &Dir, parent: &DirId, is_on_filesystem: bool) -> Option<Fate> {
    let handle = parent.handle()?;
    // A handle without the id of its filesystem may belong to another filesystem of that type.
    let is_askable =
        near.facts().may_share_filesystem(parent) && (is_on_filesystem || parent.has_fsid());
    if !is_askable || !is_initial_user_namespace() {
        return None;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mount = openat(near, c".", flags, Mode::empty()).ok()?;
    match sys::open_by_handle(mount.as_fd(), handle) {
        Ok(dir) if fstat(&dir).ok()?.st_nlink == 0 => Some(Fate::Deleted),
        Ok(dir) => Some(Fate::Exists(path_of(&dir, parent))),
        Err(err) if err.raw_os_error() == Some(libc::ESTALE) => Some(Fate::Deleted),
        Err(_) => None,
    }
}

/// Returns the path of an open directory, if it has one here: the kernel counts from the root of the
/// mount that was asked.
fn path_of(dir: &OwnedFd, id: &DirId) -> Option<PathBuf> {
    let path = readlinkat(CWD, sys::proc_path(dir), Vec::new()).ok()?;
    let path = PathBuf::from(OsString::from_vec(path.into_bytes()));
    let found = Dir::reopen(&path).ok()?;
    (found.facts().id == *id).then_some(path)
}

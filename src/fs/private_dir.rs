//! Private directories: opened, checked and created by descriptor.
//!
//! Nothing here acts on a path twice. Whoever owns a directory above may exchange an entry for a
//! symlink between two calls, so each directory is opened once, without following a symlink, and then
//! judged and changed through its descriptor.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{
    CWD, Mode, OFlags, ResolveFlags, Stat, fchmod, fstat, lstat, mkdirat, openat, openat2,
};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::os::{effective_user, mount_id_of_fd};
use crate::sys;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Only names a directory, which a missing permission does not prevent.
const POINT: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Lets the group or others create, rename and remove entries.
pub(super) const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why a private directory cannot be opened or created.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrivateDirError {
    #[error("it belongs to another user")]
    Foreign,
    #[error("other users may write to it")]
    OpenToOthers,
    #[error("it is a mount point")]
    MountPoint,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl PrivateDirError {
    /// Returns the error number of the call that failed.
    pub(crate) fn raw_os_error(&self) -> Option<i32> {
        match self {
            Self::Io(err) => err.raw_os_error(),
            Self::Foreign | Self::OpenToOthers | Self::MountPoint => None,
        }
    }

    /// Whether there is no such directory.
    pub(crate) fn is_absent(&self) -> bool {
        self.raw_os_error() == Some(libc::ENOENT)
    }
}

impl From<Errno> for PrivateDirError {
    fn from(err: Errno) -> Self {
        Self::Io(err.into())
    }
}

/// A result of the functions of this file.
pub(crate) type PrivateDirResult<T> = Result<T, PrivateDirError>;

/// Returns a path that the user named without slashes and dots at its end: with one, the path of a
/// symlink leads to its target, even if it is not to be followed.
pub(crate) fn without_end_slash(path: PathBuf) -> PathBuf {
    match path.as_os_str().as_bytes() {
        [.., b'/'] | [.., b'/', b'.'] => path.components().collect(),
        _ => path,
    }
}

/// Opens a directory of ours, whatever its mode. Returns it with its metadata.
pub(crate) fn open_own(parent: impl AsFd, path: impl Arg) -> PrivateDirResult<(OwnedFd, Stat)> {
    if_own(openat(parent, path, DIRECTORY, Mode::empty())?)
}

/// Opens a directory of ours in a directory in which other users create entries. Fails at a mount point:
/// where they may mount filesystems of their own (`user_allow_other` of FUSE), such a filesystem can claim
/// that its directories are ours.
pub(crate) fn open_own_no_xdev(
    parent: BorrowedFd<'_>,
    name: &OsStr,
) -> PrivateDirResult<(OwnedFd, Stat)> {
    if_own(open_no_xdev(parent, name, DIRECTORY)?)
}

/// Whether this entry of such a directory is a directory of ours, whatever its mode.
pub(crate) fn is_own_no_xdev(parent: BorrowedFd<'_>, name: &OsStr) -> bool {
    let dir = open_no_xdev(parent, name, POINT | OFlags::NOFOLLOW);
    dir.and_then(if_own).is_ok()
}

fn if_own(dir: OwnedFd) -> PrivateDirResult<(OwnedFd, Stat)> {
    let stat = fstat(&dir)?;
    if stat.st_uid == effective_user() { Ok((dir, stat)) } else { Err(PrivateDirError::Foreign) }
}

/// Opens an entry of `parent` that is neither a symlink nor a mount point. What is mounted there may never
/// answer, so this asks it nothing: openat2(2) fails before. Where that call is missing, the ids of the mounts
/// are compared, or, without /proc, the device numbers.
fn open_no_xdev(parent: BorrowedFd<'_>, name: &OsStr, flags: OFlags) -> PrivateDirResult<OwnedFd> {
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    match openat2(parent, name, flags, Mode::empty(), resolve) {
        Err(Errno::XDEV) => return Err(PrivateDirError::MountPoint),
        Err(Errno::NOSYS | Errno::PERM) => {}
        opened => return Ok(opened?),
    }
    let dir = openat(parent, name, flags | OFlags::PATH, Mode::empty())?;
    let is_same_mount = match (mount_id_of_fd(parent), mount_id_of_fd(dir.as_fd())) {
        (Some(parent), Some(entry)) => parent == entry,
        _ => fstat(&dir)?.st_dev == fstat(parent)?.st_dev,
    };
    match is_same_mount {
        false => Err(PrivateDirError::MountPoint),
        true if flags.contains(OFlags::PATH) => Ok(dir),
        true => Ok(openat(dir, c".", flags, Mode::empty())?),
    }
}

/// Opens a directory only as the parent of others, following symlinks.
pub(crate) fn open_parent(path: &Path) -> PrivateDirResult<OwnedFd> {
    Ok(openat(CWD, path, POINT, Mode::empty())?)
}

/// Checks that only its owner may write to a directory.
pub(crate) fn check_closed(stat: &Stat) -> PrivateDirResult<()> {
    if stat.st_mode & WRITABLE_BY_OTHERS == 0 { Ok(()) } else { Err(PrivateDirError::OpenToOthers) }
}

/// Takes all permissions on a directory of ours from other users, unless they may already write to
/// it: then they may have changed it, and closing it would only hide that. Returns the directory
/// open for reading.
pub(crate) fn open_and_close_to_others(
    parent: BorrowedFd<'_>,
    name: &str,
) -> PrivateDirResult<OwnedFd> {
    let (dir, stat) = match open_own(parent, name) {
        // Our own mode may keep us out.
        Err(err) if err.raw_os_error() == Some(libc::EACCES) => {
            grant_access(parent, OsStr::new(name))?;
            open_own(parent, name)?
        }
        opened => opened?,
    };
    check_closed(&stat)?;
    if stat.st_mode & 0o777 != 0o700 {
        fchmod(&dir, Mode::from_raw_mode(stat.st_mode & 0o7000 | 0o700))?;
    }
    Ok(dir)
}

/// Returns the nearest ancestor of a path that exists, or the path itself. A dangling symlink exists.
pub(crate) fn nearest_existing(path: &Path) -> PrivateDirResult<&Path> {
    for dir in path.ancestors() {
        match lstat(dir) {
            Ok(_) => return Ok(dir),
            Err(Errno::NOENT) => {}
            Err(err) => return Err(err.into()),
        }
    }
    Err(Errno::NOENT.into())
}

/// Creates a directory and its missing parents below `existing`, with mode 0700 whatever the umask:
/// other programs also use the directories above a store, such as ~/.local. With `must_be_ours`, fails
/// if `existing` belongs to another user, who could lead the rest of the path anywhere.
pub(crate) fn create_below(
    existing: &Path,
    must_be_ours: bool,
    path: &Path,
) -> PrivateDirResult<()> {
    let mut dir = open_parent(existing)?;
    // A symlink in its place must be ours, too.
    let owners = [lstat(existing)?.st_uid, fstat(&dir)?.st_uid];
    if must_be_ours && owners.iter().any(|owner| *owner != effective_user()) {
        return Err(PrivateDirError::Foreign);
    }
    let missing = path.strip_prefix(existing).unwrap_or(path);
    for name in missing {
        create(dir.as_fd(), name)?;
        dir = openat(&dir, name, POINT | OFlags::NOFOLLOW, Mode::empty())?;
        if fstat(&dir)?.st_uid != effective_user() {
            return Err(PrivateDirError::Foreign);
        }
    }
    Ok(())
}

/// Creates a directory with mode 0700, unless it exists.
pub(crate) fn create(parent: BorrowedFd<'_>, name: &OsStr) -> PrivateDirResult<()> {
    match mkdirat(parent, name, Mode::RWXU) {
        Ok(()) => grant_access(parent, name),
        Err(Errno::EXIST) => Ok(()),
        Err(err) => Err(err.into()),
    }
}

/// Grants the owner of a directory all permissions, if a umask removed some. Changes only a directory
/// of ours that is closed to all other users.
fn grant_access(parent: BorrowedFd<'_>, name: &OsStr) -> PrivateDirResult<()> {
    let dir = openat(parent, name, POINT | OFlags::NOFOLLOW, Mode::empty())?;
    let stat = fstat(&dir)?;
    if stat.st_uid != effective_user() {
        return Err(PrivateDirError::Foreign);
    }
    check_closed(&stat)?;
    if stat.st_mode & 0o700 == 0o700 {
        return Ok(());
    }
    Ok(sys::chmod_path_fd(dir.as_fd(), stat.st_mode & 0o7000 | 0o700)?)
}

/// Lists directories of ours in `parent` whose names begin with `prefix` and end in ten or more random
/// characters, in the order of their names.
pub(crate) fn find_own(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let flags = DIRECTORY.difference(OFlags::NOFOLLOW);
    let Ok(dir) = openat(CWD, parent, flags, Mode::empty()) else { return Vec::new() };
    let Ok(entries) = rustix::fs::Dir::read_from(&dir) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.map_while(Result::ok) {
        let Ok(name) = entry.file_name().to_str() else { continue };
        let is_ours = || is_own_no_xdev(dir.as_fd(), OsStr::new(name));
        if name.strip_prefix(prefix).is_some_and(is_random) && is_ours() {
            found.push(parent.join(name));
        }
    }
    found.sort_unstable();
    found
}

fn is_random(suffix: &str) -> bool {
    suffix.len() >= 10 && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

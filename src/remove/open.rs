//! Opens directories that are to be emptied: never through a symlink, never on another mount.
//!
//! Some functions grant access: where a directory denies it, and the directory belongs to the
//! effective user, they first add read, write and search permission for its owner. Build tools
//! leave such directories behind; Go's module cache consists of them.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags, fchmod, openat, openat2,
    statx,
};
use rustix::io::Errno;

use crate::os::{effective_user, mount_id_of_fd};
use crate::remove::stat::stat_fd;
use crate::sys;

const DIRECTORY: OFlags =
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

/// Read, write and search permission for the owner.
const OWNER_ACCESS: u32 = 0o700;

/// Opens a directory with `O_PATH`, which requires no permission on the directory itself.
pub(super) fn open_path(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    open_beneath_no_xdev(parent, name, DIRECTORY | OFlags::PATH)
}

/// Opens a directory to read and remove its entries. With `grant_access`, grants access to it and to
/// `parent` where they deny it.
pub(super) fn open_for_removal(
    parent: BorrowedFd<'_>,
    name: &CStr,
    grant_access: bool,
) -> io::Result<OwnedFd> {
    match open_beneath_no_xdev(parent, name, DIRECTORY) {
        Err(err) if grant_access && err.raw_os_error() == Some(libc::EACCES) => {}
        opened => return opened,
    }
    let path_fd = match open_path(parent, name) {
        Err(err) if err.raw_os_error() == Some(libc::EACCES) && grant_owner_access(parent)? => {
            open_path(parent, name)
        }
        opened => opened,
    }?;
    open_readable(&path_fd, grant_access)
}

/// Opens the directory behind an `O_PATH` descriptor for reading. With `grant_access`, first grants
/// access to it if it denies it.
pub(crate) fn open_readable(path_fd: &OwnedFd, grant_access: bool) -> io::Result<OwnedFd> {
    match openat(path_fd, c".", DIRECTORY, Mode::empty()) {
        Err(Errno::ACCESS) if grant_access => {}
        opened => return Ok(opened?),
    }
    if !chmod_if_owned(path_fd.as_fd(), sys::chmod_path_fd)? {
        return Err(Errno::ACCESS.into());
    }
    Ok(openat(path_fd, c".", DIRECTORY, Mode::empty())?)
}

/// Calls `act`, which changes entries of `dir`. Where that is denied, grants access to `dir` and calls
/// `act` again.
pub(super) fn with_owner_access(
    dir: BorrowedFd<'_>,
    act: impl Fn() -> rustix::io::Result<()>,
) -> rustix::io::Result<()> {
    match act() {
        Err(Errno::ACCESS) if grant_owner_access(dir).unwrap_or(false) => act(),
        result => result,
    }
}

fn grant_owner_access(dir: BorrowedFd<'_>) -> io::Result<bool> {
    chmod_if_owned(dir, |fd, mode| Ok(fchmod(fd, Mode::from_raw_mode(mode))?))
}

/// Grants the owner of a directory access if that is the effective user. Returns whether it is. The
/// caller then tries again even if the mode already grants access: another thread may have changed
/// it after this thread was denied.
fn chmod_if_owned(
    dir: BorrowedFd<'_>,
    chmod: impl Fn(BorrowedFd<'_>, u32) -> io::Result<()>,
) -> io::Result<bool> {
    let stat = stat_fd(dir)?;
    let mode = u32::from(stat.stx_mode) & 0o7777;
    if stat.stx_uid != effective_user() {
        return Ok(false);
    }
    if mode & OWNER_ACCESS != OWNER_ACCESS {
        chmod(dir, mode | OWNER_ACCESS)?;
    }
    Ok(true)
}

/// Opens an open directory again. The new descriptor has its own open file description.
pub(super) fn reopen(dir: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(openat(dir, c".", DIRECTORY, Mode::empty())?)
}

/// Opens the parent of a directory. The directory may have been moved, so the caller checks which
/// directory this is.
pub(super) fn open_parent(dir: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(openat(dir, c"..", DIRECTORY, Mode::empty())?)
}

/// Opens an entry of `parent` that is neither a symlink nor a mount point.
///
/// openat2(2) also refuses a bind mount of the same filesystem, which has the same device number as
/// its surroundings. Where openat2 is missing (before Linux 5.6, and in some sandboxes), statx(2)
/// reports whether the directory is the root of a mount (since Linux 5.8), or else the ids of the
/// two mounts are compared. If no id is known either, the entry is not opened.
fn open_beneath_no_xdev(parent: BorrowedFd<'_>, name: &CStr, flags: OFlags) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    match openat2(parent, name, flags, Mode::empty(), resolve) {
        Err(Errno::XDEV) => return Err(mount_point()),
        Err(Errno::NOSYS | Errno::PERM) => {}
        opened => return Ok(opened?),
    }
    let fd = openat(parent, name, flags, Mode::empty())?;
    let is_mount_point = match statx(&fd, c"", AtFlags::EMPTY_PATH, StatxFlags::TYPE) {
        Ok(stat) if stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) => {
            Some(stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
        }
        _ => mount_id(parent).zip(mount_id(fd.as_fd())).map(|(parent, entry)| parent != entry),
    };
    match is_mount_point {
        Some(false) => Ok(fd),
        Some(true) => Err(mount_point()),
        None => Err(io::Error::other("this kernel does not report whether it is a mount point")),
    }
}

/// Returns the id of the mount that a descriptor was opened on: from the file handle, or, where the
/// filesystem has none, from /proc.
fn mount_id(fd: BorrowedFd<'_>) -> Option<i32> {
    sys::mount_id(fd).ok().or_else(|| mount_id_of_fd(fd))
}

fn mount_point() -> io::Error {
    io::Error::other("it is a mount point")
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(fd: BorrowedFd<'_>) -> u32 {
        u32::from(stat_fd(fd).unwrap().stx_mode) & 0o7777
    }

    #[test]
    fn a_denied_act_is_repeated_once_with_access() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).unwrap();
        let opened = fs::File::open(dir.path()).unwrap();
        let calls = Cell::new(0);
        let denied = with_owner_access(opened.as_fd(), || {
            calls.set(calls.get() + 1);
            Err(Errno::ACCESS)
        });
        assert_eq!((denied, calls.get()), (Err(Errno::ACCESS), 2));
        assert_eq!(mode(opened.as_fd()), 0o755);
    }

    #[test]
    fn other_errors_neither_repeat_nor_grant_access() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o500)).unwrap();
        let opened = fs::File::open(dir.path()).unwrap();
        let calls = Cell::new(0);
        let failed = with_owner_access(opened.as_fd(), || {
            calls.set(calls.get() + 1);
            Err(Errno::NOTEMPTY)
        });
        assert_eq!((failed, calls.get()), (Err(Errno::NOTEMPTY), 1));
        assert_eq!(mode(opened.as_fd()), 0o500);
    }

    #[test]
    fn the_handle_and_proc_report_the_same_mount() {
        let dir = tempfile::tempdir().unwrap();
        let opened = fs::File::open(dir.path()).unwrap();
        let other = fs::File::open("/proc").unwrap();
        let from_proc = mount_id_of_fd(opened.as_fd());
        assert!(from_proc.is_some());
        assert!(sys::mount_id(&opened).is_ok_and(|id| Some(id) == from_proc));
        assert_ne!(mount_id(other.as_fd()), from_proc);
    }

    #[test]
    fn a_symlink_to_a_directory_is_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("dir")).unwrap();
        std::os::unix::fs::symlink("dir", dir.path().join("link")).unwrap();
        let opened = fs::File::open(dir.path()).unwrap();
        assert!(open_for_removal(opened.as_fd(), c"dir", true).is_ok());
        let err = open_for_removal(opened.as_fd(), c"link", true).unwrap_err();
        assert!(matches!(err.raw_os_error(), Some(libc::ELOOP | libc::ENOTDIR)), "{err}");
    }
}

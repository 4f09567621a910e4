//! Opening a directory that is to be emptied: never through a symlink, never onto another mount.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags, fchmod, openat, openat2,
    statx,
};
use rustix::io::Errno;

pub(crate) use crate::remove::root::stat_fd;
use crate::sys;

const DIRECTORY: OFlags =
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

/// Opens a directory as a mere point in the tree, which needs no permission on it.
pub(super) fn path_only(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    open_beneath_no_xdev(parent, name, DIRECTORY | OFlags::PATH)
}

/// Opens a directory to read its entries and remove them. One of our own that does not let its
/// owner do so is opened up, and so is the one that it is in.
pub(super) fn open_for_removal(
    parent: BorrowedFd<'_>,
    name: &CStr,
    open_up: bool,
) -> io::Result<OwnedFd> {
    match open_beneath_no_xdev(parent, name, DIRECTORY) {
        Err(err) if open_up && err.raw_os_error() == Some(libc::EACCES) => {}
        opened => return opened,
    }
    let point = match path_only(parent, name) {
        Err(err) if err.raw_os_error() == Some(libc::EACCES) && add_owner_access(parent)? => {
            path_only(parent, name)
        }
        opened => opened,
    }?;
    readable(&point, open_up)
}

/// Makes a descriptor that can be read from one that is a mere point in the tree. A directory of our
/// own that does not let its owner read it is opened up if that is wished.
pub(crate) fn readable(point: &OwnedFd, open_up: bool) -> io::Result<OwnedFd> {
    match openat(point, c".", DIRECTORY, Mode::empty()) {
        Err(Errno::ACCESS) if open_up => {}
        opened => return Ok(opened?),
    }
    if !chmod_if_denied(point.as_fd(), sys::chmod_path_fd)? {
        return Err(Errno::ACCESS.into());
    }
    Ok(openat(point, c".", DIRECTORY, Mode::empty())?)
}

/// Does something in a directory. Where that is denied, and the directory is one of our own that its
/// owner may not write to (Go's module cache is made so), it is opened up, and it is done again.
pub(super) fn with_owner_access(
    dir: BorrowedFd<'_>,
    act: impl Fn() -> rustix::io::Result<()>,
) -> rustix::io::Result<()> {
    match act() {
        Err(Errno::ACCESS) if add_owner_access(dir).unwrap_or(false) => act(),
        done => done,
    }
}

fn add_owner_access(dir: BorrowedFd<'_>) -> io::Result<bool> {
    chmod_if_denied(dir, |fd, mode| Ok(fchmod(fd, Mode::from_raw_mode(mode))?))
}

/// Gives the owner of a directory, if that is us, all permissions on it. False where it is not us:
/// that the owner has them already may be the work of another thread, a moment ago.
fn chmod_if_denied(
    dir: BorrowedFd<'_>,
    chmod: impl Fn(BorrowedFd<'_>, u32) -> io::Result<()>,
) -> io::Result<bool> {
    let stat = stat_fd(dir)?;
    let mode = u32::from(stat.stx_mode) & 0o7777;
    if stat.stx_uid != rustix::process::geteuid().as_raw() {
        return Ok(false);
    }
    if mode & 0o700 != 0o700 {
        chmod(dir, mode | 0o700)?;
    }
    Ok(true)
}

/// Opens an open directory once more.
pub(super) fn reopen(dir: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(openat(dir, c".", DIRECTORY, Mode::empty())?)
}

/// Goes from a directory to the one above it. The caller checks which one that is: the directory
/// may have been moved meanwhile.
pub(super) fn open_parent(dir: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(openat(dir, c"..", DIRECTORY, Mode::empty())?)
}

/// openat2(2) refuses a bind mount of the same filesystem too, which comparing device numbers
/// would not notice. Where there is no openat2 (Linux before 5.6, some sandboxes), statx(2) tells
/// the root of a mount; where neither can tell, nothing is opened.
fn open_beneath_no_xdev(parent: BorrowedFd<'_>, name: &CStr, flags: OFlags) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    match openat2(parent, name, flags, Mode::empty(), resolve) {
        Err(Errno::XDEV) => return Err(is_a_mount_point()),
        Err(Errno::NOSYS | Errno::PERM) => {}
        opened => return Ok(opened?),
    }
    let fd = openat(parent, name, flags, Mode::empty())?;
    let stat = statx(&fd, c"", AtFlags::EMPTY_PATH, StatxFlags::TYPE)?;
    if !stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) {
        return Err(io::Error::other("this kernel cannot tell whether it is a mount point"));
    }
    if stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        return Err(is_a_mount_point());
    }
    Ok(fd)
}

fn is_a_mount_point() -> io::Error {
    io::Error::other("it is a mount point")
}

//! What a file has besides its content, kept when another one takes its place.
//!
//! Owner and group first, for changing them clears the set-id bits; then the mode, then extended
//! attributes, among which are ACLs. Where the owner cannot be kept, the set-id bits are not kept
//! either: they would lend the rights of somebody else.

use std::ffi::{CStr, OsStr};
use std::fs::Metadata;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;

use rustix::buffer::spare_capacity;
use rustix::fs::{
    Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags, fchmod, fchown, fremovexattr,
    fsetxattr, fstat, futimens, getxattr, listxattr,
};
use rustix::io::Errno;

/// The access ACL, which a new file may have inherited from its directory.
const ACL: &CStr = c"system.posix_acl_access";

/// Attributes that vouch for the old content: its hash, and a signature (xattr(7), evmctl(1)).
const INTEGRITY_XATTRS: [&[u8]; 2] = [b"security.ima", b"security.evm"];

/// The most that the names, or one value, can take (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
const MAX_XATTR: usize = 64 * 1024;

/// The set-user-id and set-group-id bits.
const SET_ID: u32 = 0o6000;

/// Gives a new file the owner, group, mode and extended attributes of an old one, which may be open
/// as a mere path (`O_PATH`). Returns what we may not keep, in words.
pub(crate) fn preserve(old: impl AsFd, new: impl AsFd) -> io::Result<Vec<String>> {
    let wanted = fstat(&old)?;
    let mut lost = preserve_owner(&wanted, &new)?;
    let names = names(&old)?;
    if !names.iter().any(|name| name.as_slice() == ACL.to_bytes()) {
        match fremovexattr(&new, ACL) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(err) => return Err(err.into()),
        }
    }
    let mode = if lost.is_empty() { wanted.st_mode } else { wanted.st_mode & !SET_ID };
    fchmod(&new, Mode::from_raw_mode(mode & 0o7777))?;
    for name in names.into_iter().filter(|name| !INTEGRITY_XATTRS.contains(&name.as_slice())) {
        if !preserve_attribute(&old, &new, &name)? {
            lost.push(format!("attribute {}", String::from_utf8_lossy(&name)));
        }
    }
    Ok(lost)
}

/// Sets the permission bits and times of a copy to those of its source. Omits the set-id bits: a
/// copy must not lend the rights of its new owner.
pub(crate) fn preserve_mode_and_times(source: &Metadata, copy: impl AsFd) -> io::Result<()> {
    fchmod(&copy, Mode::from_raw_mode(source.mode() & 0o777))?;
    let time = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    futimens(
        copy,
        &Timestamps {
            last_access: time(source.atime(), source.atime_nsec()),
            last_modification: time(source.mtime(), source.mtime_nsec()),
        },
    )?;
    Ok(())
}

fn preserve_owner(wanted: &Stat, new: impl AsFd) -> io::Result<Vec<String>> {
    let now = fstat(&new)?;
    let owner = (now.st_uid != wanted.st_uid).then(|| Uid::from_raw(wanted.st_uid));
    let group = (now.st_gid != wanted.st_gid).then(|| Gid::from_raw(wanted.st_gid));
    if owner.is_none() && group.is_none() {
        return Ok(Vec::new());
    }
    match fchown(&new, owner, group) {
        Ok(()) => return Ok(Vec::new()),
        Err(Errno::PERM | Errno::INVAL) => {}
        Err(err) => return Err(err.into()),
    }
    // Anybody may give a file of theirs to another group of theirs.
    let group = group.filter(|&group| fchown(&new, None, Some(group)).is_err());
    let lost = [owner.map(|_| "owner"), group.map(|_| "group")];
    Ok(lost.into_iter().flatten().map(str::to_owned).collect())
}

/// The names of a file's extended attributes.
fn names(file: impl AsFd) -> io::Result<Vec<Vec<u8>>> {
    let mut list = Vec::with_capacity(MAX_XATTR);
    match listxattr(path(file), spare_capacity(&mut list)) {
        Ok(_) => {}
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(err) => return Err(err.into()),
    }
    let names = list.split(|&byte| byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(<[u8]>::to_vec).collect())
}

/// Copies one attribute; `false` where we may not. What is not the user's to set (labels of security
/// modules and the like) is as the system sets it.
fn preserve_attribute(old: impl AsFd, new: impl AsFd, name: &[u8]) -> io::Result<bool> {
    let users = name.starts_with(b"user.") || name == ACL.to_bytes();
    let name = OsStr::from_bytes(name);
    let mut value = Vec::with_capacity(MAX_XATTR);
    let kept = getxattr(path(old), name, spare_capacity(&mut value))
        .and_then(|_| fsetxattr(new, name, &value, XattrFlags::empty()));
    match kept {
        Ok(()) | Err(Errno::NODATA) => Ok(true),
        Err(_) if !users => Ok(true),
        Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) => Ok(false),
        Err(err) => Err(err.into()),
    }
}

/// The file behind a descriptor, be it one that gives only a path.
fn path(file: impl AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}

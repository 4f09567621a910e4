//! Preserves owner, group, mode, times, and extended attributes.
//!
//! Owner and group come first, because changing them clears the set-id bits. The mode follows, and
//! then the extended attributes, which include ACLs. If the owner cannot be preserved, neither are
//! the set-id bits: they would lend the rights of another user.

use std::ffi::{CStr, OsStr};
use std::fs::Metadata;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;

use rustix::buffer::spare_capacity;
use rustix::fs::{
    Gid, Mode, Stat, StatVfsMountFlags, Timespec, Timestamps, Uid, XattrFlags, fchmod, fchown,
    fgetxattr, flistxattr, fremovexattr, fsetxattr, fstat, fstatvfs, futimens, getxattr, listxattr,
};
use rustix::io::Errno;

use crate::fs::identity::MARK;
use crate::fs::private_dir::WRITABLE_BY_OTHERS;
use crate::sys::{self, proc_path};

/// The access ACL, which a new file can inherit from its directory.
const ACL: &CStr = c"system.posix_acl_access";

/// The ACL that new entries of a directory inherit.
const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";

/// The capabilities of a program (capabilities(7)).
const CAPABILITY: &[u8] = b"security.capability";

/// Attributes that say something about one file and must not pass to another: the mark of tmpx, and what
/// certifies the content, its hash and a signature (xattr(7), evmctl(1)).
const OWN_XATTRS: [&[u8]; 3] = [MARK.to_bytes(), b"security.ima", b"security.evm"];

/// The largest size of all names together, and of one value (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
const MAX_XATTR: usize = 64 * 1024;

/// The set-user-id and set-group-id bits.
const SET_ID: u32 = 0o6000;

/// Why a directory does not have the mode that it should have.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirModeError {
    #[error("its mount lets other users write to it (mode {0:o})")]
    OpenToOthers(u32),
    #[error(transparent)]
    Refused(#[from] io::Error),
}

/// Sets the owner, group, mode and extended attributes of a new file to those of an old one, which
/// may be open as a path (`O_PATH`). Returns the names of those that it is not permitted to preserve.
pub(crate) fn preserve(old: impl AsFd, new: impl AsFd) -> io::Result<Vec<String>> {
    let stat = fstat(&old)?;
    let mut lost = preserve_owner(&stat, &new)?;
    let mode = if lost.is_empty() { stat.st_mode } else { stat.st_mode & !SET_ID };
    let names = names(&old)?;
    if !names.iter().any(|name| name.as_slice() == ACL.to_bytes()) {
        match fremovexattr(&new, ACL) {
            Ok(()) | Err(Errno::NODATA) => {}
            // It has most likely none.
            Err(err) if is_denial(err) => {
                if fgetxattr(&new, ACL, &mut [0; 0]).is_ok() {
                    lost.push(describe(ACL.to_bytes()));
                }
            }
            Err(err) => return Err(err.into()),
        }
    }
    if !set_mode(&new, mode & 0o7777)? {
        lost.push("mode".to_owned());
    }
    for name in names.into_iter().filter(|name| !OWN_XATTRS.contains(&name.as_slice())) {
        if !preserve_attribute(&old, &new, &name)? {
            lost.push(describe(&name));
        }
    }
    Ok(lost)
}

/// Sets the mode, times, ACLs, capabilities and extended attributes of a copy to those of its source,
/// which is open for reading. Returns the names of those that it could not preserve.
///
/// The set-id bits and capabilities are preserved only if the copy has the same owner or group and the
/// source lies where they have an effect: a copy must not lend rights that the source did not have.
pub(crate) fn preserve_in_copy(
    source: impl AsFd,
    metadata: &Metadata,
    copy: impl AsFd,
) -> io::Result<Vec<String>> {
    let mut lost = Vec::new();
    // Without these, nothing depends on the owner.
    let (mut owner, mut group) = (true, true);
    let names = copied_names(&source);
    if metadata.mode() & SET_ID != 0 || names.iter().any(|name| name == CAPABILITY) {
        let current = fstat(&copy)?;
        let is_dir = metadata.is_dir();
        let has_effect = is_dir || !fstatvfs(&source)?.f_flag.contains(StatVfsMountFlags::NOSUID);
        owner = has_effect && current.st_uid == metadata.uid();
        group = has_effect && current.st_gid == metadata.gid();
    }
    // Attributes come first, as the mode may forbid the owner to write.
    for name in names {
        let is_permitted = owner || name != CAPABILITY;
        if !(is_permitted && copy_attribute(&source, &copy, &name)) {
            lost.push(describe(&name));
        }
    }
    let set_uid = if owner { metadata.mode() & 0o4000 } else { 0 };
    let set_gid = if group { metadata.mode() & 0o2000 } else { 0 };
    let mode = metadata.mode() & 0o1777 | set_uid | set_gid;
    if !set_mode(&copy, mode)? {
        lost.push("mode".to_owned());
    }
    if !set_times(&copy, metadata)? {
        lost.push("times".to_owned());
    }
    let wanted = metadata.mode() & SET_ID;
    // The kernel drops the bit of a group that the caller is not in.
    if wanted != 0 && metadata.is_file() && fstat(&copy)?.st_mode & SET_ID != wanted {
        lost.push("set-id bits".to_owned());
    }
    Ok(lost)
}

/// Returns what a message calls an attribute.
fn describe(name: &[u8]) -> String {
    match name {
        CAPABILITY => "capabilities".to_owned(),
        b"system.posix_acl_access" => "ACL".to_owned(),
        b"system.posix_acl_default" => "default ACL".to_owned(),
        _ => format!("attribute {}", String::from_utf8_lossy(name)),
    }
}

/// Returns the names of the attributes that a copy preserves: those that users or administrators set.
/// Labels of security modules are as the system sets them.
fn copied_names(source: impl AsFd) -> Vec<Vec<u8>> {
    // Most files have none.
    if let Ok(0) = flistxattr(&source, &mut [0_u8; 256][..]) {
        return Vec::new();
    }
    let mut list = Vec::with_capacity(MAX_XATTR);
    if flistxattr(&source, spare_capacity(&mut list)).is_err() {
        return Vec::new();
    }
    let names = list.split(|&byte| byte == 0).filter(|name| {
        name.starts_with(b"user.") || [ACL.to_bytes(), DEFAULT_ACL, CAPABILITY].contains(name)
    });
    names.filter(|name| !OWN_XATTRS.contains(name)).map(<[u8]>::to_vec).collect()
}

fn copy_attribute(source: impl AsFd, copy: impl AsFd, name: &[u8]) -> bool {
    let name = OsStr::from_bytes(name);
    let mut value = Vec::with_capacity(MAX_XATTR);
    let copied = fgetxattr(source, name, spare_capacity(&mut value))
        .and_then(|_| fsetxattr(copy, name, &value, XattrFlags::empty()));
    matches!(copied, Ok(()) | Err(Errno::NODATA))
}

/// Whether an error means that metadata is not ours to set, or that the filesystem has no place for it.
/// Where new files do not belong to those who create them, their mount decides.
fn is_denial(err: Errno) -> bool {
    matches!(err, Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP | Errno::NOSYS)
}

/// Sets the mode of a new file. Returns whether the file has it then.
pub(crate) fn set_mode(file: impl AsFd, mode: u32) -> io::Result<bool> {
    match fchmod(&file, Mode::from_raw_mode(mode)) {
        Err(err) if is_denial(err) => Ok(fstat(&file)?.st_mode & 0o7777 == mode),
        result => Ok(result.map(|()| true)?),
    }
}

/// Sets the mode of a directory, which may be open as a path (`O_PATH`), and looks at the one that it has
/// then: where the mount decides about modes, the call may change nothing and succeed, or fail although the
/// directory has that mode. Only those may write to the directory whom `mode` or `allowed` names.
pub(crate) fn set_dir_mode(dir: impl AsFd, mode: u32, allowed: u32) -> Result<(), DirModeError> {
    let result = sys::chmod_path_fd(dir.as_fd(), mode);
    let current = fstat(&dir).map_err(io::Error::from)?.st_mode & 0o777;
    if current & WRITABLE_BY_OTHERS & !(mode | allowed) != 0 {
        return Err(DirModeError::OpenToOthers(current));
    }
    match result {
        Err(err) if is_denied(&err) && current == mode & 0o777 => Ok(()),
        result => Ok(result?),
    }
}

/// The same for a new directory, if the user has not asked for this very mode. Accepts that it may not be
/// set, if with the one that it has its owner can use it, and only those may write to it whom `mode` or
/// `allowed` names.
pub(crate) fn set_new_dir_mode(
    dir: impl AsFd,
    mode: u32,
    allowed: u32,
) -> Result<(), DirModeError> {
    let current = fstat(&dir).map_err(io::Error::from)?.st_mode;
    if current & 0o1777 == mode {
        return Ok(());
    }
    let will_do = current & 0o700 == 0o700;
    match set_dir_mode(dir, mode, allowed) {
        Err(DirModeError::Refused(err)) if is_denied(&err) && will_do => Ok(()),
        result => result,
    }
}

fn is_denied(err: &io::Error) -> bool {
    Errno::from_io_error(err).is_some_and(is_denial)
}

/// Sets the times of a copy to those of its source. Returns `false` if that is not permitted.
fn set_times(copy: impl AsFd, source: &Metadata) -> io::Result<bool> {
    let time = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps {
        last_access: time(source.atime(), source.atime_nsec()),
        last_modification: time(source.mtime(), source.mtime_nsec()),
    };
    match futimens(copy, &times) {
        Err(err) if is_denial(err) => Ok(false),
        result => Ok(result.map(|()| true)?),
    }
}

fn preserve_owner(old: &Stat, new: impl AsFd) -> io::Result<Vec<String>> {
    let current = fstat(&new)?;
    let owner = (current.st_uid != old.st_uid).then(|| Uid::from_raw(old.st_uid));
    let group = (current.st_gid != old.st_gid).then(|| Gid::from_raw(old.st_gid));
    if owner.is_none() && group.is_none() {
        return Ok(Vec::new());
    }
    match fchown(&new, owner, group) {
        Ok(()) => return Ok(Vec::new()),
        Err(err) if err == Errno::INVAL || is_denial(err) => {}
        Err(err) => return Err(err.into()),
    }
    // Without privileges, the owner of a file can still change its group to one of their own.
    let group = group.filter(|&group| fchown(&new, None, Some(group)).is_err());
    let lost = [owner.map(|_| "owner"), group.map(|_| "group")];
    Ok(lost.into_iter().flatten().map(str::to_owned).collect())
}

/// Returns the names of a file's extended attributes.
fn names(file: impl AsFd) -> io::Result<Vec<Vec<u8>>> {
    let mut list = Vec::with_capacity(MAX_XATTR);
    let listed = match listxattr(proc_path(&file), spare_capacity(&mut list)) {
        // Without /proc, only a file that is open for reading says.
        Err(Errno::NOENT) => flistxattr(file, spare_capacity(&mut list)),
        listed => listed,
    };
    match listed {
        Ok(_) => {}
        Err(Errno::BADF | Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(err) => return Err(err.into()),
    }
    let names = list.split(|&byte| byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(<[u8]>::to_vec).collect())
}

/// Copies one attribute. Returns `false` if it is not permitted to. Leaves attributes that users
/// cannot set, such as the labels of security modules, as the system sets them.
fn preserve_attribute(old: impl AsFd, new: impl AsFd, name: &[u8]) -> io::Result<bool> {
    let is_user_settable = name.starts_with(b"user.") || name == ACL.to_bytes();
    let name = OsStr::from_bytes(name);
    let mut value = Vec::with_capacity(MAX_XATTR);
    let read = match getxattr(proc_path(&old), name, spare_capacity(&mut value)) {
        Err(Errno::NOENT) => fgetxattr(old, name, spare_capacity(&mut value)),
        read => read,
    };
    let copied = read.and_then(|_| fsetxattr(new, name, &value, XattrFlags::empty()));
    match copied {
        Ok(()) | Err(Errno::NODATA) => Ok(true),
        Err(_) if !is_user_settable => Ok(true),
        Err(err) if is_denial(err) => Ok(false),
        Err(err) => Err(err.into()),
    }
}

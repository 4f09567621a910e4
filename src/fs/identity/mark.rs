//! The mark: an extended attribute with the id of the lease.
//!
//! Where neither handles nor inode numbers last, tmpx writes on the file itself that it is its own.
//! The mark survives a remount, and `mv new "$f"` or `sed -i` put a file without it in the place.

use std::ffi::CStr;
use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags, XattrFlags, fgetxattr, fsetxattr, openat};
use rustix::io::Errno;

use crate::fs::identity::text::Proof;

/// The name of the attribute. Copies and replacements leave it out: they belong to the user.
pub(crate) const MARK: &CStr = c"user.tmpx";

/// The length of the longest mark that is read. The id of a lease has 23 bytes.
const MAX_BYTES: usize = 64;

/// Marks an open file or directory. Returns whether that succeeded.
pub(super) fn set(file: impl AsFd, lease: &str) -> bool {
    fsetxattr(file, MARK, lease.as_bytes(), XattrFlags::empty()).is_ok()
}

/// Whether an entry of `dir`, or `dir` itself if `name` is empty, has the mark of a lease. It must be
/// a regular file or a directory.
pub(super) fn proof(dir: impl AsFd, name: &CStr, lease: &str) -> Proof {
    let name = if name.is_empty() { c"." } else { name };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut mark = [0; MAX_BYTES];
    let read = openat(dir, name, flags | OFlags::NOCTTY, Mode::empty())
        .and_then(|file| fgetxattr(file, MARK, &mut mark));
    match read {
        Ok(length) => Proof::of(mark.get(..length) == Some(lease.as_bytes())),
        Err(Errno::NODATA | Errno::RANGE) => Proof::Other,
        Err(_) => Proof::Unproven,
    }
}

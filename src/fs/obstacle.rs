//! Finds out why an entry may not be removed.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags};

use crate::os::effective_user;
use crate::sys;

/// What keeps this process from removing an entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// This file or directory must not be changed, until root allows it.
    Immutable(PathBuf),
    /// Only appending to this one is allowed.
    AppendOnly(PathBuf),
    /// This one belongs to another user. Holds the user ID.
    Foreign(PathBuf, u32),
}

impl Obstacle {
    /// Looks at an entry and at its directory. Returns `None` if neither shows a reason.
    pub(crate) fn to_removal_of(path: &Path) -> Option<Self> {
        let dir = path.parent()?;
        Self::in_attributes(path)
            .or_else(|| Self::in_attributes(dir))
            .or_else(|| Self::in_owner(dir))
            .or_else(|| Self::in_owner(path))
    }

    fn in_attributes(path: &Path) -> Option<Self> {
        let (attributes, _) = stat(path)?;
        if attributes.contains(StatxAttributes::IMMUTABLE) {
            return Some(Self::Immutable(path.to_owned()));
        }
        attributes.contains(StatxAttributes::APPEND).then(|| Self::AppendOnly(path.to_owned()))
    }

    fn in_owner(path: &Path) -> Option<Self> {
        let (_, owner) = stat(path)?;
        let user = effective_user();
        (user != 0 && owner != user).then(|| Self::Foreign(path.to_owned(), owner))
    }
}

/// Returns the attributes and the owner of an entry.
fn stat(path: &Path) -> Option<(StatxAttributes, u32)> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let stat = sys::statx(CWD, &path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::UID).ok()?;
    Some((stat.stx_attributes, stat.stx_uid))
}

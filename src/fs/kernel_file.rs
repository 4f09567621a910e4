//! Files whose content the kernel generates when it is read.

use std::os::fd::AsFd;

use rustix::fs::{FsWord, fstatfs};

/// The filesystem type of /sys (`SYSFS_MAGIC`, statfs(2)).
const SYSFS: FsWord = 0x6265_6572;

/// Whether a file of nonzero size has as many bytes as it states. Files in /sys state 4096; files in
/// /proc state zero.
pub(crate) fn states_true_size(file: impl AsFd) -> bool {
    fstatfs(file).is_ok_and(|filesystem| filesystem.f_type != SYSFS)
}

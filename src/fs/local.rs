//! Which filesystems are local.

use rustix::fs::StatFs;

/// Whether locks and file handles are known to work on a filesystem, which holds for local ones. On
/// network filesystems and on shares of virtual machines, locks hang or exclude nobody.
pub(crate) fn is_local(filesystem: &StatFs) -> bool {
    // The type's width differs between architectures; the magic numbers are 32 bits.
    #[allow(clippy::unnecessary_cast, reason = "the width differs between architectures")]
    is_local_type(filesystem.f_type as i64 & 0xffff_ffff)
}

/// Whether a type of filesystem, by its magic number, is local.
pub(super) fn is_local_type(magic: i64) -> bool {
    /// The magic numbers of statfs(2), from the kernel's include/uapi/linux/magic.h.
    const LOCAL: [i64; 12] = [
        0xef53,      // ext2, ext3, ext4
        0x5846_5342, // xfs
        0x9123_683e, // btrfs
        0x0102_1994, // tmpfs
        0x8584_58f6, // ramfs
        0x794c_7630, // overlayfs
        0xf2f5_2010, // f2fs
        0x2fc1_2fc1, // zfs
        0xca45_1a4e, // bcachefs
        0x3153_464a, // jfs
        0x5265_4973, // reiserfs
        0xf15f,      // ecryptfs
    ];
    LOCAL.contains(&magic)
}

//! The classes of filesystems: what identifies a file on each, and for how long.
//!
//! The class follows from the type that statfs(2) reports of the opened directory. An unknown type
//! belongs to the weakest class: FUSE and network filesystems make their handles up in memory, so a
//! later file can have the handle of an earlier one.

use std::ffi::CStr;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::fstatfs;

use crate::fs::local::is_local_type;
use crate::sys::{Handle, fid_at, filesystem_id, handle_at};

/// What identifies a file on a filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// File handles are never used again, and the id of the filesystem lasts.
    Lasting,
    /// The same, but nothing outlives a restart.
    Tmpfs,
    /// File handles are never used again, but the id of the filesystem is a device number.
    Dated,
    /// Overlayfs: the handles of its layers, which it gives for comparison only.
    Overlay,
    /// Ramfs: inode numbers, which are counted from the boot on.
    Ramfs,
    /// Nothing that tmpx may rely on.
    Weak,
}

/// A mounted filesystem, as statfs(2) describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filesystem {
    /// The magic number of its type.
    magic: i64,
    /// Its id.
    pub(crate) fsid: u64,
}

const TMPFS: i64 = 0x0102_1994;
const RAMFS: i64 = 0x8584_58f6;
const OVERLAYFS: i64 = 0x794c_7630;

/// The magic numbers of statfs(2), from the kernel's include/uapi/linux/magic.h and the sources of
/// the filesystems.
const LASTING: [i64; 5] = [
    0xef53,      // ext2, ext3, ext4
    0x9123_683e, // btrfs
    0x2fc1_2fc1, // zfs
    0xca45_1a4e, // bcachefs
    0x3153_464a, // jfs
];
const DATED: [i64; 2] = [
    0x5846_5342, // xfs
    0xf2f5_2010, // f2fs
];

impl Filesystem {
    /// Returns the filesystem of an open directory.
    pub(crate) fn of(dir: impl AsFd) -> io::Result<Self> {
        let stat = fstatfs(dir)?;
        // The type's width differs between architectures; the magic numbers are 32 bits.
        #[allow(clippy::unnecessary_cast, reason = "the width differs between architectures")]
        let magic = stat.f_type as i64 & 0xffff_ffff;
        Ok(Self { magic, fsid: filesystem_id(&stat) })
    }

    /// Returns its class.
    pub(crate) fn class(self) -> Class {
        match self.magic {
            TMPFS => Class::Tmpfs,
            RAMFS => Class::Ramfs,
            // Without an id, two filesystems of one type cannot be distinguished.
            _ if self.fsid == 0 => Class::Weak,
            OVERLAYFS => Class::Overlay,
            magic if LASTING.contains(&magic) => Class::Lasting,
            magic if DATED.contains(&magic) => Class::Dated,
            _ => Class::Weak,
        }
    }

    /// Whether no other computer can use it.
    pub(crate) fn is_local(self) -> bool {
        is_local_type(self.magic)
    }

    /// Whether nothing identifies a file on it, and it may let users act against modes.
    pub(crate) fn is_weak(self) -> bool {
        self.class() == Class::Weak
    }

    /// Returns the handle of an entry of `dir`, or of `dir` itself if `name` is empty, if handles
    /// identify files on this filesystem and the kernel gives one.
    pub(super) fn handle(self, dir: impl AsFd, name: &CStr) -> Option<Handle> {
        let handle = || match self.class() {
            Class::Lasting | Class::Tmpfs | Class::Dated => handle_at(&dir, name).ok(),
            Class::Overlay => fid_at(&dir, name).ok().filter(identifies_a_layer),
            Class::Ramfs | Class::Weak => None,
        };
        // A call may fail once, for want of memory. Later calls would find another identity.
        handle().or_else(handle)
    }
}

/// Whether a handle of overlayfs is made from a handle that lasts. It contains the type of the
/// layer's handle, the UUID of the layer, and the handle (`struct ovl_fh` in fs/overlayfs). FUSE has
/// no UUID, and type 0x81.
fn identifies_a_layer(handle: &Handle) -> bool {
    const OVL_FILEID_V1: i32 = 0xf8;
    const FILEID_INO32_GEN: u8 = 1;
    const FUSE_HANDLE: u8 = 0x81;
    let (Some(&kind), Some(uuid)) = (handle.data.get(7), handle.data.get(8..24)) else {
        return false;
    };
    let is_known = handle.kind == OVL_FILEID_V1 && kind != FUSE_HANDLE;
    is_known && (kind == FILEID_INO32_GEN || uuid.iter().any(|&byte| byte != 0))
}

#[cfg(test)]
impl Filesystem {
    /// Returns a filesystem of a class.
    pub(crate) fn for_test(class: Class, fsid: u64) -> Self {
        let magic = match class {
            Class::Lasting => LASTING[0],
            Class::Tmpfs => TMPFS,
            Class::Dated => DATED[0],
            Class::Overlay => OVERLAYFS,
            Class::Ramfs => RAMFS,
            Class::Weak => 0x6573_5546,
        };
        Self { magic, fsid }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_type_and_a_filesystem_without_an_id_are_weak() {
        for magic in [0x6573_5546, 0x6969, 0x4d44, 0xf15f, 0] {
            assert_eq!(Filesystem { magic, fsid: 1 }.class(), Class::Weak, "{magic:x}");
        }
        for magic in [LASTING[0], DATED[0], OVERLAYFS] {
            assert_eq!(Filesystem { magic, fsid: 0 }.class(), Class::Weak);
        }
        // Before Linux 5.15, tmpfs has no id. Its handles are random.
        assert_eq!(Filesystem { magic: TMPFS, fsid: 0 }.class(), Class::Tmpfs);
    }

    #[test]
    fn a_handle_of_overlayfs_counts_unless_its_layer_is_fuse() {
        let handle = |kind: u8, uuid: u8| {
            let mut data = vec![0; 40];
            data[7] = kind;
            data[8] = uuid;
            Handle { kind: 0xf8, data }
        };
        assert!(identifies_a_layer(&handle(1, 0)));
        assert!(identifies_a_layer(&handle(0x4d, 7)));
        assert!(!identifies_a_layer(&handle(0x4d, 0)));
        assert!(!identifies_a_layer(&handle(0x81, 7)));
        assert!(!identifies_a_layer(&Handle { kind: 0xf8, data: vec![1; 23] }));
        assert!(!identifies_a_layer(&Handle { kind: 1, data: vec![1; 40] }));
    }
}

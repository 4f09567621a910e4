//! The types of filesystems that tmpx knows, and what it may rely on in each.

use rustix::fs::StatFs;

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

/// A type of filesystem, by its magic number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FilesystemType(i64);

/// All types that are known to be local, from the kernel's include/uapi/linux/magic.h and the sources
/// of the filesystems. A type that is not here is not local and weak: FUSE and network filesystems
/// make their handles up in memory, so a later file can have the handle of an earlier one.
const LOCAL: [(i64, Class); 12] = [
    (0xef53, Class::Lasting),      // ext2, ext3, ext4
    (0x9123_683e, Class::Lasting), // btrfs
    (0x2fc1_2fc1, Class::Lasting), // zfs
    (0xca45_1a4e, Class::Lasting), // bcachefs
    (0x3153_464a, Class::Lasting), // jfs
    (0x5846_5342, Class::Dated),   // xfs
    (0xf2f5_2010, Class::Dated),   // f2fs
    (0x0102_1994, Class::Tmpfs),   // tmpfs
    (0x8584_58f6, Class::Ramfs),   // ramfs
    (0x794c_7630, Class::Overlay), // overlayfs
    (0x5265_4973, Class::Weak),    // reiserfs
    (0xf15f, Class::Weak),         // ecryptfs
];

impl FilesystemType {
    /// Returns the type of a filesystem.
    pub(super) fn of(filesystem: &StatFs) -> Self {
        // The field's width differs between architectures; the magic numbers are 32 bits.
        #[allow(clippy::unnecessary_cast, reason = "the width differs between architectures")]
        Self(filesystem.f_type as i64 & 0xffff_ffff)
    }

    /// Returns whether locks and file handles are known to work, which holds for local filesystems.
    /// On network filesystems and on shares of virtual machines, locks hang or exclude nobody.
    pub(super) fn is_local(self) -> bool {
        self.known().is_some()
    }

    /// Returns what identifies a file on a filesystem of this type that has an id.
    pub(super) fn class(self) -> Class {
        self.known().unwrap_or(Class::Weak)
    }

    fn known(self) -> Option<Class> {
        LOCAL.iter().find(|(magic, _)| *magic == self.0).map(|(_, class)| *class)
    }
}

/// Returns whether a filesystem is local.
pub(crate) fn is_local(filesystem: &StatFs) -> bool {
    FilesystemType::of(filesystem).is_local()
}

#[cfg(test)]
impl FilesystemType {
    /// A type that is not local: FUSE.
    pub(super) const FUSE: Self = Self(0x6573_5546);

    /// Returns the first type of a class.
    pub(super) fn for_test(class: Class) -> Self {
        let first = LOCAL.iter().find(|(_, known)| *known == class);
        first.map_or(Self::FUSE, |(magic, _)| Self(*magic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_is_not_in_the_table_is_weak_and_not_local() {
        // FUSE, NFS, 9p, CIFS and nothing.
        for magic in [FilesystemType::FUSE.0, 0x6969, 0x0102_1997, 0xff53_4d42, 0] {
            assert_eq!(FilesystemType(magic).class(), Class::Weak, "{magic:x}");
            assert!(!FilesystemType(magic).is_local(), "{magic:x}");
        }
        assert_eq!(FilesystemType(0xf15f).class(), Class::Weak);
        assert!(FilesystemType(0xf15f).is_local());
    }

    #[test]
    fn no_type_is_in_the_table_twice() {
        for (n, (magic, _)) in LOCAL.iter().enumerate() {
            assert!(!LOCAL[..n].iter().any(|(other, _)| other == magic), "{magic:x}");
        }
    }
}

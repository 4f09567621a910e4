//! What a mounted filesystem offers to identify files: its class and its id.
//!
//! The class follows from the type that statfs(2) reports of the opened directory.

use std::ffi::CStr;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::fstatfs;

use crate::fs::filesystem_type::{Class, FilesystemType};
use crate::sys::{Handle, fid_at, filesystem_id, handle_at};

/// A mounted filesystem, as statfs(2) describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filesystem {
    kind: FilesystemType,
    /// Its id.
    pub(crate) fsid: u64,
}

impl Filesystem {
    /// Returns the filesystem of an open directory.
    pub(crate) fn of(dir: impl AsFd) -> io::Result<Self> {
        let stat = fstatfs(dir)?;
        Ok(Self { kind: FilesystemType::of(&stat), fsid: filesystem_id(&stat) })
    }

    /// Returns its class.
    pub(crate) fn class(self) -> Class {
        match self.kind.class() {
            // Before Linux 5.15, tmpfs has no id. Its handles are random.
            class @ (Class::Tmpfs | Class::Ramfs) => class,
            // Without an id, two filesystems of one type cannot be distinguished.
            _ if self.fsid == 0 => Class::Weak,
            class => class,
        }
    }

    /// Whether no other computer can use it.
    pub(crate) fn is_local(self) -> bool {
        self.kind.is_local()
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
        Self { kind: FilesystemType::for_test(class), fsid }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filesystem_without_an_id_is_weak_unless_it_is_in_memory() {
        let class = |class, fsid| Filesystem::for_test(class, fsid).class();
        for known in [Class::Lasting, Class::Dated, Class::Overlay, Class::Weak] {
            assert_eq!(class(known, 1), known);
            assert_eq!(class(known, 0), Class::Weak);
        }
        for known in [Class::Tmpfs, Class::Ramfs] {
            assert_eq!(class(known, 0), known);
        }
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

//! The boot, the namespaces and the root of a process, which decide what its ids, clocks and paths
//! mean.

use std::ffi::CString;

use rustix::fs::{AtFlags, CWD, StatxFlags};
use serde::{Deserialize, Serialize};

use crate::os::procfs::{BootId, namespace_inode};
use crate::sys::statx;

/// `STATX_MNT_ID_UNIQUE` of statx(2), since Linux 6.8: an id that no later mount ever gets.
const UNIQUE_MOUNT_ID: StatxFlags = StatxFlags::from_bits_retain(0x4000);

/// The boot, the namespaces and the root that a process belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Namespaces {
    /// The random id of the running kernel (`/proc/sys/kernel/random/boot_id`).
    pub boot: Option<String>,
    /// Whether that id was not the kernel's own: a container manager may mount another file over it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub masked: bool,
    /// The inode of the PID namespace: a process id means nothing in another one.
    pub pid_ns: Option<u64>,
    /// The inode of the time namespace: start times and the boot clock are shifted in another one.
    #[serde(default)]
    pub time_ns: Option<u64>,
    /// The mount and the inode of `/`: a path may lead elsewhere from another root. Each mount
    /// namespace has mounts of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<(u64, u64)>,
    /// The inode of the mount namespace, where the kernel may give the id of the root's mount to a
    /// later one (before Linux 6.8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mnt_ns: Option<u64>,
}

/// What a process sees at its paths: its root, and its mount namespace where the root does not say
/// which that is. The fields are those of [`Namespaces`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mounts {
    root: Option<(u64, u64)>,
    mnt_ns: Option<u64>,
}

impl Mounts {
    /// Returns those of a process, whose directory in /proc this is.
    pub(super) fn of_process(dir: &str) -> Self {
        let (root, is_unique) = root_of(&format!("{dir}/root")).unzip();
        let mnt_ns = || namespace_inode(&format!("{dir}/ns/mnt"));
        Self { root, mnt_ns: if is_unique == Some(true) { None } else { mnt_ns() } }
    }

    /// Whether they are known.
    pub(crate) fn are_known(self) -> bool {
        self.root.is_some() || self.mnt_ns.is_some()
    }
}

impl Namespaces {
    /// Returns those of this process.
    pub(crate) fn current() -> Self {
        let boot = BootId::read();
        let (root, is_unique) = root_of("/").unzip();
        Self {
            masked: boot.as_ref().is_some_and(|boot| boot.is_masked),
            boot: boot.map(|boot| boot.id),
            pid_ns: namespace_inode("/proc/self/ns/pid"),
            time_ns: namespace_inode("/proc/self/ns/time"),
            root,
            mnt_ns: if is_unique == Some(true) { None } else { mount_namespace() },
        }
    }

    /// What a path means here.
    pub(crate) fn mounts(&self) -> Mounts {
        Mounts { root: self.root, mnt_ns: self.mnt_ns }
    }

    /// Whether both belong to the same boot; `None` if either boot is unknown.
    pub(crate) fn same_boot(&self, other: &Self) -> Option<bool> {
        Some(self.boot.as_ref()? == other.boot.as_ref()?)
    }

    /// Whether both read the same clock since boot.
    pub(crate) fn same_clock(&self, other: &Self) -> bool {
        self.same_boot(other) == Some(true) && self.time_ns == other.time_ns
    }

    /// Returns whether the boot of `theirs` is over, without a look at a clock, which may be set. Their
    /// leases must be on a filesystem that only this machine uses (`is_local`): another machine that
    /// runs now has another id too, as has a container whose id is masked.
    pub(crate) fn outlive(&self, theirs: &Self, is_local: bool) -> bool {
        self.same_boot(theirs) == Some(false) && is_local && !self.masked && !theirs.masked
    }

    /// Whether process ids mean the same in both, and start times can be compared.
    pub(crate) fn shares_processes_with(&self, other: &Self) -> bool {
        self.same_clock(other) && self.pid_ns.is_some() && self.pid_ns == other.pid_ns
    }

    /// Whether both have the same root in the same mount namespace. A record of an older tmpx has no
    /// root.
    pub(crate) fn shares_root_with(&self, other: &Self) -> bool {
        let same_mounts = match other.mnt_ns {
            None => other.root.is_some(),
            theirs => theirs == self.mnt_ns.or_else(mount_namespace),
        };
        same_mounts && (other.root.is_none() || self.root == other.root)
    }
}

/// Returns the mount and the inode of a directory that is the root of a process, and whether no later
/// mount gets the same id.
fn root_of(path: &str) -> Option<((u64, u64), bool)> {
    let path = CString::new(path).ok()?;
    let stat = statx(CWD, &path, AtFlags::empty(), StatxFlags::INO | UNIQUE_MOUNT_ID).ok()?;
    let is_unique = stat.stx_mask & UNIQUE_MOUNT_ID.bits() != 0;
    Some(((stat.stx_mnt_id, stat.stx_ino), is_unique))
}

fn mount_namespace() -> Option<u64> {
    namespace_inode("/proc/self/ns/mnt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_is_over_only_if_both_ids_are_the_kernels_and_the_store_is_local() {
        let here = Namespaces { masked: false, ..Namespaces::current() };
        let earlier = Namespaces { boot: Some("another".into()), ..here.clone() };
        let masked = Namespaces { masked: true, ..earlier.clone() };
        assert!(here.outlive(&earlier, true));
        assert!(!here.outlive(&earlier, false));
        assert!(!here.outlive(&masked, true) && !masked.outlive(&here, true));
        assert!(!here.outlive(&here, true));
        assert!(!here.outlive(&Namespaces::default(), true));
    }

    #[test]
    fn paths_mean_the_same_only_from_the_same_root_in_the_same_mount_namespace() {
        let here = Namespaces::current();
        assert!(here.shares_root_with(&here));
        let chroot = Namespaces { root: Some((1, 2)), ..here.clone() };
        assert!(!here.shares_root_with(&chroot));
        // An older tmpx recorded the mount namespace alone.
        let older = Namespaces { root: None, mnt_ns: mount_namespace(), ..here.clone() };
        assert!(here.shares_root_with(&older));
        let elsewhere = Namespaces { mnt_ns: Some(1), ..older };
        assert!(!here.shares_root_with(&elsewhere));
    }

    #[test]
    fn a_child_has_the_mounts_of_this_process() {
        let ours = Namespaces::current().mounts();
        assert!(ours.are_known());
        assert_eq!(Mounts::of_process("/proc/self"), ours);
    }
}

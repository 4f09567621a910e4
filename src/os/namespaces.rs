//! The boot and the namespaces of a process, which decide what its ids, clocks and paths mean.

use serde::{Deserialize, Serialize};

use crate::os::process::{Liveness, Process};
use crate::os::procfs::{namespace_inode, read_small, shows_our_namespace};

/// The boot and the namespaces that a process belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Namespaces {
    /// The random id of the running kernel (`/proc/sys/kernel/random/boot_id`).
    pub boot: Option<String>,
    /// The inode of the PID namespace: a process id means nothing in another one.
    pub pid_ns: Option<u64>,
    /// The inode of the mount namespace: a path may lead elsewhere in another one.
    pub mnt_ns: Option<u64>,
    /// The inode of the time namespace: start times and the boot clock are shifted in another one.
    #[serde(default)]
    pub time_ns: Option<u64>,
}

impl Namespaces {
    /// Returns the namespaces of this process.
    pub(crate) fn current() -> Self {
        Self {
            boot: read_small("/proc/sys/kernel/random/boot_id", &mut [0; 64])
                .and_then(|text| std::str::from_utf8(text).ok())
                .map(|text| text.trim_end().to_owned()),
            pid_ns: namespace_inode("/proc/self/ns/pid"),
            mnt_ns: namespace_inode("/proc/self/ns/mnt"),
            time_ns: namespace_inode("/proc/self/ns/time"),
        }
    }

    /// Whether both belong to the same boot; `None` if either boot is unknown.
    pub(crate) fn same_boot(&self, other: &Self) -> Option<bool> {
        Some(self.boot.as_ref()? == other.boot.as_ref()?)
    }

    /// Whether both read the same clock since boot.
    pub(crate) fn same_clock(&self, other: &Self) -> bool {
        self.same_boot(other) == Some(true) && self.time_ns == other.time_ns
    }

    /// Whether a path means the same in both. Mount namespaces do not outlive their boot, so a file
    /// that is missing after a restart does not exist.
    pub(crate) fn shares_mounts_with(&self, other: &Self) -> bool {
        match self.same_boot(other) {
            Some(false) => true,
            Some(true) => self.mnt_ns.is_some() && self.mnt_ns == other.mnt_ns,
            None => false,
        }
    }

    /// Returns whether a process of other namespaces is alive, as far as it is visible from these.
    pub(crate) fn liveness(&self, process: Process, of: &Self) -> Liveness {
        match self.same_boot(of) {
            None => Liveness::Unknown,
            Some(false) => Liveness::Dead,
            // In another time namespace the start times are shifted.
            Some(true) if self.time_ns != of.time_ns => Liveness::Unknown,
            Some(true) if self.pid_ns.is_none() || self.pid_ns != of.pid_ns => Liveness::Unknown,
            Some(true) if !shows_our_namespace() => Liveness::Unknown,
            Some(true) => process.liveness(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_unknown_in_another_namespace_and_dead_after_a_restart() {
        let here = Namespaces::current();
        let this = Process::find(std::process::id()).unwrap();
        let elsewhere = Namespaces { pid_ns: Some(1), ..here.clone() };
        let earlier = Namespaces { boot: Some("another".into()), ..here.clone() };
        assert_eq!(here.liveness(this, &here), Liveness::Alive);
        assert_eq!(here.liveness(this, &elsewhere), Liveness::Unknown);
        let shifted = Namespaces { time_ns: Some(1), ..here.clone() };
        assert_eq!(here.liveness(this, &shifted), Liveness::Unknown);
        assert_eq!(here.liveness(this, &earlier), Liveness::Dead);
        assert_eq!(here.liveness(this, &Namespaces::default()), Liveness::Unknown);
    }
}

//! Where the creators of leases and the reaper of a store find each other.
//!
//! That is a FIFO in the store. But the reaper holds its FIFO open, and a store on a filesystem of its
//! own could not be unmounted, such as that in an encrypted home directory. The FIFO of such a store is
//! in `/run/user/UID`, where that exists. The environment has no say in it: a cron job and a terminal
//! have to find the same FIFO.

use std::os::fd::OwnedFd;

use rustix::fs::{CWD, fstat, stat};
use rustix::io::Errno;

use crate::fs::private_dir::{check_closed, open_own};
use crate::lease::Store;
use crate::os::{Namespaces, effective_user};

/// The beginning of the name of a FIFO in a store, with the version of the format of leases.
const IN_STORE: &str = "reaper.2.";

/// The beginning of its name in another directory.
const ELSEWHERE: &str = "tmpx-reaper.2.";

/// The directory of the FIFO of a store, and its name there.
#[derive(Debug)]
pub(super) struct FifoPlace {
    pub dir: OwnedFd,
    pub name: String,
    pub is_in_store: bool,
}

impl FifoPlace {
    /// Returns the place for the reaper that judges from these namespaces.
    pub(super) fn of(store: &Store, namespaces: &Namespaces) -> Result<Self, Errno> {
        let at_root = stat("/")?;
        let own = fstat(store.dir())?;
        if own.st_dev != at_root.st_dev
            && let Some(dir) = runtime_dir().filter(|(_, device)| *device != own.st_dev)
        {
            let name = name(namespaces);
            let name = format!("{ELSEWHERE}{name}.{}.{}", own.st_dev, own.st_ino);
            return Ok(Self { dir: dir.0, name, is_in_store: false });
        }
        let dir = rustix::io::fcntl_dupfd_cloexec(store.dir(), 3)?;
        let name = format!("{IN_STORE}{}", name(namespaces));
        Ok(Self { dir, name, is_in_store: true })
    }

    /// Whether a name in a store or in the other directory is that of a FIFO, of whatever reaper.
    pub(super) fn is_name(name: &[u8]) -> bool {
        name.starts_with(b"reaper.") || name.starts_with(b"tmpx-reaper.")
    }
}

/// Opens the directory that systemd creates for each user who is logged in, if only the user can have
/// written to it. Returns it with its device.
fn runtime_dir() -> Option<(OwnedFd, u64)> {
    let (dir, stat) = open_own(CWD, format!("/run/user/{}", effective_user())).ok()?;
    check_closed(&stat).ok()?;
    Some((dir, stat.st_dev))
}

/// Returns the part of the name that says who can use the reaper. Process numbers mean something in one
/// namespace only, and paths from one root, so each has a reaper of its own. Root mounts never get the
/// same id again, so the name begins with the boot, by which a cleanup recognizes old ones. What is
/// unknown without /proc is 0: no lease from there has an owner.
fn name(namespaces: &Namespaces) -> String {
    let boot = namespaces.boot.as_deref().and_then(|boot| boot.get(..8)).unwrap_or("0");
    let (mount, inode) = namespaces.root.unwrap_or_default();
    let [pid_ns, time_ns, mnt_ns] =
        [namespaces.pid_ns, namespaces.time_ns, namespaces.mnt_ns].map(Option::unwrap_or_default);
    format!("{boot}.{pid_ns}.{time_ns}.{mnt_ns}.{mount}.{inode}")
}

//! Where the creators of leases and the reaper of a store find each other.
//!
//! That is a FIFO in the store. But the reaper holds its FIFO open, and a store on a filesystem of its
//! own could not be unmounted, such as that in an encrypted home directory. The FIFO of such a store is
//! in `/run/user/UID`, or else in `/dev/shm/.tmpx-UID`, where that is possible. The environment has no
//! say in it: a cron job and a terminal have to find the same FIFO.

use std::ffi::OsStr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Stat, fstat, stat};
use rustix::io::Errno;

use crate::fs::private_dir::{self, PrivateDirResult, check_closed, open_own, open_own_no_xdev};
use crate::lease::Store;
use crate::os::{Namespaces, effective_user};

/// The beginning of the name of a FIFO in a store, with the version of the format of leases.
const IN_STORE: &str = "reaper.2.";

/// The beginning of its name in another directory.
const ELSEWHERE: &str = "tmpx-reaper.2.";

/// A directory in memory that all users share. Nobody unmounts it while the system runs.
const SHARED_MEMORY: &str = "/dev/shm";

/// The directory of the FIFO of a store, and its name there.
#[derive(Debug)]
pub(super) struct FifoPlace {
    pub dir: OwnedFd,
    pub name: String,
    pub is_in_store: bool,
}

impl FifoPlace {
    /// Returns the place for the reaper that judges from these namespaces. Creates its directory if that
    /// is missing.
    pub(super) fn of(store: &Store, namespaces: &Namespaces) -> Result<Self, Errno> {
        Self::find(store, namespaces, private_dir::create)
    }

    /// Returns the place if a reaper can be there by now. Creates nothing.
    pub(super) fn existing(store: &Store, namespaces: &Namespaces) -> Result<Self, Errno> {
        Self::find(store, namespaces, |_, _| Err(Errno::NOENT.into()))
    }

    fn find(store: &Store, namespaces: &Namespaces, create: CreateDir) -> Result<Self, Errno> {
        let at_root = stat("/")?;
        let own = fstat(store.dir())?;
        let is_apart = |stat: &Stat| stat.st_dev != own.st_dev;
        if is_apart(&at_root)
            && let Some(dir) = runtime_dir(is_apart).or_else(|| shared_dir(is_apart, create))
        {
            let name = name(namespaces);
            let name = format!("{ELSEWHERE}{name}.{}.{}", own.st_dev, own.st_ino);
            return Ok(Self { dir, name, is_in_store: false });
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
/// written to it.
fn runtime_dir(is_apart: impl Fn(&Stat) -> bool) -> Option<OwnedFd> {
    let (dir, stat) = open_own(CWD, format!("/run/user/{}", effective_user())).ok()?;
    (is_apart(&stat) && check_closed(&stat).is_ok()).then_some(dir)
}

/// Creates a directory of ours with a name in another one.
type CreateDir = fn(BorrowedFd<'_>, &OsStr) -> PrivateDirResult<()>;

/// Opens our directory in memory, under the same conditions. Another user may have taken its name: then
/// there is none.
fn shared_dir(is_apart: impl Fn(&Stat) -> bool, create: CreateDir) -> Option<OwnedFd> {
    let parent = private_dir::open_parent(Path::new(SHARED_MEMORY)).ok()?;
    fstat(&parent).ok().filter(is_apart)?;
    let name = format!(".tmpx-{}", effective_user());
    let (parent, name) = (parent.as_fd(), OsStr::new(&name));
    let opened = match open_own_no_xdev(parent, name) {
        Err(err) if err.is_absent() => {
            create(parent, name).and_then(|()| open_own_no_xdev(parent, name))
        }
        opened => opened,
    };
    let (dir, stat) = opened.ok()?;
    check_closed(&stat).ok().map(|()| dir)
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

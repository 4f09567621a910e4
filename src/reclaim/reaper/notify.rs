//! The side of those who create and remove leases: notify the reaper, or start one.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::lease::Store;
use crate::os::Namespaces;
use crate::reclaim::reaper::fifo::{remove_unread, send_all, send_lease};
use crate::reclaim::reaper::place::FifoPlace;
use crate::sys;

/// The name under which tmpx is the reaper, as ps(1) shows it.
pub(crate) const NAME: &str = "tmpx-reaper";

/// Its argument after the path of a store in a directory that users share.
pub(crate) const SHARED: &str = "shared";

/// Notifies the reaper of a lease that has an end, and starts one if none runs. Returns at once. If
/// it fails, a later cleanup reclaims the lease.
pub(crate) fn notify_or_spawn(store: &Store, id: &str, namespaces: &Namespaces) -> io::Result<()> {
    if send_lease(store, id, namespaces)? { Ok(()) } else { spawn(store) }
}

/// Notifies the reaper, if one runs, that leases were removed: it may have nothing left to watch.
/// Removes what killed reapers have left.
pub(crate) fn wake(store: &Store, namespaces: &Namespaces) {
    if let Ok(place) = FifoPlace::existing(store, namespaces) {
        send_all(&place);
        if !place.is_in_store {
            remove_unread(place.dir.as_fd());
        }
    }
    remove_unread(store.dir());
}

/// Starts a reaper. Its exit status is never collected, since tmpx exits first. Neither /proc nor
/// /dev/null is needed: in a chroot they may be missing.
fn spawn(store: &Store) -> io::Result<()> {
    let path = store.path().parent().unwrap_or(store.path());
    let start = |program| {
        let mut command = Command::new(program);
        command.arg0(NAME).arg(path).args(store.is_shared().then_some(SHARED)).env_clear();
        command.stdin(idle()?).stdout(idle()?).stderr(idle()?).spawn().map(drop)
    };
    start(OsString::from("/proc/self/exe")).or_else(|err| sys::exec_path().map_or(Err(err), start))
}

/// Returns a descriptor that takes the number of a standard stream, so that no other file gets it. The
/// root directory is always there, and can be neither read nor written.
fn idle() -> io::Result<File> {
    let null = File::options().read(true).write(true).open("/dev/null");
    null.or_else(|_| File::open("/"))
}

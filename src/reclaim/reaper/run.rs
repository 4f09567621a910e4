//! The life of a reaper: it detaches from the caller, and watches leases until none is left.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use crate::os::Namespaces;
use crate::process::raise_fd_limit;
use crate::reclaim::reaper::fifo::Fifo;
use crate::reclaim::reaper::watch::Watch;
use crate::sys;
use crate::values::Status;

/// Runs as the reaper of the store in a directory until it has nothing left to watch.
pub(crate) fn run(path: &OsStr, is_shared: bool) -> Status {
    detach();
    match watch(Path::new(path), is_shared, &Namespaces::current()) {
        Ok(()) => Status::Success,
        Err(_) => Status::Failed,
    }
}

/// Gives up everything that the caller may wait for or want to unmount.
fn detach() {
    sys::close_from(3);
    let _ = rustix::process::setsid();
    let _ = rustix::process::chdir("/");
    let _ = rustix::thread::set_name(c"tmpx-reaper");
    // Each owner takes a descriptor, so raise the limit as far as it goes.
    let _ = raise_fd_limit();
}

/// Watches until nothing is left. A creator that sends its id just before the FIFO is closed finds a
/// reader that reads no more, so all leases are read again after closing it.
fn watch(path: &Path, is_shared: bool, namespaces: &Namespaces) -> io::Result<()> {
    let mut watch = Watch::new(path, is_shared, namespaces);
    let place = watch.place()?;
    while let Some(fifo) = Fifo::acquire(&place)? {
        watch.process_all()?;
        while watch.has_work() {
            watch.wait(&fifo)?;
        }
        fifo.remove(&place);
        watch.process_all()?;
        if !watch.has_work() {
            break;
        }
    }
    Ok(())
}

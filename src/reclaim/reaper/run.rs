//! The life of a reaper: it detaches from the caller, and watches leases until none is left.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use rustix::fs::Mode;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::lease::Store;
use crate::os::Namespaces;
use crate::reclaim::reaper::fifo::{self, Fifo};
use crate::reclaim::reaper::watch::Watch;
use crate::sys;
use crate::values::Status;

/// Runs as the reaper of a store until it has nothing left to watch.
pub(crate) fn run(store: &OsStr) -> Status {
    detach();
    let namespaces = Namespaces::current();
    let Ok(store) = Store::open(Path::new(store)) else { return Status::Failed };
    match watch(&store, &fifo::name(&namespaces), &namespaces) {
        Ok(()) => Status::Success,
        Err(_) => Status::Failed,
    }
}

/// Gives up everything that the caller may wait for or want to unmount.
fn detach() {
    sys::close_from(3);
    let _ = rustix::process::setsid();
    let _ = rustix::process::chdir("/");
    // A umask that denies access to the owner would make a FIFO that no creator can open.
    rustix::process::umask(Mode::from_raw_mode(0o077));
    let _ = rustix::thread::set_name(c"tmpx-reaper");
    // Each owner takes a descriptor, so raise the limit as far as it goes.
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    let _ = setrlimit(Resource::Nofile, files);
}

/// Watches until nothing is left. A creator that sends its id just before the FIFO is closed finds a
/// reader that reads no more, so all leases are read again after closing it.
fn watch(store: &Store, name: &str, namespaces: &Namespaces) -> io::Result<()> {
    while let Some(fifo) = Fifo::acquire(store, name)? {
        let mut watch = Watch::new(store, namespaces)?;
        watch.process_all()?;
        while watch.has_work() {
            watch.wait(&fifo)?;
        }
        fifo.remove(store, name);
        watch.process_all()?;
        if !watch.has_work() {
            break;
        }
    }
    Ok(())
}

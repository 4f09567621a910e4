//! The FIFO between the reaper and the creators of leases: presence and wake-up in one.
//!
//! A creator publishes its lease, opens the FIFO for writing without blocking, and writes the id.
//! ENXIO means that no reaper reads it. The lock on the FIFO makes its holder the only reaper.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, mknodat, openat, unlinkat};
use rustix::io::Errno;

use crate::lease::{Store, is_id};
use crate::os::Namespaces;
use crate::sys;

/// What the reaper is asked to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// New leases.
    Leases(Vec<String>),
    /// All leases: some were removed, so there may be nothing left to watch.
    All,
}

/// The line that stands for [`Message::All`]. No id looks like it.
const ALL: &str = "*";

/// How a creator opens the FIFO.
const TO_WRITE: OFlags =
    OFlags::WRONLY.union(OFlags::NONBLOCK).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// How many bytes the kernel holds for a FIFO.
const CAPACITY: usize = 64 * 1024;

/// The beginning of the name of a FIFO, with the version of the format of leases.
const PREFIX: &str = "reaper.2.";

/// Returns the name of the FIFO in a store. Process numbers mean something in one namespace only, and
/// paths from one root, so each has a reaper of its own. Root mounts never get the same id again, so
/// the name begins with the boot, by which a cleanup recognizes old ones. What is unknown without
/// /proc is 0: no lease from there has an owner.
pub(super) fn name(namespaces: &Namespaces) -> String {
    let boot = namespaces.boot.as_deref().and_then(|boot| boot.get(..8)).unwrap_or("0");
    let (mount, inode) = namespaces.root.unwrap_or_default();
    let [pid_ns, time_ns, mnt_ns] =
        [namespaces.pid_ns, namespaces.time_ns, namespaces.mnt_ns].map(Option::unwrap_or_default);
    format!("{PREFIX}{boot}.{pid_ns}.{time_ns}.{mnt_ns}.{mount}.{inode}")
}

/// Removes the FIFOs that no reaper reads: those of earlier boots, and those of killed reapers.
pub(super) fn remove_unread(store: &Store) {
    let entries = std::fs::read_dir(store.path()).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    for name in names.filter(|name| name.as_bytes().starts_with(b"reaper.")) {
        // A FIFO that nobody reads refuses a writer.
        if let Err(Errno::NXIO) = openat(store.dir(), &name, TO_WRITE, Mode::empty()) {
            let _ = unlinkat(store.dir(), &name, AtFlags::empty());
        }
    }
}

/// Sends a line: an id, or [`ALL`]. Returns false if no reaper reads it and one could be started.
fn send(store: &Store, line: &str, namespaces: &Namespaces) -> bool {
    let name = name(namespaces);
    match openat(store.dir(), &name, TO_WRITE, Mode::empty()) {
        Ok(fifo) => {
            // A full FIFO has a reader that will look at all leases.
            let _ = rustix::io::write(&fifo, format!("{line}\n").as_bytes());
        }
        Err(Errno::NXIO | Errno::NOENT) => return false,
        Err(_) => {}
    }
    true
}

/// Sends the id of a new lease. Returns false if no reaper reads it and one could be started.
pub(super) fn send_lease(store: &Store, id: &str, namespaces: &Namespaces) -> bool {
    send(store, id, namespaces)
}

/// Asks the reaper, if one runs, to look at all leases.
pub(super) fn send_all(store: &Store, namespaces: &Namespaces) {
    send(store, ALL, namespaces);
}

/// The reading end, whose lock this process holds.
#[derive(Debug)]
pub(super) struct Fifo(OwnedFd);

impl Fifo {
    /// Opens the FIFO `name`, which it creates if need be, and locks it. Returns `None` if another
    /// reaper has the lock.
    pub(super) fn acquire(store: &Store, name: &str) -> io::Result<Option<Self>> {
        // For reading and writing, so that no read ever reports the end that the last writer leaves.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            match mknodat(store.dir(), name, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(err) => return Err(err.into()),
            }
            let fifo = match openat(store.dir(), name, flags, Mode::empty()) {
                Ok(fifo) => fifo,
                Err(Errno::NOENT) => continue,
                Err(err) => return Err(err.into()),
            };
            if !sys::try_lock(fifo.as_fd())? {
                return Ok(None);
            }
            // The previous reaper may have removed it in between: no creator would find this one.
            if fstat(&fifo)?.st_nlink > 0 {
                return Ok(Some(Self(fifo)));
            }
        }
    }

    /// Removes the FIFO's name and closes it, which also unlocks it.
    #[expect(clippy::unused_self, reason = "dropping it closes the FIFO")]
    pub(super) fn remove(self, store: &Store, name: &str) {
        let _ = unlinkat(store.dir(), name, AtFlags::empty());
    }

    /// Reads what has been sent. Returns [`Message::All`] if anybody sent that, or if the FIFO was full
    /// and so may have lost ids.
    pub(super) fn receive(&self) -> io::Result<Message> {
        let mut bytes = Vec::new();
        let mut block = [0; 4096];
        loop {
            match rustix::io::read(&self.0, &mut block) {
                Ok(0) | Err(Errno::AGAIN) => break,
                Ok(count) => bytes.extend_from_slice(&block[..count]),
                Err(Errno::INTR) => {}
                Err(err) => return Err(err.into()),
            }
        }
        Ok(parse(&bytes))
    }
}

impl AsFd for Fifo {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn parse(bytes: &[u8]) -> Message {
    let text = String::from_utf8_lossy(bytes);
    // A line that did not fit was lost, so the FIFO counts as full a little earlier.
    if bytes.len() > CAPACITY - 256 || text.lines().any(|line| line == ALL) {
        return Message::All;
    }
    Message::Leases(text.lines().filter(|line| is_id(line)).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789ab-abcdefghij";

    #[test]
    fn lines_that_are_no_ids_are_ignored() {
        let text = format!("{ID}\nnonsense\n../{ID}\n");
        assert_eq!(parse(text.as_bytes()), Message::Leases(vec![ID.into()]));
        assert_eq!(parse(b""), Message::Leases(Vec::new()));
    }

    #[test]
    fn a_request_for_all_leases_or_a_full_fifo_stands_for_all() {
        assert_eq!(parse(format!("{ID}\n*\n{ID}\n").as_bytes()), Message::All);
        let full = format!("{ID}\n").repeat(CAPACITY / (ID.len() + 1));
        assert_eq!(parse(full.as_bytes()), Message::All);
    }
}

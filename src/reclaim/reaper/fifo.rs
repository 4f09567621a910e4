//! The FIFO between the reaper and the creators of leases: presence and wake-up in one.
//!
//! A creator publishes its lease, opens the FIFO for writing without blocking, and writes the id.
//! ENXIO means that no reaper reads it. The lock on the FIFO makes its holder the only reaper.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, mknodat, openat, unlinkat};
use rustix::io::Errno;

use crate::lease::{Store, is_id};
use crate::os::Namespaces;
use crate::reclaim::reaper::place::FifoPlace;
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

/// Removes the FIFOs in a directory that no reaper reads: those of earlier boots, and those of killed
/// reapers.
pub(super) fn remove_unread(dir: BorrowedFd<'_>) {
    let entries = Dir::read_from(dir).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| FifoPlace::is_name(entry.file_name().to_bytes())) {
        // A FIFO that nobody reads refuses a writer.
        if let Err(Errno::NXIO) = openat(dir, entry.file_name(), TO_WRITE, Mode::empty()) {
            let _ = unlinkat(dir, entry.file_name(), AtFlags::empty());
        }
    }
}

/// Sends the id of a new lease. Returns false if no reaper reads it and one could be started, and fails
/// if no reaper could.
pub(super) fn send_lease(store: &Store, id: &str, namespaces: &Namespaces) -> Result<bool, Errno> {
    let place = FifoPlace::of(store, namespaces)?;
    match send(&place, id) {
        Ok(()) => Ok(true),
        Err(Errno::NXIO) => Ok(false),
        // A filesystem may have no FIFOs. The creator has to find out, since nobody hears a reaper.
        Err(Errno::NOENT) => create(&place).map(|()| false),
        Err(err) => Err(err),
    }
}

/// Asks the reaper, if one runs, to look at all leases.
pub(super) fn send_all(place: &FifoPlace) {
    let _ = send(place, ALL);
}

/// Sends a line: an id, or [`ALL`].
fn send(place: &FifoPlace, line: &str) -> Result<(), Errno> {
    let fifo = open(place, TO_WRITE)?;
    // A full FIFO has a reader that will look at all leases.
    let _ = rustix::io::write(&fifo, format!("{line}\n").as_bytes());
    Ok(())
}

/// Creates the FIFO, if it is missing.
fn create(FifoPlace { dir, name, .. }: &FifoPlace) -> Result<(), Errno> {
    // A umask that denies access to the owner would make a FIFO that nobody can open.
    let umask = rustix::process::umask(Mode::from_raw_mode(0o077));
    let created = mknodat(dir, name, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0);
    rustix::process::umask(umask);
    if created == Err(Errno::EXIST) { Ok(()) } else { created }
}

/// Opens the FIFO. Removes what has its name and is none.
fn open(FifoPlace { dir, name, .. }: &FifoPlace, flags: OFlags) -> Result<OwnedFd, Errno> {
    let fifo = openat(dir, name, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&fifo)?.st_mode) == FileType::Fifo {
        return Ok(fifo);
    }
    unlinkat(dir, name, AtFlags::empty())?;
    Err(Errno::NOENT)
}

/// The reading end, whose lock this process holds.
#[derive(Debug)]
pub(super) struct Fifo(OwnedFd);

impl Fifo {
    /// Opens the FIFO, which it creates if need be, and locks it. Returns `None` if another reaper has
    /// the lock.
    pub(super) fn acquire(place: &FifoPlace) -> io::Result<Option<Self>> {
        // For reading and writing, so that no read ever reports the end that the last writer leaves.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            create(place)?;
            let fifo = match open(place, flags) {
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
    pub(super) fn remove(self, FifoPlace { dir, name, .. }: &FifoPlace) {
        let _ = unlinkat(dir, name, AtFlags::empty());
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

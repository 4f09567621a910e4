//! Reading and writing all bytes, and waiting, also on descriptors that do not block.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, pread};

/// Writes all bytes, waiting for room where the descriptor does not block.
pub(crate) fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            // The caller may have made stdout non-blocking.
            Err(Errno::AGAIN) => wait_for(fd, PollFlags::OUT)?,
            Err(err) => return Err(err.into()),
        }
    }
    Ok(())
}

/// Waits until a descriptor is ready for these events. It may return early, so the caller tries
/// again.
pub(crate) fn wait_for(fd: BorrowedFd<'_>, events: PollFlags) -> io::Result<()> {
    match poll(&mut [PollFd::from_borrowed_fd(fd, events)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(err) => Err(err.into()),
    }
}

/// Whether a file holds nothing but zeros, or nothing at all: what a crash of the system leaves of one that was
/// not on the disk yet.
pub(crate) fn is_zero(file: impl AsFd) -> io::Result<bool> {
    let mut block = vec![0; 64 * 1024];
    let mut offset = 0;
    loop {
        let read = read_at(&file, &mut block, offset)?;
        match read.len() {
            0 => return Ok(true),
            _ if read.iter().any(|byte| *byte != 0) => return Ok(false),
            length => offset += length as u64,
        }
    }
}

/// Reads a file from an offset on until the buffer is full or the file ends. Returns what it read.
pub(crate) fn read_at(file: impl AsFd, buffer: &mut [u8], offset: u64) -> io::Result<&[u8]> {
    let mut filled = 0;
    while filled < buffer.len() {
        match pread(&file, &mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(err) => return Err(err.into()),
        }
    }
    Ok(&buffer[..filled])
}

//! Bytes on their way between descriptors, as fast as the system moves them.
//!
//! In: a pipe is made as wide as an unprivileged user may have it, and emptied into a file inside the
//! kernel, which saves a copy and lets the file have large pages where the filesystem can (measured:
//! a fifth to a half of the time of reading and writing). Out: from the page cache to wherever the
//! reader is, without a copy in between.

use std::io;
use std::os::fd::AsFd;

use rustix::buffer::spare_capacity;
use rustix::event::PollFlags;
use rustix::fs::sendfile;
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, fcntl_setpipe_size, splice};

use crate::fs::rw::{wait_for, write_all};

/// How much is read at once: large enough that system calls cost nothing, small enough to stay in
/// a processor's cache between reading and writing (measured).
pub(crate) const BLOCK: usize = 256 * 1024;

/// What an unprivileged user may make of a pipe (`/proc/sys/fs/pipe-max-size`, unless changed).
const MAX_PIPE: usize = 1024 * 1024;

/// How much is handed to the kernel at once; more than this it does not take.
const MAX_CALL: u64 = 1 << 30;

/// Makes a pipe wide. What is no pipe, or may not be widened, stays as it is.
pub(crate) fn enlarge_pipe(pipe: impl AsFd) {
    let _ = fcntl_setpipe_size(pipe, MAX_PIPE);
}

/// Reads once into the spare capacity of a block, and waits for it if need be. 0 at the end.
pub(crate) fn read(from: impl AsFd, block: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        match rustix::io::read(&from, spare_capacity(block)) {
            Ok(count) => return Ok(count),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait_for(from.as_fd(), PollFlags::IN)?,
            Err(err) => return Err(err.into()),
        }
    }
}

/// Why bytes did not get from one descriptor to another.
#[derive(Debug)]
pub(crate) enum TransferError {
    /// They could not be read.
    Reading(io::Error),
    /// They could not be written.
    Writing(io::Error),
}

impl TransferError {
    /// The system's error, whichever side it was on.
    pub(crate) fn cause(self) -> io::Error {
        match self {
            Self::Reading(err) | Self::Writing(err) => err,
        }
    }
}

/// Copies what a stream brings until its end, and tells how much that was.
pub(crate) fn copy_to_end(from: impl AsFd, to: impl AsFd) -> Result<u64, TransferError> {
    enlarge_pipe(&from);
    let mut bytes = 0;
    loop {
        match splice(&from, None, &to, None, MAX_PIPE, SpliceFlags::empty()) {
            Ok(0) => return Ok(bytes),
            Ok(count) => bytes += count as u64,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                wait_for(from.as_fd(), PollFlags::IN).map_err(TransferError::Reading)?
            }
            Err(err) if is_unsupported(err) => break,
            Err(err) => return Err(TransferError::Writing(err.into())),
        }
    }
    let mut block = Vec::with_capacity(BLOCK);
    while read(&from, &mut block).map_err(TransferError::Reading)? > 0 {
        write_all(to.as_fd(), &block).map_err(TransferError::Writing)?;
        bytes += block.len() as u64;
        block.clear();
    }
    Ok(bytes)
}

/// Errors of a short way through the kernel that is not there: one of the two descriptors is of a
/// kind that it has none for, such as a file that is open for appending, or a sandbox knows no such
/// call.
fn is_unsupported(err: Errno) -> bool {
    matches!(err, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM | Errno::BADF)
}

/// Copies a part of a file to wherever, in the kernel where that can be, and tells how much that
/// was: less than wanted where the file ends before. The file's own offset counts for nothing.
pub(crate) fn copy_range(
    from: impl AsFd,
    start: u64,
    length: u64,
    to: impl AsFd,
) -> Result<u64, TransferError> {
    enlarge_pipe(&to);
    let end = start.saturating_add(length);
    let mut offset = start;
    while offset < end {
        let count = usize::try_from((end - offset).min(MAX_CALL)).unwrap_or(BLOCK);
        match sendfile(&to, &from, Some(&mut offset), count) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                wait_for(to.as_fd(), PollFlags::OUT).map_err(TransferError::Writing)?
            }
            Err(err) if is_unsupported(err) => {
                return copy_range_by_hand(&from, offset, end, &to).map(|end| end - start);
            }
            Err(err) => return Err(TransferError::Writing(err.into())),
        }
    }
    Ok(offset - start)
}

fn copy_range_by_hand(
    from: impl AsFd,
    start: u64,
    end: u64,
    to: impl AsFd,
) -> Result<u64, TransferError> {
    let mut block = Vec::with_capacity(BLOCK);
    let mut offset = start;
    while offset < end {
        block.clear();
        match rustix::io::pread(&from, spare_capacity(&mut block), offset) {
            Ok(0) => break,
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(err) => return Err(TransferError::Reading(err.into())),
        }
        let left = usize::try_from(end - offset).unwrap_or(BLOCK);
        block.truncate(left);
        write_all(to.as_fd(), &block).map_err(TransferError::Writing)?;
        offset += block.len() as u64;
    }
    Ok(offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read as _, Seek as _, Write as _};

    #[test]
    fn a_part_of_a_file_goes_to_a_file_for_appending_too() {
        let mut from = tempfile::tempfile().unwrap();
        from.write_all(b"0123456789").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, "old ").unwrap();
        let log = File::options().append(true).open(&path).unwrap();
        assert_eq!(copy_range(&from, 2, 5, &log).unwrap(), 5);
        assert_eq!(std::fs::read(&path).unwrap(), b"old 23456");
        let mut plain = tempfile::tempfile().unwrap();
        assert_eq!(copy_range(&from, 8, 100, &plain).unwrap(), 2, "the file ends there");
        plain.rewind().unwrap();
        let mut text = String::new();
        plain.read_to_string(&mut text).unwrap();
        assert_eq!(text, "89");
    }

    #[test]
    fn a_stream_is_read_to_its_end_although_it_does_not_block() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        let feeding = std::thread::spawn(move || {
            for _ in 0..100 {
                writer.write_all(&[7; 10_000]).unwrap();
            }
        });
        let to = tempfile::tempfile().unwrap();
        assert_eq!(copy_to_end(&reader, &to).unwrap(), 1_000_000);
        feeding.join().unwrap();
        assert_eq!(to.metadata().unwrap().len(), 1_000_000);
    }
}

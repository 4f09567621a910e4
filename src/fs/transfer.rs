//! Moves bytes between descriptors as fast as the system allows.
//!
//! From a pipe into a file: enlarges the pipe to the limit for unprivileged users, and splices it
//! inside the kernel. That saves a copy, and gives the file large pages if the filesystem supports
//! them (measured: a fifth to a half of the time that read and write take). From a file: sends the
//! page cache to the reader, also without a copy.

use std::io;
use std::os::fd::AsFd;

use rustix::buffer::spare_capacity;
use rustix::event::PollFlags;
use rustix::fs::sendfile;
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, fcntl_setpipe_size, splice};

use crate::fs::rw::{wait_for, write_all};

/// The size of one read, in bytes: large enough that the cost of system calls does not matter, and
/// small enough that the data stays in the processor's cache until it is written (measured).
pub(crate) const BLOCK: usize = 256 * 1024;

/// The size limit of a pipe for unprivileged users (default of `/proc/sys/fs/pipe-max-size`).
const MAX_PIPE: usize = 1024 * 1024;

/// The number of bytes per sendfile(2) call. The kernel transfers no more than about 2 GiB at once.
const MAX_CALL: u64 = 1 << 30;

/// The most that one step moves, in bytes, so that nothing else waits for long.
const MAX_STEP: u64 = 1 << 20;

/// What a pipe takes without waiting once it is writable, in bytes (`PIPE_BUF`).
pub(crate) const SMALL: usize = 4096;

/// Enlarges a pipe. Has no effect on other files, or if the limit is lower.
pub(crate) fn enlarge_pipe(pipe: impl AsFd) {
    let _ = fcntl_setpipe_size(pipe, MAX_PIPE);
}

/// Reads once into the spare capacity of a block, waiting if the descriptor does not block. Returns
/// 0 at the end.
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

/// The side of a transfer that failed.
#[derive(Debug)]
pub(crate) enum TransferError {
    /// Reading failed.
    Reading(io::Error),
    /// Writing failed.
    Writing(io::Error),
}

impl TransferError {
    /// Returns the system's error of either side.
    pub(crate) fn cause(self) -> io::Error {
        match self {
            Self::Reading(err) | Self::Writing(err) => err,
        }
    }
}

/// What one attempt to move bytes came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// It moved so many bytes: none if a signal came first.
    Moved(usize),
    /// It moved nothing, since nothing can be moved without waiting.
    Blocked,
    /// The source has ended.
    End,
    /// The reader of a pipe has closed it.
    ReaderGone,
}

impl Attempt {
    fn of_write(written: rustix::io::Result<usize>) -> Result<Self, TransferError> {
        match written {
            Ok(count) => Ok(Self::Moved(count)),
            Err(Errno::INTR) => Ok(Self::Moved(0)),
            Err(Errno::AGAIN) => Ok(Self::Blocked),
            Err(Errno::PIPE) => Ok(Self::ReaderGone),
            Err(err) => Err(TransferError::Writing(err.into())),
        }
    }
}

/// Copies a stream to its end, and returns the number of bytes. Passes the size of each piece to `count`.
pub(crate) fn copy_to_end(
    from: impl AsFd,
    to: impl AsFd,
    count: impl Fn(u64),
) -> Result<u64, TransferError> {
    enlarge_pipe(&from);
    let mut receiver = Receiver::default();
    let mut bytes = 0;
    loop {
        match receiver.step(&from, &to, SpliceFlags::empty())? {
            Attempt::Moved(moved) => {
                bytes += moved as u64;
                count(moved as u64);
            }
            Attempt::Blocked => {
                wait_for(from.as_fd(), PollFlags::IN).map_err(TransferError::Reading)?;
            }
            Attempt::End | Attempt::ReaderGone => return Ok(bytes),
        }
    }
}

/// Moves a stream into a file, step by step.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    /// Where bytes are in between, once the kernel has refused to move them itself.
    block: Option<Vec<u8>>,
}

impl Receiver {
    /// Moves what a stream has now. Waits for none if it does not block, or is a pipe and the flags
    /// say so.
    pub(crate) fn step(
        &mut self,
        from: impl AsFd,
        to: impl AsFd,
        flags: SpliceFlags,
    ) -> Result<Attempt, TransferError> {
        if self.block.is_none() {
            match splice(&from, None, &to, None, MAX_PIPE, flags) {
                Ok(0) => return Ok(Attempt::End),
                Ok(count) => return Ok(Attempt::Moved(count)),
                Err(Errno::INTR) => return Ok(Attempt::Moved(0)),
                Err(Errno::AGAIN) => return Ok(Attempt::Blocked),
                Err(err) if is_unsupported(err) => {}
                Err(err) => return Err(TransferError::Writing(err.into())),
            }
        }
        let block = self.block.get_or_insert_with(|| Vec::with_capacity(BLOCK));
        block.clear();
        match rustix::io::read(&from, spare_capacity(block)) {
            Ok(0) => return Ok(Attempt::End),
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Attempt::Moved(0)),
            Err(Errno::AGAIN) => return Ok(Attempt::Blocked),
            Err(err) => return Err(TransferError::Reading(err.into())),
        }
        write_all(to.as_fd(), block).map_err(TransferError::Writing)?;
        Ok(Attempt::Moved(block.len()))
    }
}

/// Writes bytes to a descriptor once.
pub(crate) fn write_once(to: impl AsFd, bytes: &[u8]) -> Result<Attempt, TransferError> {
    Attempt::of_write(rustix::io::write(to, bytes))
}

/// Moves bytes of a file to a descriptor once, inside the kernel if possible. Does not wait for a
/// pipe of which `is_shared_pipe` says that others may have set it to block.
pub(crate) fn send_once(
    from: impl AsFd,
    start: u64,
    length: u64,
    to: impl AsFd,
    is_shared_pipe: bool,
) -> Result<Attempt, TransferError> {
    let mut offset = start;
    let count = usize::try_from(length.min(MAX_STEP)).unwrap_or(SMALL);
    let sent = if is_shared_pipe {
        splice(&from, Some(&mut offset), &to, None, count, SpliceFlags::NONBLOCK)
    } else {
        sendfile(&to, &from, Some(&mut offset), count)
    };
    match sent {
        Ok(0) => Ok(Attempt::End),
        Ok(_) | Err(Errno::INTR | Errno::AGAIN | Errno::PIPE) => Attempt::of_write(sent),
        // The call is unsupported, or it fails and does not say on which side.
        Err(_) => {
            let mut buffer = [0; SMALL];
            let count = count.min(SMALL);
            match rustix::io::pread(&from, &mut buffer[..count], start) {
                Ok(0) => Ok(Attempt::End),
                Ok(count) => write_once(&to, &buffer[..count]),
                Err(Errno::INTR) => Ok(Attempt::Moved(0)),
                Err(err) => Err(TransferError::Reading(err.into())),
            }
        }
    }
}

/// Whether the kernel cannot move the bytes itself: a descriptor is of a kind that the call does not
/// support, such as a file open for appending, or a sandbox forbids the call.
fn is_unsupported(err: Errno) -> bool {
    matches!(err, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM | Errno::BADF)
}

/// Copies a part of a file to a descriptor, inside the kernel if possible, and returns the number of
/// bytes: fewer than `length` if the file ends earlier. Ignores the offset of the file.
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
                wait_for(to.as_fd(), PollFlags::OUT).map_err(TransferError::Writing)?;
            }
            // The call is unsupported, or it fails and does not say on which side.
            Err(_) => {
                return copy_range_with_write(&from, offset, end, &to).map(|end| end - start);
            }
        }
    }
    Ok(offset - start)
}

fn copy_range_with_write(
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
    fn a_part_of_a_file_is_copied_to_a_file_open_for_appending_too() {
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
    fn a_failure_is_that_of_the_side_that_failed() {
        let mut from = tempfile::tempfile().unwrap();
        from.write_all(b"0123456789").unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let write_only = File::options().write(true).open("/dev/null").unwrap();
        let to = tempfile::tempfile().unwrap();
        for is_shared_pipe in [false, true] {
            let sent = send_once(&from, 0, 10, &full, is_shared_pipe);
            assert!(matches!(sent, Err(TransferError::Writing(_))), "{sent:?}");
            let sent = send_once(&write_only, 0, 10, &to, is_shared_pipe);
            assert!(matches!(sent, Err(TransferError::Reading(_))), "{sent:?}");
            assert_eq!(send_once(&from, 10, 10, &to, is_shared_pipe).unwrap(), Attempt::End);
        }
        let copied = copy_range(&from, 0, 10, &full);
        assert!(matches!(copied, Err(TransferError::Writing(_))), "{copied:?}");
        let copied = copy_range(&write_only, 0, 10, &to);
        assert!(matches!(copied, Err(TransferError::Reading(_))), "{copied:?}");
    }

    #[test]
    fn a_step_does_not_wait_for_a_pipe_and_notices_that_its_reader_has_gone() {
        let mut from = tempfile::tempfile().unwrap();
        from.write_all(&vec![7; 200_000]).unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        let mut sent = 0;
        loop {
            match send_once(&from, sent, 200_000 - sent, &writer, true).unwrap() {
                Attempt::Moved(count) => sent += count as u64,
                step => break assert_eq!(step, Attempt::Blocked),
            }
        }
        assert!(sent > 0 && sent < 200_000);
        drop(reader);
        assert_eq!(send_once(&from, 0, 10, &writer, true).unwrap(), Attempt::ReaderGone);
        assert_eq!(write_once(&writer, b"more").unwrap(), Attempt::ReaderGone);
    }

    #[test]
    fn a_stream_that_does_not_block_is_read_to_its_end() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        let feeder = std::thread::spawn(move || {
            for _ in 0..100 {
                writer.write_all(&[7; 10_000]).unwrap();
            }
        });
        let to = tempfile::tempfile().unwrap();
        assert_eq!(copy_to_end(&reader, &to, |_| ()).unwrap(), 1_000_000);
        feeder.join().unwrap();
        assert_eq!(to.metadata().unwrap().len(), 1_000_000);
    }
}

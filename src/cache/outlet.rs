//! The streams that an output is passed on to, as fast as their readers read.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, fstat, sendfile};
use rustix::io::{Errno, pread};
use rustix::pipe::{SpliceFlags, splice};
use rustix::termios::isatty;

use crate::cache::format::OutputStream;

/// What a pipe takes without waiting once it is writable, in bytes (`PIPE_BUF`).
const ATOMIC: usize = 4096;

/// How much is moved at once, in bytes.
const MOVE: usize = 1 << 20;

/// The kernel moves a frame of which at least this much is left, in bytes.
const LARGE: u64 = 32 * 1024;

/// What a pipe holds while nobody reads it, in bytes.
const PIPE: u64 = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OutletKind {
    /// The kernel can move into it what it has room for, without waiting.
    Pipe,
    /// It takes everything at once: a file, or a device such as /dev/null.
    Ready,
    /// A terminal or a socket, or a pipe into which the kernel moves nothing: it may make a writer wait.
    Waiting,
}

/// A stream of tmpx.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub(super) fd: BorrowedFd<'static>,
    kind: OutletKind,
    /// The bytes that it has taken.
    taken: u64,
    /// Why nothing is written any more.
    closed: Option<OutletClosed>,
}

#[derive(Debug)]
enum OutletClosed {
    ReaderGone,
    Failed(io::Error),
}

impl Outlet {
    pub(crate) fn new(fd: BorrowedFd<'static>) -> Self {
        let kind = match fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Ok(FileType::Fifo) => OutletKind::Pipe,
            Ok(FileType::RegularFile) => OutletKind::Ready,
            Ok(FileType::CharacterDevice) if !isatty(fd) => OutletKind::Ready,
            _ => OutletKind::Waiting,
        };
        Self { fd, kind, taken: 0, closed: None }
    }

    pub(super) fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// Whether the kernel moves what is left of a frame in the entry's file. Each move takes slots of the pipe
    /// for itself, however little it moves; bytes that are written share slots. So a small rest is written, and
    /// so is the beginning: a pipe that nobody reads must hold about as much as without tmpx.
    fn is_moved(&self, left: u64) -> bool {
        self.kind == OutletKind::Pipe && left >= LARGE && self.taken >= PIPE
    }

    /// Whether it has to be writable before something is written, of which so much is in the entry's file:
    /// a process that waits in write(2) handles no signal.
    fn must_be_polled(&self, left_in_file: u64) -> bool {
        match self.kind {
            _ if !self.is_open() => false,
            OutletKind::Pipe => !self.is_moved(left_in_file),
            OutletKind::Ready => false,
            OutletKind::Waiting => true,
        }
    }

    /// Writes some of these bytes. It must be writable. Returns how many are done with.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        let most = if self.kind == OutletKind::Ready { MOVE } else { ATOMIC };
        let written = rustix::io::write(self.fd, &bytes[..bytes.len().min(most)]);
        self.done(written, bytes.len())
    }

    /// Sends some bytes of a file. Returns how many are done with: none if a pipe is full.
    pub(super) fn send(&mut self, file: BorrowedFd<'_>, at: u64, length: u64) -> usize {
        let all = usize::try_from(length).unwrap_or(usize::MAX);
        let mut offset = at;
        let sent = match self.kind {
            OutletKind::Pipe if self.is_moved(length) => {
                let flags = SpliceFlags::NONBLOCK;
                splice(file, Some(&mut offset), self.fd, None, all.min(MOVE), flags)
            }
            OutletKind::Ready => sendfile(self.fd, file, Some(&mut offset), all.min(MOVE)),
            OutletKind::Pipe | OutletKind::Waiting => return self.copy(file, at, all),
        };
        match sent {
            Ok(1..) | Err(Errno::PIPE | Errno::AGAIN | Errno::INTR) => self.done(sent, all),
            // From now on it must be writable first.
            _ if self.kind == OutletKind::Pipe => {
                self.kind = OutletKind::Waiting;
                0
            }
            // A file open for appending, or a sandbox that forbids the call. Another error occurs again.
            _ => self.copy(file, at, all),
        }
    }

    /// Copies some of so many bytes of a file. Returns how many are done with.
    fn copy(&mut self, file: BorrowedFd<'_>, at: u64, all: usize) -> usize {
        let mut buffer = [0; ATOMIC];
        let buffer = &mut buffer[..all.min(ATOMIC)];
        // Once more: a read that fails once may succeed.
        let read = pread(file, &mut *buffer, at).or_else(|_| pread(file, &mut *buffer, at));
        let copied = read.and_then(|read| rustix::io::write(self.fd, &buffer[..read]));
        // The file is ours alone, and does not shrink.
        let copied = if copied == Ok(0) { Err(Errno::IO) } else { copied };
        self.done(copied, all)
    }

    fn done(&mut self, written: rustix::io::Result<usize>, all: usize) -> usize {
        match written {
            Ok(count) => {
                self.taken += count as u64;
                count
            }
            Err(Errno::INTR | Errno::AGAIN) => 0,
            Err(err) => {
                self.closed = Some(match err {
                    Errno::PIPE => OutletClosed::ReaderGone,
                    err => OutletClosed::Failed(err.into()),
                });
                all
            }
        }
    }
}

/// Standard output and standard error of tmpx.
#[derive(Debug)]
pub(crate) struct Outlets([Outlet; 2]);

impl Outlets {
    pub(crate) fn new(out: BorrowedFd<'static>, err: BorrowedFd<'static>) -> Self {
        Self([Outlet::new(out), Outlet::new(err)])
    }

    /// Returns streams without a reader: nothing is passed on.
    pub(crate) fn unread(out: BorrowedFd<'static>, err: BorrowedFd<'static>) -> Self {
        let Self(outlets) = Self::new(out, err);
        Self(outlets.map(|outlet| Outlet { closed: Some(OutletClosed::ReaderGone), ..outlet }))
    }

    pub(crate) fn fds(&self) -> [BorrowedFd<'static>; 2] {
        self.0.each_ref().map(|outlet| outlet.fd)
    }

    pub(super) fn of(&mut self, stream: OutputStream) -> &mut Outlet {
        &mut self.0[stream.index()]
    }

    pub(super) fn is_open(&self, stream: OutputStream) -> bool {
        self.0[stream.index()].is_open()
    }

    pub(super) fn must_be_polled(&self, stream: OutputStream, left_in_file: u64) -> bool {
        self.0[stream.index()].must_be_polled(left_in_file)
    }

    /// Returns why standard output could not be written, unless its reader has gone.
    pub(crate) fn into_stdout_error(self) -> Option<io::Error> {
        let [out, _] = self.0;
        match out.closed? {
            OutletClosed::Failed(err) => Some(err),
            OutletClosed::ReaderGone => None,
        }
    }
}

//! Keeps other processes from changing a file between the last look at it and its replacement.
//!
//! Other tmpx processes wait for a lock on the directory, or on the file where the directory cannot
//! be locked. Programs that know nothing of the lock are noticed: those that have the file open for
//! writing by a kernel lease, those that replace it by the file that comes out of an exchange.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, openat};
use rustix::io::Errno;

use crate::streams::target::{Existing, OnChange, ReplaceError, Target};
use crate::sys::{acquire_read_lease, has_read_lease};

/// How long to wait for the lock. tmpx itself never holds it while it waits for input, but a script
/// may lock a directory and run tmpx in it (flock(1)). After that time, the exchange alone protects
/// the file.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait for the lock to replace a file whatever its content is: only a moment, as nothing
/// but a kill within that moment makes a difference.
const SHORT_PATIENCE: Duration = Duration::from_millis(200);

/// How long to wait for a process that has the file open for writing.
const WRITER_PATIENCE: Duration = Duration::from_secs(2);

/// The lock that all tmpx processes acquire before they replace a file. Dropping it releases it.
#[derive(Debug)]
pub(crate) struct CommitLock {
    fd: Option<OwnedFd>,
    /// Whether that is the file, open for writing.
    is_writer: bool,
}

impl CommitLock {
    const NONE: Self = Self { fd: None, is_writer: false };

    /// Locks the directory of a target, or its file where the directory cannot be opened.
    pub(crate) fn acquire(target: &Target, on_change: OnChange) -> Self {
        let patience = match on_change {
            OnChange::Replace => SHORT_PATIENCE,
            OnChange::Fail | OnChange::Append => LOCK_PATIENCE,
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if let Ok(dir) = openat(target.dir(), c".", flags, Mode::empty()) {
            match lock(&dir, patience) {
                Ok(true) => return Self { fd: Some(dir), is_writer: false },
                Ok(false) => return Self::NONE,
                Err(_) => {}
            }
        }
        // The lock is of no use on a file that has lost its name while this process waited.
        for _ in 0..1000 {
            let Ok(mut file) = target.open_file(OFlags::RDONLY) else { break };
            let mut locked = lock(&file, patience);
            // A network filesystem locks only files that are open for writing (flock(2)).
            let is_writer = locked == Err(Errno::BADF);
            if is_writer && let Ok(writer) = target.open_file(OFlags::RDWR) {
                file = writer;
                locked = lock(&file, patience);
            }
            if locked != Ok(true) {
                break;
            }
            let now = target.look_up();
            if let (Ok(Some(now)), Ok(stat)) = (now, fstat(&file))
                && now.is_same_file(&stat)
            {
                return Self { fd: Some(file), is_writer };
            }
        }
        Self::NONE
    }

    /// Whether this process has the file open for writing, so that a lease of the kernel shows nothing.
    pub(crate) fn is_writer(&self) -> bool {
        self.is_writer
    }

    /// Whether no other tmpx process can replace the file meanwhile.
    pub(crate) fn is_held(&self) -> bool {
        self.fd.is_some()
    }
}

/// Locks a file. Returns `false` if others hold the lock for too long.
fn lock(fd: &OwnedFd, patience: Duration) -> rustix::io::Result<bool> {
    poll(patience, || match flock(fd, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Some(Ok(())),
        Err(Errno::WOULDBLOCK | Errno::INTR) => None,
        Err(err) => Some(Err(err)),
    })
    .transpose()
    .map(|locked| locked.is_some())
}

/// Calls `act` until it returns a value, with pauses that grow to 10 ms.
fn poll<T>(patience: Duration, mut act: impl FnMut() -> Option<T>) -> Option<T> {
    let begin = Instant::now();
    let mut pause = Duration::from_micros(200);
    loop {
        let result = act();
        if result.is_some() || begin.elapsed() >= patience {
            return result;
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// Shows whether another process writes to the file that is about to be replaced.
#[derive(Debug)]
pub(crate) struct WriteGuard {
    leased: Option<OwnedFd>,
}

impl WriteGuard {
    /// Begins to watch a file. Waits until no process has it open for writing, and fails if one keeps
    /// it open. Does nothing where the system grants no lease: on network filesystems, and for files
    /// of other users, except to root.
    pub(crate) fn watch(
        target: &Target,
        existing: &Existing,
        on_change: OnChange,
    ) -> Result<Self, ReplaceError> {
        let none = Self { leased: None };
        let Ok(Some(file)) = target.open_if_same(existing) else { return Ok(none) };
        let leased = poll(WRITER_PATIENCE, || match acquire_read_lease(file.as_fd()) {
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => None,
            result => Some(result.is_ok()),
        });
        match leased {
            Some(true) => Ok(Self { leased: Some(file) }),
            None => Err(ReplaceError::OpenForWriting(on_change)),
            Some(false) => Ok(none),
        }
    }

    /// Whether a process has begun to open the file for writing.
    pub(crate) fn saw_writer(&self) -> bool {
        self.leased.as_ref().is_some_and(|file| !has_read_lease(file.as_fd()))
    }
}

//! Open-file-description locks on whole files, and on single bytes of a file.
//!
//! A lock belongs to the open file description, so to every process that holds a copy of the
//! descriptor. The kernel releases it when the last copy is closed.

use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd};

fn whole_file_lock(kind: c_int) -> libc::flock {
    // SAFETY: flock is a C struct of integers, for which all zeroes is valid. Zero also means the
    // whole file in l_start and l_len, and the OFD calls require it in l_pid.
    let mut lock: libc::flock = unsafe { MaybeUninit::zeroed().assume_init() };
    #[expect(clippy::cast_possible_truncation, reason = "small constants of the C interface")]
    {
        lock.l_type = kind as _;
        lock.l_whence = libc::SEEK_SET as _;
    }
    lock
}

/// Acquires the exclusive lock. Returns `false` if another open file description holds a lock.
pub(crate) fn try_lock(fd: BorrowedFd<'_>) -> io::Result<bool> {
    match set_lock(fd, libc::F_WRLCK) {
        Ok(()) => Ok(true),
        Err(err) if matches!(err.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(err) => Err(err),
    }
}

/// Acquires a shared lock, which replaces an exclusive one that `fd` holds. A descriptor open for
/// reading is enough. While a shared lock is held, no process gets the exclusive one.
pub(crate) fn share_lock(fd: BorrowedFd<'_>) -> io::Result<()> {
    set_lock(fd, libc::F_RDLCK)
}

fn set_lock(fd: BorrowedFd<'_>, kind: c_int) -> io::Result<()> {
    let lock = whole_file_lock(kind);
    // SAFETY: `lock` lives until the call returns, and F_OFD_SETLK only reads it.
    let done = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
    if done == -1 { Err(lock_error()) } else { Ok(()) }
}

/// Returns the error of the last call for a lock. A kernel that has no such locks finds the call invalid.
fn lock_error() -> io::Error {
    match io::Error::last_os_error() {
        err if err.raw_os_error() == Some(libc::EINVAL) => {
            io::Error::other("this kernel has no open file description locks (Linux 3.15 has)")
        }
        err => err,
    }
}

/// Whether another open file description holds a lock. Acquires nothing: a reader that held the lock
/// for a moment would make a concurrent cleanup skip the lease.
pub(crate) fn is_locked(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut lock = whole_file_lock(libc::F_WRLCK);
    // SAFETY: `lock` lives until the call returns, which writes the answer into it.
    let done = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    if done == -1 {
        return Err(lock_error());
    }
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

/// How a byte of a file is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteLock {
    /// Several open file descriptions may hold it at once.
    Shared,
    /// One holds it, and no other holds a shared one.
    Exclusive,
}

impl ByteLock {
    fn kind(self) -> c_int {
        match self {
            Self::Shared => libc::F_RDLCK,
            Self::Exclusive => libc::F_WRLCK,
        }
    }
}

/// Describes the lock of one byte. An offset that the type cannot hold is cut: two bytes may then have
/// one lock.
fn byte_lock(kind: c_int, offset: u64) -> libc::flock {
    let mut lock = whole_file_lock(kind);
    let max = libc::off_t::MAX.unsigned_abs();
    #[allow(clippy::useless_conversion, reason = "the width differs between architectures")]
    let offset = libc::off_t::try_from(offset & u64::from(max)).unwrap_or(0);
    lock.l_start = offset;
    lock.l_len = 1;
    lock
}

/// Locks a byte of a file, which need not exist. Returns `false` if another open file description
/// holds a lock that excludes this one.
pub(crate) fn try_lock_byte(fd: BorrowedFd<'_>, offset: u64, how: ByteLock) -> io::Result<bool> {
    let lock = byte_lock(how.kind(), offset);
    loop {
        // SAFETY: `lock` lives until the call returns, and F_OFD_SETLK only reads it.
        let done = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
        if done != -1 {
            return Ok(true);
        }
        match io::Error::last_os_error() {
            err if matches!(err.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => {
                return Ok(false);
            }
            err if err.kind() == io::ErrorKind::Interrupted => {}
            err => return Err(err),
        }
    }
}

/// Waits until no other open file description holds a lock that excludes this one, and locks the
/// byte. A signal with its default action ends the process meanwhile.
pub(crate) fn wait_lock_byte(fd: BorrowedFd<'_>, offset: u64, how: ByteLock) -> io::Result<()> {
    let lock = byte_lock(how.kind(), offset);
    loop {
        // SAFETY: `lock` lives until the call returns, and F_OFD_SETLKW only reads it.
        let done = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLKW, &raw const lock) };
        if done != -1 {
            return Ok(());
        }
        match io::Error::last_os_error() {
            err if err.kind() == io::ErrorKind::Interrupted => {}
            err => return Err(err),
        }
    }
}

/// Releases the lock of a byte.
pub(crate) fn unlock_byte(fd: BorrowedFd<'_>, offset: u64) {
    let lock = byte_lock(libc::F_UNLCK, offset);
    // SAFETY: `lock` lives until the call returns, and F_OFD_SETLK only reads it. Releasing a lock
    // does not fail.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
}

/// Whether another open file description holds a lock on a byte.
pub(crate) fn is_byte_locked(fd: BorrowedFd<'_>, offset: u64) -> io::Result<bool> {
    let mut lock = byte_lock(libc::F_WRLCK, offset);
    // SAFETY: `lock` lives until the call returns, which writes the answer into it.
    let done = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    if done == -1 {
        return Err(lock_error());
    }
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

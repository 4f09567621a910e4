//! Open-file-description locks on whole files.
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
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether another open file description holds a lock. Acquires nothing: a reader that held the lock
/// for a moment would make a concurrent cleanup skip the lease.
pub(crate) fn is_locked(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut lock = whole_file_lock(libc::F_WRLCK);
    // SAFETY: `lock` lives until the call returns, which writes the answer into it.
    let done = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

//! Open-file-description locks, on whole files.

use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd};

fn whole_file_lock(kind: c_int) -> libc::flock {
    // SAFETY: flock is a C struct of integers, for which all zeroes is valid. Zero is also what is
    // wanted for l_start, l_len (to the end, wherever that is) and l_pid (the OFD calls want 0).
    let mut lock: libc::flock = unsafe { MaybeUninit::zeroed().assume_init() };
    #[allow(clippy::cast_possible_truncation, reason = "small constants of the C interface")]
    {
        lock.l_type = kind as _;
        lock.l_whence = libc::SEEK_SET as _;
    }
    lock
}

/// Takes the exclusive lock on the open file description behind `fd`: it belongs to whoever holds
/// a copy of the descriptor, and is gone when the last copy is closed. `false` where somebody
/// else has it.
pub(crate) fn try_lock(fd: BorrowedFd<'_>) -> io::Result<bool> {
    match set_lock(fd, libc::F_WRLCK) {
        Ok(()) => Ok(true),
        Err(err) if matches!(err.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(err) => Err(err),
    }
}

/// Takes a lock that others may have too, in place of the exclusive one where `fd` has that. It
/// needs no more than reading, and keeps off whoever wants the exclusive one.
pub(crate) fn share_lock(fd: BorrowedFd<'_>) -> io::Result<()> {
    set_lock(fd, libc::F_RDLCK)
}

fn set_lock(fd: BorrowedFd<'_>, kind: c_int) -> io::Result<()> {
    let lock = whole_file_lock(kind);
    // SAFETY: `lock` lives through the call and F_OFD_SETLK only reads it.
    let done = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether somebody else holds the lock that [`try_lock`] takes. Only looks: a probe that took the
/// lock for a moment would make a cleaner that comes by in that moment pass the lease over.
pub(crate) fn is_locked(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut lock = whole_file_lock(libc::F_WRLCK);
    // SAFETY: `lock` lives through the call, which writes the answer into it.
    let done = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

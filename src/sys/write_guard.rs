//! A kernel lease on a file, which shows whether another process opens it for writing (fcntl(2)).

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// `F_SETSIG`, which the libc crate lacks. All architectures that Rust supports on Linux agree on it.
const F_SETSIG: c_int = 10;

/// Acquires a read lease, which lasts until the descriptor is closed. The descriptor must be
/// read-only. Fails with `EAGAIN` if any process has the file open for writing. Only the owner of the
/// file and root may hold a lease, and not every filesystem has them.
///
/// A process that opens the file for writing meanwhile waits until the lease ends, and breaks it.
pub(crate) fn acquire_read_lease(file: BorrowedFd<'_>) -> io::Result<()> {
    // The kernel announces the break by SIGIO, which would end tmpx. SIGURG is ignored by default.
    fcntl(file, F_SETSIG, libc::SIGURG)?;
    fcntl(file, libc::F_SETLEASE, libc::F_RDLCK).map(drop)
}

/// Whether the read lease is unbroken.
pub(crate) fn has_read_lease(file: BorrowedFd<'_>) -> bool {
    fcntl(file, libc::F_GETLEASE, 0).is_ok_and(|kind| kind == libc::F_RDLCK)
}

fn fcntl(file: BorrowedFd<'_>, command: c_int, value: c_int) -> io::Result<c_int> {
    // SAFETY: these commands pass a number and access no memory.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), command, value) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

//! Calls on descriptors.

use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

/// Copies a descriptor to one of at least `min`, which commands that are run inherit.
pub(crate) fn duplicate_inheritable(fd: BorrowedFd<'_>, min: i32) -> io::Result<OwnedFd> {
    let copy = rustix::io::fcntl_dupfd_cloexec(fd, min)?;
    rustix::io::fcntl_setfd(&copy, rustix::io::FdFlags::empty())?;
    Ok(copy)
}

/// Closes all descriptors from `first` on, of which nothing in this process knows.
pub(crate) fn close_from(first: u32) {
    /// `close_range(2)`, by number: the same on all architectures.
    const SYS_CLOSE_RANGE: libc::c_long = 436;
    // SAFETY: called before this process has opened anything of its own, so no owner of a
    // descriptor loses it.
    let done = unsafe { libc::syscall(SYS_CLOSE_RANGE, first, u32::MAX, 0) };
    if done == -1 {
        // Before Linux 5.9, one by one, up to what a process may usually have.
        for fd in first..1024 {
            // SAFETY: the same; a number that stands for nothing is an error and no more.
            unsafe { libc::close(c_int::try_from(fd).unwrap_or(c_int::MAX)) };
        }
    }
}

/// Gives the calling thread a working directory, umask and root of its own, which begin as the
/// process's, so that fchdir(2) is nobody else's concern.
pub(crate) fn own_working_directory() -> io::Result<()> {
    // SAFETY: the descriptors, which safe code relies on all threads having, stay shared.
    Ok(unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::FS) }?)
}

/// `fchmodat2(2)`, by number: since Linux 5.1 new calls have the same one on all architectures that
/// Rust has tier 1 or 2 for.
const SYS_FCHMODAT2: libc::c_long = 452;

/// Sets the mode of what an `O_PATH` descriptor stands for, which fchmod(2) refuses to do. Kernels
/// before 6.6 have no call for it; there the descriptor's entry in /proc serves.
pub(crate) fn chmod_path_fd(fd: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    // SAFETY: the empty string is a C string; the call reads nothing else.
    let done = unsafe {
        libc::syscall(
            SYS_FCHMODAT2,
            fd.as_raw_fd(),
            c"".as_ptr().cast::<c_void>(),
            mode,
            libc::AT_EMPTY_PATH,
        )
    };
    if done == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        // Some sandboxes answer with EPERM to what they do not know.
        err if matches!(err.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
            let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
            // That there is no /proc says nothing of the file.
            rustix::fs::chmod(path, rustix::fs::Mode::from_raw_mode(mode)).map_err(|_| err)
        }
        err => Err(err),
    }
}

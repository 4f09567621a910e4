//! Calls on descriptors, and on the working directory of a thread.

use std::ffi::{CStr, OsStr, OsString, c_int, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, CWD, linkat, lstat};
use rustix::io::Errno;

/// Duplicates a descriptor to a number of at least `min`. Commands that tmpx runs inherit the
/// duplicate.
pub(crate) fn duplicate_inheritable(fd: BorrowedFd<'_>, min: i32) -> io::Result<OwnedFd> {
    let copy = rustix::io::fcntl_dupfd_cloexec(fd, min)?;
    rustix::io::fcntl_setfd(&copy, rustix::io::FdFlags::empty())?;
    Ok(copy)
}

/// Closes all descriptors from `first` on, which the process has inherited and does not use.
pub(crate) fn close_from(first: u32) {
    /// `close_range(2)`; the number is the same on all architectures.
    const SYS_CLOSE_RANGE: libc::c_long = 436;
    // SAFETY: the process has opened no descriptor of its own yet, so the call closes none that a
    // value owns.
    let done = unsafe { libc::syscall(SYS_CLOSE_RANGE, first, u32::MAX, 0) };
    if done == -1 {
        // Before Linux 5.9: one by one, up to the usual limit on open files.
        for fd in first..1024 {
            // SAFETY: as above; closing an unused number only returns an error.
            unsafe { libc::close(c_int::try_from(fd).unwrap_or(c_int::MAX)) };
        }
    }
}

/// Gives the calling thread its own copy of the working directory, umask and root, so that it can
/// call fchdir(2) without affecting other threads.
pub(crate) fn unshare_working_directory() -> io::Result<()> {
    // SAFETY: safe code relies on all threads sharing their descriptors, and FS leaves them shared.
    Ok(unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::FS) }?)
}

/// `fchmodat2(2)`. Calls added since Linux 5.1 have the same number on all architectures that Rust
/// supports as tier 1 or 2.
const SYS_FCHMODAT2: libc::c_long = 452;

/// Sets the mode of the file behind an `O_PATH` descriptor, which fchmod(2) refuses to do. Kernels
/// before 6.6 have no call for it; on those, it goes through the descriptor's entry in /proc.
pub(crate) fn chmod_path_fd(fd: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    // SAFETY: the path is a C string, and the call reads no other memory.
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
        // Some sandboxes answer unknown calls with EPERM.
        err if matches!(err.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
            // A missing /proc says nothing about the file, so report the first error.
            rustix::fs::chmod(proc_path(fd), rustix::fs::Mode::from_raw_mode(mode)).map_err(|_| err)
        }
        err => Err(err),
    }
}

/// Returns the path by which the kernel has started this program. It is relative to the working
/// directory of that moment.
pub(crate) fn exec_path() -> Option<OsString> {
    // SAFETY: the call only reads the auxiliary vector of the process.
    let address = unsafe { libc::getauxval(libc::AT_EXECFN) };
    let path =
        std::ptr::with_exposed_provenance::<std::ffi::c_char>(usize::try_from(address).ok()?);
    if path.is_null() {
        return None;
    }
    // SAFETY: the kernel has put this C string on the stack of the process, where it stays.
    let path = unsafe { CStr::from_ptr(path) };
    Some(OsStr::from_bytes(path.to_bytes()).to_owned())
}

/// Gives an unnamed file a name. Without /proc, the call that needs privileges before Linux 6.10 does
/// it.
pub(crate) fn link_open_file(
    file: impl AsFd,
    dir: impl AsFd,
    name: &OsStr,
) -> rustix::io::Result<()> {
    let path = proc_path(&file);
    match linkat(CWD, &path, &dir, name, AtFlags::SYMLINK_FOLLOW) {
        Err(Errno::NOENT) if lstat(&path).is_err() => {}
        linked => return linked,
    }
    linkat(file, c"", dir, name, AtFlags::EMPTY_PATH)
}

/// Whether [`link_open_file`] works in this directory. Many sandboxes do not let anybody link files.
pub(crate) fn can_link_open_file(file: impl AsFd, dir: impl AsFd) -> bool {
    // Nothing can get this name. The kernel finds that out after it has found the file.
    link_open_file(file, dir, OsStr::new(".")) == Err(Errno::EXIST)
}

/// Returns a path by which an open file can be linked, reopened or changed, whether or not it has a
/// name.
pub(crate) fn proc_path(file: impl AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}

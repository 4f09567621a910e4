//! File handles, which identify a file beyond the life of its inode number.

use std::ffi::{CStr, c_int};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

/// The size of the largest handle that the kernel returns, in bytes (`MAX_HANDLE_SZ`).
const MAX_HANDLE: usize = 128;

/// `struct file_handle` with space for its data.
#[repr(C)]
struct HandleBuffer {
    bytes: u32,
    kind: i32,
    data: [u8; MAX_HANDLE],
}

/// A file handle. It identifies one file on its filesystem and never a later one: filesystems reuse
/// inode numbers, but a handle also carries a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handle {
    /// The type, which the filesystem defines.
    pub kind: i32,
    /// The data, which only the filesystem interprets.
    pub data: Vec<u8>,
}

/// Returns the handle of `name` in `dir`, or of `dir` itself if `name` is empty. Does not follow a
/// symlink.
pub(crate) fn handle_at(dir: impl AsFd, name: &CStr) -> io::Result<Handle> {
    Ok(name_to_handle_at(dir, name, 0)?.0.handle())
}

/// Returns a handle that only identifies `name` in `dir`, or `dir` itself if `name` is empty, and
/// cannot be opened. Some filesystems have no other handles. Since Linux 6.5; it is an inode number
/// and nothing else where a filesystem does not say better.
pub(crate) fn fid_at(dir: impl AsFd, name: &CStr) -> io::Result<Handle> {
    Ok(name_to_handle_at(dir, name, libc::AT_HANDLE_FID)?.0.handle())
}

impl HandleBuffer {
    fn handle(&self) -> Handle {
        let length = usize::try_from(self.bytes).unwrap_or(MAX_HANDLE).min(MAX_HANDLE);
        Handle { kind: self.kind, data: self.data[..length].to_vec() }
    }
}

/// Opens a directory (`O_PATH`) by its handle. `mount` is any directory of its filesystem, open for
/// reading. Fails with `ESTALE` if the directory no longer exists.
pub(crate) fn open_by_handle(mount: BorrowedFd<'_>, handle: &Handle) -> io::Result<OwnedFd> {
    let length = handle.data.len();
    let mut data = [0; MAX_HANDLE];
    let Some(space) = data.get_mut(..length) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    space.copy_from_slice(&handle.data);
    let bytes = u32::try_from(length).unwrap_or(0);
    let mut buffer = HandleBuffer { bytes, kind: handle.kind, data };
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: HandleBuffer has the layout of struct file_handle, followed by as many bytes as its
    // first field says. The pointer is to a live value.
    let fd = unsafe {
        let buffer = (&raw mut buffer).cast::<libc::file_handle>();
        libc::open_by_handle_at(mount.as_raw_fd(), buffer, flags)
    };
    if fd == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just opened this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Returns the id of the mount that a descriptor was opened on. Since Linux 2.6.39; fails on
/// filesystems without handles.
pub(crate) fn mount_id(fd: impl AsFd) -> io::Result<i32> {
    name_to_handle_at(fd, c"", 0).map(|(_, mount_id)| mount_id)
}

fn name_to_handle_at(dir: impl AsFd, name: &CStr, flags: c_int) -> io::Result<(HandleBuffer, i32)> {
    let mut buffer = HandleBuffer {
        bytes: u32::try_from(MAX_HANDLE).unwrap_or(u32::MAX),
        kind: 0,
        data: [0; MAX_HANDLE],
    };
    let mut mount_id: c_int = 0;
    let empty_path = if name.is_empty() { libc::AT_EMPTY_PATH } else { 0 };
    // SAFETY: HandleBuffer has the layout of struct file_handle, followed by as many bytes as its
    // first field says. All pointers are to live values.
    let done = unsafe {
        libc::name_to_handle_at(
            dir.as_fd().as_raw_fd(),
            name.as_ptr(),
            (&raw mut buffer).cast::<libc::file_handle>(),
            &raw mut mount_id,
            flags | empty_path,
        )
    };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok((buffer, mount_id)) }
}

//! File handles.

use std::ffi::{CStr, c_int};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};

/// The largest handle that the kernel makes, in bytes (`MAX_HANDLE_SZ`).
const MAX_HANDLE: usize = 128;

#[repr(C)]
struct HandleBuffer {
    bytes: u32,
    kind: i32,
    data: [u8; MAX_HANDLE],
}

/// A file handle, which names a file on its filesystem for as long as the file exists and never
/// again after it: inode numbers are used again, handles carry a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle {
    /// The filesystem's kind of handle.
    pub kind: i32,
    /// What the filesystem put into it.
    pub data: Vec<u8>,
}

/// The handle of `name` in `dir`, or of `dir` itself where `name` is empty. A symlink is not
/// followed.
pub(crate) fn handle_at(dir: impl AsFd, name: &CStr) -> io::Result<Handle> {
    let mut buffer = HandleBuffer {
        bytes: u32::try_from(MAX_HANDLE).unwrap_or(u32::MAX),
        kind: 0,
        data: [0; MAX_HANDLE],
    };
    let mut mount_id: c_int = 0;
    let flags = if name.is_empty() { libc::AT_EMPTY_PATH } else { 0 };
    // SAFETY: HandleBuffer has the layout of struct file_handle with room for the number of bytes
    // it announces; all pointers are to live objects.
    let done = unsafe {
        libc::name_to_handle_at(
            dir.as_fd().as_raw_fd(),
            name.as_ptr(),
            (&raw mut buffer).cast::<libc::file_handle>(),
            &raw mut mount_id,
            flags,
        )
    };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    let length = usize::try_from(buffer.bytes).unwrap_or(MAX_HANDLE).min(MAX_HANDLE);
    Ok(Handle { kind: buffer.kind, data: buffer.data[..length].to_vec() })
}

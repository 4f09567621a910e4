//! Bind mounts in a mount namespace that belongs to one command.

use std::ffi::{CStr, CString, c_int, c_ulong};
use std::{io, ptr};

use rustix::fs::{Mode, OFlags, fstat, open, openat, stat};
use rustix::process::{chdir, fchdir};

/// Directories to mount over others for one command.
///
/// The mounts are created in the new process, between fork(2) and execve(2), where allocating memory
/// is not allowed. So everything that allocates is prepared before.
#[derive(Clone, Debug)]
pub(crate) struct PrivateMounts {
    /// Each directory, and the path to mount it on.
    binds: Vec<(CString, CString)>,
    working_dir: Option<WorkingDir>,
    uid_map: Vec<u8>,
    gid_map: Vec<u8>,
}

/// A directory, by its path and its identity.
#[derive(Clone, Debug)]
struct WorkingDir {
    path: CString,
    id: (u64, u64),
}

const DIRECTORY: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl PrivateMounts {
    /// Plans bind mounts, in this order: each directory, relative to the working directory of the
    /// new process, and the path to mount it on.
    pub(crate) fn new(binds: Vec<(CString, CString)>) -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        Self {
            binds,
            working_dir: None,
            uid_map: format!("{uid} {uid} 1").into_bytes(),
            gid_map: format!("{gid} {gid} 1").into_bytes(),
        }
    }

    /// Sets the directory that the command runs in. Its path must lead to the directory with this
    /// identity (`st_dev`, `st_ino`) after mounting.
    pub(crate) fn with_working_dir(self, path: CString, id: (u64, u64)) -> Self {
        Self { working_dir: Some(WorkingDir { path, id }), ..self }
    }

    /// Creates the mounts, in a new mount namespace. Without privileges this takes a user namespace
    /// too, in which the user keeps the same ids and gains no others (`user_namespaces(7)`).
    pub(super) fn create(&self) -> io::Result<()> {
        match unshare(libc::CLONE_NEWNS) {
            Err(err) if err.raw_os_error() == Some(libc::EPERM) => {
                unshare(libc::CLONE_NEWNS | libc::CLONE_NEWUSER)?;
                write(c"/proc/self/setgroups", b"deny")?;
                write(c"/proc/self/uid_map", &self.uid_map)?;
                write(c"/proc/self/gid_map", &self.gid_map)?;
            }
            done => done?,
        }
        // No mount may propagate from here to other namespaces; the other way is allowed.
        mount(c"none", c"/", libc::MS_REC | libc::MS_SLAVE)?;
        // Descriptors opened before belong to the old namespace and cannot be mounted in this one.
        let workspace = open(c".", DIRECTORY, Mode::empty())?;
        for (dir, path) in &self.binds {
            let dir = openat(&workspace, dir, DIRECTORY, Mode::empty())?;
            if fstat(&dir)?.st_uid != rustix::process::geteuid().as_raw() {
                return Err(io::Error::from_raw_os_error(libc::ESTALE));
            }
            fchdir(&dir)?;
            mount(c".", path, libc::MS_BIND)?;
        }
        let Some(WorkingDir { path, id }) = &self.working_dir else {
            return Ok(fchdir(&workspace)?);
        };
        chdir(path)?;
        let stat = stat(c".")?;
        let is_same = (stat.st_dev, stat.st_ino) == *id;
        if is_same { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESTALE)) }
    }
}

fn check(returned: c_int) -> io::Result<()> {
    if returned == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn unshare(flags: c_int) -> io::Result<()> {
    // SAFETY: the forked process has one thread, and shares no memory with another process.
    check(unsafe { libc::unshare(flags) })
}

fn mount(source: &CStr, target: &CStr, flags: c_ulong) -> io::Result<()> {
    // SAFETY: both paths are C strings. Bind mounts and changes of propagation ignore the other
    // pointers.
    check(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), ptr::null(), flags, ptr::null()) })
}

fn write(path: &CStr, text: &[u8]) -> io::Result<()> {
    let file = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(file, text)?;
    Ok(())
}

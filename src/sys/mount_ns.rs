//! Mounts that one command sees and nobody else.

use std::ffi::{CStr, CString, c_int, c_ulong};
use std::{io, ptr};

use rustix::fs::{Mode, OFlags, fstat, open, openat, stat};
use rustix::process::{chdir, fchdir};

/// Directories that lie over others for one command. It is made in a new process, between fork(2)
/// and execve(2), so everything that takes memory is done before.
#[derive(Clone, Debug)]
pub(crate) struct PrivateMounts {
    over: Vec<(CString, CString)>,
    stands_in: Option<MountPoint>,
    uid_map: Vec<u8>,
    gid_map: Vec<u8>,
}

/// A directory by its path, and which one that has to be.
#[derive(Clone, Debug)]
struct MountPoint {
    path: CString,
    id: (u64, u64),
}

const DIRECTORY: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl PrivateMounts {
    /// Plans them: each directory, relative to the one that the process stands in, and over which
    /// path it is to lie, in this order.
    pub(crate) fn new(over: Vec<(CString, CString)>) -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        Self {
            over,
            stands_in: None,
            uid_map: format!("{uid} {uid} 1").into_bytes(),
            gid_map: format!("{gid} {gid} 1").into_bytes(),
        }
    }

    /// Has the command stand in another directory then, if its path leads to that very one
    /// (`st_dev`, `st_ino`).
    pub(crate) fn standing_in(self, path: CString, id: (u64, u64)) -> Self {
        Self { stands_in: Some(MountPoint { path, id }), ..self }
    }

    /// Makes them, in a mount namespace of this process's own; one who is not root gets a user
    /// namespace for that, in which nobody is anybody else (`user_namespaces(7)`).
    pub(super) fn make(&self) -> io::Result<()> {
        match unshare(libc::CLONE_NEWNS) {
            Err(err) if err.raw_os_error() == Some(libc::EPERM) => {
                unshare(libc::CLONE_NEWNS | libc::CLONE_NEWUSER)?;
                write(c"/proc/self/setgroups", b"deny")?;
                write(c"/proc/self/uid_map", &self.uid_map)?;
                write(c"/proc/self/gid_map", &self.gid_map)?;
            }
            done => done?,
        }
        // What is mounted here is not to show elsewhere; what is mounted elsewhere may show here.
        mount(c"none", c"/", libc::MS_REC | libc::MS_SLAVE)?;
        // Descriptors from before belong to the other namespace, and cannot be mounted in this one.
        let workspace = open(c".", DIRECTORY, Mode::empty())?;
        for (dir, path) in &self.over {
            let dir = openat(&workspace, dir, DIRECTORY, Mode::empty())?;
            if fstat(&dir)?.st_uid != rustix::process::geteuid().as_raw() {
                return Err(io::Error::from_raw_os_error(libc::ESTALE));
            }
            fchdir(&dir)?;
            mount(c".", path, libc::MS_BIND)?;
        }
        let Some(MountPoint { path, id }) = &self.stands_in else {
            return Ok(fchdir(&workspace)?);
        };
        chdir(path)?;
        let stat = stat(c".")?;
        let same = (stat.st_dev, stat.st_ino) == *id;
        if same { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESTALE)) }
    }
}

fn check(returned: c_int) -> io::Result<()> {
    if returned == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn unshare(flags: c_int) -> io::Result<()> {
    // SAFETY: the process has one thread and no memory that it shares.
    check(unsafe { libc::unshare(flags) })
}

fn mount(source: &CStr, target: &CStr, flags: c_ulong) -> io::Result<()> {
    // SAFETY: both paths are C strings; bind mounts and changes of propagation take no more.
    check(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), ptr::null(), flags, ptr::null()) })
}

fn write(path: &CStr, text: &[u8]) -> io::Result<()> {
    let file = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(file, text)?;
    Ok(())
}

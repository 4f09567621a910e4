//! A directory that is opened once, and then used by its descriptor alone.
//!
//! [`Dir::open`] accepts any path and determines the real one, without symlinks, which a lease
//! records. [`Dir::reopen`] accepts a recorded path and follows no symlink in any component, so that
//! no other user can redirect it between creation and removal.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, statat,
};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::fs::identity::{DirFacts, EntryAt, EntryId};
use crate::fs::resolve::real_path;
use crate::os::effective_user;
use crate::sys;

const PATH_ONLY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A directory to create resources in or to remove them from.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    path: PathBuf,
    real: PathBuf,
    facts: DirFacts,
}

/// Who can change the entries of a directory. (If it has an ACL, the group bits of its mode are the
/// mask of that ACL, so they show whether it lets others write.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    /// It belongs to root or us, and nobody else can create, rename or remove entries.
    Private,
    /// It belongs to root or us, and others can change only their own entries, as in /tmp.
    Sticky,
    /// Others can change our entries.
    Shared,
}

impl Dir {
    /// Opens a directory by any path.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        if path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_))) {
            match open_without_symlinks(&path) {
                Ok(fd) => return Self::from_fd(fd, path.clone(), without_end_slash(path)),
                Err(err) if err.raw_os_error() == Some(libc::ELOOP) => {}
                Err(err) if err.raw_os_error() == Some(libc::ENOTDIR) => {}
                Err(err) => return Err(err),
            }
        }
        // This call mounts what is mounted on demand.
        openat(CWD, &path, PATH_ONLY, Mode::empty())?;
        let real = real_path(&path)?;
        let path = if depends_on_process(&path) { real.clone() } else { path };
        Self::from_fd(open_without_symlinks(&real)?, path, real)
    }

    /// Opens a directory by the real path that a lease recorded.
    pub fn reopen(real: &Path) -> io::Result<Self> {
        Self::from_fd(open_without_symlinks(real)?, real.to_owned(), real.to_owned())
    }

    /// Duplicates the descriptor. The duplicate is the same directory even if its path leads to
    /// another one by now.
    pub fn try_clone(&self) -> io::Result<Self> {
        let (path, real) = (self.path.clone(), self.real.clone());
        Ok(Self { fd: self.fd.try_clone()?, path, real, facts: self.facts.clone() })
    }

    /// Wraps a descriptor of a directory.
    pub fn from_fd(fd: OwnedFd, path: PathBuf, real: PathBuf) -> io::Result<Self> {
        let facts = DirFacts::of(&fd)?;
        Ok(Self { fd, path, real, facts })
    }

    /// Returns the path that the caller named, made absolute, for messages and output.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path without symlinks, which leases record.
    pub fn real_path(&self) -> &Path {
        &self.real
    }

    /// Returns the path of an entry, for messages and output.
    pub fn join(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }

    /// Returns what identifies it.
    pub(crate) fn facts(&self) -> &DirFacts {
        &self.facts
    }

    /// Identifies an entry. Follows no symlink.
    pub fn identify(&self, name: &CStr) -> EntryId {
        EntryId::of(self.entry(name))
    }

    /// Returns an entry to identify.
    pub(crate) fn entry<'a>(&'a self, name: &'a CStr) -> EntryAt<'a> {
        EntryAt { dir: self.as_fd(), name, filesystem: self.facts.filesystem }
    }

    /// Returns an open entry to identify.
    pub(crate) fn open_entry<'a>(&self, fd: BorrowedFd<'a>) -> EntryAt<'a> {
        EntryAt { dir: fd, name: c"", filesystem: self.facts.filesystem }
    }

    /// Returns who can change its entries.
    pub(crate) fn protection(&self) -> Protection {
        protection(self.facts.owner, self.facts.mode, effective_user())
    }

    /// Whether only we and root can rename or replace our entries.
    pub(crate) fn entries_are_protected(&self) -> bool {
        self.protection() != Protection::Shared
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn protection(owner: u32, mode: u32, us: u32) -> Protection {
    match mode {
        _ if owner != 0 && owner != us => Protection::Shared,
        mode if mode & 0o022 == 0 => Protection::Private,
        mode if mode & 0o1000 != 0 => Protection::Sticky,
        _ => Protection::Shared,
    }
}

/// Returns a path without a slash at its end, which a real path does not have.
fn without_end_slash(path: PathBuf) -> PathBuf {
    match path.as_os_str().as_bytes() {
        [start @ .., b'/'] if !start.is_empty() => OsStr::from_bytes(start).into(),
        _ => path,
    }
}

/// Whether a path leads to other directories in other processes, such as `/proc/self/cwd`, so that its
/// text means nothing to those who get it from tmpx.
fn depends_on_process(path: &Path) -> bool {
    match openat2(CWD, path, PATH_ONLY, Mode::empty(), ResolveFlags::NO_MAGICLINKS) {
        Err(err) if sys::is_unknown_call(err) => {
            ["/proc", "/dev/fd"].iter().any(|links| path.starts_with(links))
        }
        opened => opened.err() == Some(Errno::LOOP),
    }
}

/// Opens an absolute path, refusing a symlink anywhere in it.
fn open_without_symlinks(path: &Path) -> io::Result<OwnedFd> {
    match openat2(CWD, path, PATH_ONLY, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        // Before Linux 5.6, and in sandboxes that do not know openat2: step by step.
        Err(Errno::NOSYS | Errno::PERM) => {}
        Err(err) => return Err(err.into()),
        Ok(fd) => return Ok(fd),
    }
    let mut fd = openat(CWD, "/", PATH_ONLY, Mode::empty())?;
    for part in path.components() {
        match part {
            Component::Normal(name) => {
                fd = openat(&fd, name, PATH_ONLY | OFlags::NOFOLLOW, Mode::empty())
                    .map_err(|err| if is_link(&fd, name) { Errno::LOOP } else { err })?;
            }
            Component::RootDir => {}
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        }
    }
    Ok(fd)
}

/// With `O_DIRECTORY`, openat(2) reports a symlink that it does not follow as "not a directory".
fn is_link(dir: &OwnedFd, name: &OsStr) -> bool {
    rustix::fs::readlinkat(dir, name, Vec::new()).is_ok()
}

/// Opens a path below a directory. Fails if a symlink is on the way, or if the path leads outside.
pub(crate) fn open_beneath(dir: &Dir, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let how = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match openat2(dir, path, how, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM) => open_beneath_stepwise(dir, path, flags),
        opened => Ok(opened?),
    }
}

/// Does the same without openat2(2).
fn open_beneath_stepwise(dir: &Dir, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let mut parent = None;
    for part in path.parent().unwrap_or(Path::new("")).components() {
        let Component::Normal(name) = part else { return Err(io::ErrorKind::InvalidInput.into()) };
        let from = parent.as_ref().map_or(dir.as_fd(), OwnedFd::as_fd);
        parent = Some(open_child(from, name, PATH_ONLY)?);
    }
    let from = parent.as_ref().map_or(dir.as_fd(), OwnedFd::as_fd);
    match path.components().next_back() {
        Some(name @ (Component::Normal(_) | Component::CurDir)) => {
            open_child(from, name.as_os_str(), flags)
        }
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Opens an entry of a directory. Fails if it is a symlink.
pub(crate) fn open_child(dir: impl AsFd, name: impl Arg, flags: OFlags) -> io::Result<OwnedFd> {
    Ok(openat(dir, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?)
}

/// Creates a file for writing in a directory, exclusively.
pub(crate) fn create_new(dir: &Dir, name: &OsStr, mode: Mode) -> io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    Ok(openat(dir, name, flags, mode)?)
}

/// Creates a directory unless it exists, and returns whether it did. A symlink to a directory is an
/// error: it could lead out of the tree that the caller builds.
pub(crate) fn create_missing(
    dir: impl AsFd,
    name: impl Arg + Copy,
    mode: Mode,
) -> io::Result<bool> {
    match mkdirat(&dir, name, mode) {
        Ok(()) => Ok(true),
        Err(err @ Errno::EXIST) => {
            let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if is_directory(stat.st_mode) { Ok(false) } else { Err(err.into()) }
        }
        Err(err) => Err(err.into()),
    }
}

/// Whether the mode from stat(2) is that of a directory.
pub(crate) fn is_directory(mode: u32) -> bool {
    FileType::from_raw_mode(mode) == FileType::Directory
}

/// Converts a name to a C string.
pub(crate) fn c_name(name: &OsStr) -> io::Result<std::ffi::CString> {
    std::ffi::CString::new(name.as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_private_sticky_or_shared_by_its_owner_and_its_mode() {
        for (owner, mode, expected) in [
            (0, 0o755, Protection::Private),
            (1000, 0o1755, Protection::Private),
            (0, 0o1777, Protection::Sticky),
            (1000, 0o1770, Protection::Sticky),
            (1000, 0o775, Protection::Shared),
            (0, 0o777, Protection::Shared),
            // The sticky bit does not restrict the owner of a directory.
            (1001, 0o1777, Protection::Shared),
            (1001, 0o755, Protection::Shared),
        ] {
            assert_eq!(protection(owner, mode, 1000), expected, "{owner} {mode:o}");
        }
    }

    #[test]
    fn open_resolves_symlinks_and_reopen_refuses_them() {
        let dir = tempfile::tempdir().unwrap();
        let base = std::fs::canonicalize(dir.path()).unwrap();
        std::fs::create_dir(base.join("real")).unwrap();
        std::os::unix::fs::symlink("real", base.join("link")).unwrap();
        let opened = Dir::open(&base.join("link")).unwrap();
        assert_eq!(opened.path(), base.join("link"));
        assert_eq!(opened.real_path(), base.join("real"));
        assert!(Dir::reopen(opened.real_path()).is_ok());
        let with_slash = Dir::open(&base.join("real/")).unwrap();
        assert_eq!(with_slash.real_path().as_os_str(), base.join("real").as_os_str());
        assert!(Dir::reopen(&base.join("link")).is_err());
    }

    #[test]
    fn a_path_beneath_a_directory_follows_no_symlink_with_and_without_openat2() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(temp.path().join("in/a/b")).unwrap();
        std::fs::create_dir(temp.path().join("out")).unwrap();
        std::os::unix::fs::symlink("../out", temp.path().join("in/link")).unwrap();
        let dir = Dir::open(&temp.path().join("in")).unwrap();
        for open in [open_beneath, open_beneath_stepwise] {
            let opens = |path: &str| open(&dir, Path::new(path), PATH_ONLY).is_ok();
            assert!(["a", "a/b", "."].into_iter().all(opens));
            assert!(!["link", "link/x", "../out", "/"].into_iter().any(opens));
        }
    }
}

//! The one exception to "no resource without a lease": mktemp without a lifetime.
//!
//! mktemp promises a file and nothing about its end, and the scripts that call it own the file. So the
//! drop-in records nothing if it is called without a lifetime. Only that command may use this module.
//! An [`Unleased`] that is dropped before the caller has its path removes its entry. It cannot do that
//! after a SIGKILL, which is what a lease is for.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, lstat, mkdirat, openat};
use rustix::io::Errno;

use crate::lease::entry::MAX_ATTEMPTS;
use crate::lease::record::Kind;
use crate::remove;

/// Returns the next path to try.
pub(crate) type Paths<'a> = &'a mut dyn FnMut() -> io::Result<CString>;

/// A new entry that no lease covers. Dropping it removes the entry, unless [`Unleased::keep`] was
/// called.
#[derive(Debug)]
pub(crate) struct Unleased {
    path: CString,
    /// The open file. mkdir(2) returns no descriptor of a directory.
    file: Option<OwnedFd>,
    kept: bool,
}

impl Unleased {
    /// Creates a file (0600) or a directory (0700), minus the umask, exclusively: at the first path
    /// that is free.
    pub(crate) fn create(kind: Kind, paths: Paths<'_>) -> io::Result<Self> {
        let (path, file) = first_free(paths, |path| match kind {
            Kind::Dir => mkdirat(CWD, path, Mode::RWXU).map(|()| None),
            Kind::Link => Err(Errno::OPNOTSUPP),
            Kind::File => {
                let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                openat(CWD, path, flags, Mode::RUSR | Mode::WUSR).map(Some)
            }
        })?;
        Ok(Self { path, file, kept: false })
    }

    /// The path at which it was created.
    pub(crate) fn path(&self) -> &Path {
        as_path(&self.path)
    }

    /// Leaves the entry to the caller, who has the path.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Unleased {
    fn drop(&mut self) {
        if !self.kept {
            remove::undo_creation(&self.path, self.file.as_ref());
        }
    }
}

/// Returns the first path at which no entry exists. Another process may take it at any moment.
pub(crate) fn unused_path(paths: Paths<'_>) -> io::Result<CString> {
    let (path, ()) = first_free(paths, |path| match lstat(path) {
        // An entry whose size or inode number stat cannot represent does exist.
        Ok(_) | Err(Errno::OVERFLOW) => Err(Errno::EXIST),
        Err(Errno::NOENT) => Ok(()),
        Err(err) => Err(err),
    })?;
    Ok(path)
}

pub(crate) fn as_path(path: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(path.to_bytes()))
}

fn first_free<T>(
    paths: Paths<'_>,
    claim: impl Fn(&CStr) -> rustix::io::Result<T>,
) -> io::Result<(CString, T)> {
    for _ in 0..MAX_ATTEMPTS {
        let path = paths()?;
        match claim(&path) {
            Ok(claimed) => return Ok((path, claimed)),
            Err(Errno::EXIST) => {}
            Err(err) => return Err(err.into()),
        }
    }
    Err(Errno::EXIST.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt as _;
    use std::path::PathBuf;

    fn paths_in(dir: &Path) -> impl FnMut() -> io::Result<CString> {
        let dir: PathBuf = dir.to_owned();
        let mut n = 0;
        move || {
            n += 1;
            let path = dir.join(n.to_string()).into_os_string().into_vec();
            Ok(CString::new(path)?)
        }
    }

    #[test]
    fn a_taken_path_is_left_alone_and_the_next_is_tried() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("1"), "mine").unwrap();
        let created = Unleased::create(Kind::Dir, &mut paths_in(dir.path())).unwrap();
        assert_eq!(created.path(), dir.path().join("2"));
        created.keep();
        assert!(dir.path().join("2").is_dir());
        let unused = unused_path(&mut paths_in(dir.path())).unwrap();
        assert_eq!(as_path(&unused), dir.path().join("3"));
    }

    #[test]
    fn an_entry_that_is_not_kept_is_removed_and_one_that_replaced_it_stays() {
        let dir = tempfile::tempdir().unwrap();
        for kind in [Kind::File, Kind::Dir] {
            drop(Unleased::create(kind, &mut paths_in(dir.path())).unwrap());
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        }
        let created = Unleased::create(Kind::File, &mut paths_in(dir.path())).unwrap();
        std::fs::write(dir.path().join("other"), "theirs").unwrap();
        std::fs::rename(dir.path().join("other"), dir.path().join("1")).unwrap();
        drop(created);
        assert!(dir.path().join("1").exists());
    }

    #[test]
    fn it_fails_with_eexist_if_every_path_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let taken = CString::new(dir.path().as_os_str().as_bytes()).unwrap();
        let err = Unleased::create(Kind::Dir, &mut || Ok(taken.clone())).unwrap_err();
        assert_eq!(err.raw_os_error(), Some(libc::EEXIST));
    }
}

//! The one exception from "no resource without a lease": what mktemp makes.
//!
//! mktemp promises a file and nothing about its end, and the scripts that it is called from own what
//! it printed. So a drop-in for it, called without any lifetime, records nothing. Only that command
//! may use this module. What it makes is an [`Unrecorded`]: dropped before the caller has been told, it
//! takes back what it made. A kill in that moment is what it cannot help against, and a lease can.

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

/// Paths to try, one after the other.
pub(crate) type Paths<'a> = &'a mut dyn FnMut() -> io::Result<CString>;

/// Something that was made and is in no lease. It goes again unless it is given away.
#[derive(Debug)]
pub(crate) struct Unleased {
    path: CString,
    /// What was made, where making it gave a descriptor.
    file: Option<OwnedFd>,
    given: bool,
}

impl Unleased {
    /// Makes a file (0600) or directory (0700, both less the umask) exclusively, under the first of
    /// the paths that is not taken.
    pub(crate) fn create(kind: Kind, paths: Paths<'_>) -> io::Result<Self> {
        let (path, file) = first_free(paths, |path| match kind {
            Kind::Dir => mkdirat(CWD, path, Mode::RWXU).map(|()| None),
            Kind::Link => Err(Errno::OPNOTSUPP),
            Kind::File => {
                let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                openat(CWD, path, flags, Mode::RUSR | Mode::WUSR).map(Some)
            }
        })?;
        Ok(Self { path, file, given: false })
    }

    /// Its path, as it was asked for.
    pub(crate) fn path(&self) -> &Path {
        as_path(&self.path)
    }

    /// Marks that the caller has been told: from now on it is theirs.
    pub(crate) fn keep(mut self) {
        self.given = true;
    }
}

impl Drop for Unleased {
    fn drop(&mut self) {
        if !self.given {
            remove::undo_creation(&self.path, self.file.as_ref());
        }
    }
}

/// The first of the paths that nothing stands at. Somebody else may take it at any moment.
pub(crate) fn unused_path(paths: Paths<'_>) -> io::Result<CString> {
    let (path, ()) = first_free(paths, |path| match lstat(path) {
        // What is too large to be described is there.
        Ok(_) | Err(Errno::OVERFLOW) => Err(Errno::EXIST),
        Err(Errno::NOENT) => Ok(()),
        Err(err) => Err(err),
    })?;
    Ok(path)
}

/// A path as Rust has it.
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
    fn a_taken_path_is_left_alone_and_the_next_one_is_tried() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("1"), "mine").unwrap();
        let made = Unleased::create(Kind::Dir, &mut paths_in(dir.path())).unwrap();
        assert_eq!(made.path(), dir.path().join("2"));
        made.keep();
        assert!(dir.path().join("2").is_dir());
        let unused = unused_path(&mut paths_in(dir.path())).unwrap();
        assert_eq!(as_path(&unused), dir.path().join("3"));
    }

    #[test]
    fn what_nobody_was_told_of_goes_and_what_took_its_place_stays() {
        let dir = tempfile::tempdir().unwrap();
        for kind in [Kind::File, Kind::Dir] {
            drop(Unleased::create(kind, &mut paths_in(dir.path())).unwrap());
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        }
        let made = Unleased::create(Kind::File, &mut paths_in(dir.path())).unwrap();
        std::fs::write(dir.path().join("other"), "theirs").unwrap();
        std::fs::rename(dir.path().join("other"), dir.path().join("1")).unwrap();
        drop(made);
        assert!(dir.path().join("1").exists());
    }

    #[test]
    fn when_every_path_is_taken_that_is_what_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let taken = CString::new(dir.path().as_os_str().as_bytes()).unwrap();
        let err = Unleased::create(Kind::Dir, &mut || Ok(taken.clone())).unwrap_err();
        assert_eq!(err.raw_os_error(), Some(libc::EEXIST));
    }
}

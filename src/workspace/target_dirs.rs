//! The directories that outputs are saved in.
//!
//! They are opened when the first output needs them, and created if they are missing. Those that were
//! created can be removed again.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};

use anyhow::anyhow;
use rustix::fs::{Mode, OFlags};

use crate::fs::Dir;
use crate::fs::dir::{create_missing, open_beneath, open_child};
use crate::remove;

/// The path of a directory to save in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TargetDir {
    /// The part that the user named.
    pub(super) base: PathBuf,
    /// The rest.
    pub(super) below: PathBuf,
}

/// The directories to save in.
#[derive(Debug, Default)]
pub(super) struct TargetDirs {
    bases: BTreeMap<PathBuf, Dir>,
    /// The last one that was opened: copies are sorted by path.
    last: Option<(TargetDir, Dir)>,
    /// The real paths of created directories, each after its parent.
    created: Vec<PathBuf>,
}

impl TargetDirs {
    /// Opens a directory, and creates what is missing of it.
    pub(super) fn open(&mut self, path: TargetDir) -> anyhow::Result<&Dir> {
        let dir = match self.last.take() {
            Some((last, dir)) if last == path => dir,
            _ => self.create(&path)?,
        };
        Ok(&self.last.insert((path, dir)).1)
    }

    fn create(&mut self, path: &TargetDir) -> anyhow::Result<Dir> {
        let base = match self.bases.get(&path.base) {
            Some(base) => base.try_clone()?,
            None => self.create_base(&path.base)?,
        };
        path.below.iter().try_fold(base, |dir, name| {
            self.create_child(&dir, name, dir.join(name)).map_err(|err| match err.raw_os_error() {
                Some(libc::ENOTDIR | libc::EEXIST) => {
                    anyhow!("{} is not a directory", dir.join(name).display())
                }
                _ => err.into(),
            })
        })
    }

    /// Opens the directory that the user named, and creates the missing end of its path. Only the part
    /// that exists may contain symlinks: another user could plant one in what is created here.
    fn create_base(&mut self, base: &Path) -> io::Result<Dir> {
        let missing: Vec<&Path> = base.ancestors().take_while(|dir| !dir.exists()).collect();
        let existing = missing.last().and_then(|dir| dir.parent()).unwrap_or(base);
        let mut dir = Dir::open(existing)?;
        for path in missing.into_iter().rev() {
            let name = path.components().next_back().map_or(OsStr::new("."), Component::as_os_str);
            dir = self.create_child(&dir, name, path.to_owned())?;
        }
        self.bases.insert(base.to_owned(), dir.try_clone()?);
        Ok(dir)
    }

    /// Opens an entry of a directory, and creates it if it is missing. `path` is its path for the user.
    fn create_child(&mut self, dir: &Dir, name: &OsStr, path: PathBuf) -> io::Result<Dir> {
        let created = create_missing(dir, name, Mode::from_raw_mode(0o777))?;
        let fd = open_child(dir, name, OFlags::PATH | OFlags::DIRECTORY)?;
        let mut real = dir.real_path().to_owned();
        if name == ".." {
            real.pop();
        } else {
            real.push(name);
        }
        if created {
            self.created.push(real.clone());
        }
        Dir::from_fd(fd, path, real)
    }

    /// Opens a directory again.
    pub(super) fn reopen(&self, path: &TargetDir) -> io::Result<Dir> {
        let base = self.bases.get(&path.base).ok_or(io::ErrorKind::NotFound)?;
        let fd = open_beneath(base, &path.below, OFlags::PATH | OFlags::DIRECTORY)?;
        Dir::from_fd(fd, base.path().join(&path.below), base.real_path().join(&path.below))
    }

    /// Removes the created directories that are empty.
    pub(super) fn remove_created(&self) {
        for path in self.created.iter().rev() {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { continue };
            if let Ok(parent) = Dir::reopen(parent) {
                let _ = remove::entry_by_name(&parent, name, true);
            }
        }
    }
}

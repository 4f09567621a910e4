//! The directories that outputs are saved in.
//!
//! They are opened when the first output needs them, and created if they are missing. Those that were
//! created can be removed again.
//!
//! A created directory that is the copy of one in the workspace gets the metadata of that one, after
//! the last output has its name: writing into a directory changes its times, and its mode may forbid
//! its owner to write into it. Until then it is open to its owner alone.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};

use anyhow::anyhow;
use rustix::fs::{Mode, OFlags, fstat};

use crate::fs::dir::{create_missing, open_beneath, open_child};
use crate::fs::metadata::preserve_in_copy;
use crate::fs::{Dir, FileStamp, Skipped};
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
    /// Created directories, each after its parent.
    created: Vec<CreatedDir>,
}

/// A directory that did not exist.
#[derive(Debug)]
struct CreatedDir {
    real_path: PathBuf,
    /// Its path for the user.
    path: PathBuf,
    /// Identifies it.
    stamp: FileStamp,
    /// The path in the workspace of the directory that it is a copy of.
    source: Option<PathBuf>,
}

impl TargetDirs {
    /// Opens a directory, and creates what is missing of it. `source` is the directory in the workspace
    /// that it is a copy of: then the directories below the base are copies of the parents of that one.
    pub(super) fn open(&mut self, path: TargetDir, source: Option<&Path>) -> anyhow::Result<&Dir> {
        let dir = match self.last.take() {
            Some((last, dir)) if last == path => dir,
            _ => self.create(&path, source)?,
        };
        Ok(&self.last.insert((path, dir)).1)
    }

    fn create(&mut self, path: &TargetDir, source: Option<&Path>) -> anyhow::Result<Dir> {
        let mut sources: Vec<&Path> = source.into_iter().flat_map(Path::ancestors).collect();
        sources.truncate(path.below.iter().count());
        let base = match self.bases.get(&path.base) {
            Some(base) => base.try_clone()?,
            None => self.create_base(&path.base, source.filter(|_| sources.is_empty()))?,
        };
        path.below.iter().try_fold(base, |dir, name| {
            let path = dir.join(name);
            self.create_child(&dir, name, path, sources.pop()).map_err(|err| {
                match err.raw_os_error() {
                    Some(libc::ENOTDIR | libc::EEXIST) => {
                        anyhow!("{} is not a directory", dir.join(name).display())
                    }
                    _ => err.into(),
                }
            })
        })
    }

    /// Opens the directory that the user named, and creates the missing end of its path. Only the part
    /// that exists may contain symlinks: another user could plant one in what is created here.
    fn create_base(&mut self, base: &Path, source: Option<&Path>) -> io::Result<Dir> {
        let missing: Vec<&Path> = base.ancestors().take_while(|dir| !dir.exists()).collect();
        let existing = missing.last().and_then(|dir| dir.parent()).unwrap_or(base);
        let mut dir = Dir::open(existing)?;
        for path in missing.into_iter().rev() {
            let name = path.components().next_back().map_or(OsStr::new("."), Component::as_os_str);
            let source = source.filter(|_| path == base);
            dir = self.create_child(&dir, name, path.to_owned(), source)?;
        }
        self.bases.insert(base.to_owned(), dir.try_clone()?);
        Ok(dir)
    }

    /// Opens an entry of a directory, and creates it if it is missing. `path` is its path for the user.
    fn create_child(
        &mut self,
        dir: &Dir,
        name: &OsStr,
        path: PathBuf,
        source: Option<&Path>,
    ) -> io::Result<Dir> {
        let mode = Mode::from_raw_mode(if source.is_some() { 0o700 } else { 0o777 });
        let created = create_missing(dir, name, mode)?;
        let fd = open_child(dir, name, OFlags::PATH | OFlags::DIRECTORY)?;
        let mut real_path = dir.real_path().to_owned();
        if name == ".." {
            real_path.pop();
        } else {
            real_path.push(name);
        }
        if created {
            self.created.push(CreatedDir {
                real_path: real_path.clone(),
                path: path.clone(),
                stamp: FileStamp::from(&fstat(&fd)?),
                source: source.map(Path::to_owned),
            });
        }
        Dir::from_fd(fd, path, real_path)
    }

    /// Gives the created directories that are copies the metadata of their sources in the workspace
    /// `root`, from the inside out. What is not preserved is added to `skipped`.
    pub(super) fn preserve_metadata(&self, root: &Dir, skipped: &mut Skipped) {
        for created in self.created.iter().rev() {
            let Some(source) = &created.source else { continue };
            let lost = match created.preserve(root, source) {
                Ok(lost) => lost,
                Err(_) => vec!["mode and times".to_owned()],
            };
            skipped.lose(&created.path, lost);
        }
    }

    /// Opens a directory again.
    pub(super) fn reopen(&self, path: &TargetDir) -> io::Result<Dir> {
        let base = self.bases.get(&path.base).ok_or(io::ErrorKind::NotFound)?;
        let fd = open_beneath(base, &path.below, OFlags::PATH | OFlags::DIRECTORY)?;
        Dir::from_fd(fd, base.path().join(&path.below), base.real_path().join(&path.below))
    }

    /// Removes the created directories that are empty.
    pub(super) fn remove_created(&self) {
        for CreatedDir { real_path: path, .. } in self.created.iter().rev() {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { continue };
            if let Ok(parent) = Dir::reopen(parent) {
                let _ = remove::entry_by_name(&parent, name, true);
            }
        }
    }
}

impl CreatedDir {
    fn preserve(&self, root: &Dir, source: &Path) -> io::Result<Vec<String>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let source = File::from(open_beneath(root, source, flags)?);
        let copy = open_child(Dir::reopen(&self.real_path)?, c".", flags)?;
        if !self.stamp.is_file_of(&FileStamp::from(&fstat(&copy)?)) {
            return Err(io::Error::other("another process moved it"));
        }
        preserve_in_copy(&source, &source.metadata()?, &copy)
    }
}

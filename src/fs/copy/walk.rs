//! Copies a directory tree.
//!
//! Only the path that the user names is resolved, once, with its symlinks. Below it, every entry is
//! opened relative to the descriptor of its directory, with `O_NOFOLLOW`. When root copies a tree of
//! another user, that user can swap a directory for a symlink at any moment, and root still does not
//! read the target of the symlink. Symlinks in the tree are copied as symlinks. Sockets, FIFOs and
//! devices, and entries that vanish during the copy, are skipped and reported as [`Skipped`].
//!
//! The walk is depth-first. It reads a directory to its end before it descends, and holds the
//! descriptors of the innermost [`OPEN_PARENTS`] directories only, so that the limit on open files
//! does not limit the depth. On the way back it opens a parent as `..` and checks that this is still
//! the same directory.

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawDir, linkat, openat, readlinkat, statat, symlinkat,
};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::fs::copy::file::{Interrupt, copy_file};
use crate::fs::copy::skipped::{SkipReason, Skipped, has_vanished};
use crate::fs::dir::{create_missing, open_child};
use crate::fs::metadata::preserve_in_copy;
use crate::values::Progress;

/// Identifies a directory while it exists: device and inode.
pub(crate) type DirKey = (u64, u64);

/// How a tree is copied.
#[derive(Clone, Copy)]
pub(crate) struct CopyOptions<'a> {
    /// Runs between any two entries, and during large files.
    pub check_interrupt: Interrupt<'a>,
    /// Counts entries and bytes.
    pub progress: Option<&'a Progress>,
    /// A directory to skip: the destination, which may lie inside the source.
    pub exclude: DirKey,
}

/// How many parents of the current directory stay open. Each takes two descriptors.
const OPEN_PARENTS: usize = 8;

/// The buffer for reading directories, in bytes.
const BUFFER: usize = 32 * 1024;

/// Copies a file, a directory with everything in it, or the output of a pipe, to a new entry of a
/// directory. A symlink at `source` is followed. Preserves modes and times. A source directory is
/// merged into a directory that exists under this name.
pub(crate) fn tree(
    source: &Path,
    to: impl AsFd,
    name: &OsStr,
    options: CopyOptions<'_>,
    skipped: &mut Skipped,
) -> anyhow::Result<()> {
    let could_not_copy = || could_not_copy(source);
    let (file, metadata) = open_source(source).with_context(could_not_copy)?;
    if !metadata.is_dir() {
        let lost =
            copy_file(&file, &metadata, &to, name, options.check_interrupt, options.progress)
                .with_context(could_not_copy)?;
        skipped.lose(source, lost);
        return Ok(());
    }
    let (target, created) = open_target(&to, name).with_context(could_not_copy)?;
    let here = Dirs { source: file, target };
    let frame = Frame::new(c"", metadata, created);
    CopyWalk::new(source, options, skipped, here, frame).with_context(could_not_copy)?.run()
}

/// Copies everything in a directory into an open directory.
pub(crate) fn contents(
    source: &Path,
    to: impl AsFd,
    options: CopyOptions<'_>,
    skipped: &mut Skipped,
) -> anyhow::Result<()> {
    let could_not_copy = || could_not_copy(source);
    let (file, metadata) = open_source(source).with_context(could_not_copy)?;
    let target = to.as_fd().try_clone_to_owned().with_context(could_not_copy)?;
    let here = Dirs { source: file, target: target.into() };
    let frame = Frame::new(c"", metadata, false);
    CopyWalk::new(source, options, skipped, here, frame).with_context(could_not_copy)?.run()
}

fn could_not_copy(source: &Path) -> String {
    format!("could not copy {}", source.display())
}

/// Opens what the user named. A FIFO without a writer does not block here: the copy waits for it
/// where it notices a signal.
fn open_source(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(openat(CWD, path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

/// Opens the directory to copy into, and creates it if it is missing. Returns whether it did: only
/// then does the mode change at the end, which takes more than a path descriptor. Until then the copy
/// is open to its owner alone.
fn open_target(to: impl AsFd, name: impl Arg + Copy) -> io::Result<(File, bool)> {
    let created = create_missing(&to, name, Mode::RWXU)?;
    Ok((open_child(to, name, target_flags(created))?.into(), created))
}

fn target_flags(created: bool) -> OFlags {
    OFlags::DIRECTORY | if created { OFlags::RDONLY } else { OFlags::PATH }
}

/// A source directory and its copy.
struct Dirs {
    source: File,
    target: File,
}

/// What the walk remembers of a directory until its copy is complete.
struct Frame {
    /// The name in the parent directory.
    name: CString,
    /// The metadata of the source, from before it was read.
    metadata: Metadata,
    /// Whether this copy created the target.
    created: bool,
    /// The subdirectories that are not copied yet.
    subdirs: Vec<CString>,
}

impl Frame {
    fn new(name: &CStr, metadata: Metadata, created: bool) -> Self {
        Self { name: name.to_owned(), metadata, created, subdirs: Vec::new() }
    }
}

/// How far an entry has been copied.
enum Copied {
    /// A file, with the metadata that were not preserved. If the source has several names, the copy
    /// may get them too.
    File {
        lost: Vec<String>,
        several_names: Option<DirKey>,
    },
    /// A symlink, or another name of a file.
    Whole,
    /// Its own entries are still to be copied.
    Directory,
    Not(SkipReason),
}

/// The directories of a parent frame.
enum ParentDirs {
    Open(Dirs),
    /// Closed to bound the number of descriptors; holds the identity of the target.
    Closed(DirKey),
}

/// A copy in progress.
struct CopyWalk<'a> {
    /// The path of the source, for messages.
    root: &'a Path,
    options: CopyOptions<'a>,
    skipped: &'a mut Skipped,
    here: Dirs,
    frame: Frame,
    parents: Vec<(ParentDirs, Frame)>,
    buffer: Vec<u8>,
    /// The outermost directory of the copy.
    top: File,
    /// The copies of files with several names, by what identifies the source, as paths from `top`.
    links: HashMap<DirKey, PathBuf>,
}

impl<'a> CopyWalk<'a> {
    fn new(
        root: &'a Path,
        options: CopyOptions<'a>,
        skipped: &'a mut Skipped,
        here: Dirs,
        frame: Frame,
    ) -> io::Result<Self> {
        let buffer = Vec::with_capacity(BUFFER);
        let (parents, links) = (Vec::new(), HashMap::new());
        let top = here.target.try_clone()?;
        Ok(Self { root, options, skipped, here, frame, parents, buffer, top, links })
    }

    fn run(mut self) -> anyhow::Result<()> {
        self.copy_entries()?;
        loop {
            if let Some(name) = self.frame.subdirs.pop() {
                let entered =
                    self.descend(&name).with_context(|| could_not_copy(&self.path(&name)));
                if entered? {
                    self.copy_entries()?;
                }
            } else if !self.ascend().with_context(|| could_not_copy(&self.path(c"")))? {
                return Ok(());
            }
        }
    }

    /// Copies all entries of the current directory except subdirectories, which it notes.
    fn copy_entries(&mut self) -> anyhow::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut entries = RawDir::new(&self.here.source, buffer.spare_capacity_mut());
        let mut subdirs = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(Errno::NOENT) => {
                    self.skipped.add(self.path(c""), SkipReason::Vanished);
                    break;
                }
                Err(err) => {
                    let err = io::Error::from(err);
                    return Err(err).with_context(|| could_not_copy(&self.path(c"")));
                }
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            match self.copy_entry(name, entry.file_type()) {
                Ok(Copied::Directory) => subdirs.push(name.to_owned()),
                Ok(Copied::Whole) => {}
                Ok(Copied::File { lost, several_names }) => {
                    if !lost.is_empty() {
                        self.skipped.lose(&self.path(name), lost);
                    }
                    if let Some(id) = several_names {
                        self.links.insert(id, self.below_top(name));
                    }
                }
                Ok(Copied::Not(reason)) => self.skipped.add(self.path(name), reason),
                Err(err) => return Err(err.context(could_not_copy(&self.path(name)))),
            }
        }
        self.frame.subdirs = subdirs;
        self.buffer = buffer;
        Ok(())
    }

    /// Copies an entry unless it is a directory.
    fn copy_entry(&self, name: &CStr, kind: FileType) -> anyhow::Result<Copied> {
        (self.options.check_interrupt)()?;
        if let Some(progress) = self.options.progress {
            progress.add(1, 0);
        }
        let Dirs { source, target } = &self.here;
        let kind = match kind {
            // Some filesystems do not store types in directories.
            FileType::Unknown => match statat(source, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(err) if has_vanished(err) => return Ok(Copied::Not(SkipReason::Vanished)),
                Err(err) => return Err(err.into()),
            },
            kind => kind,
        };
        match kind {
            FileType::Directory => return Ok(Copied::Directory),
            FileType::Symlink => match readlinkat(source, name, Vec::new()) {
                Ok(link) => symlinkat(link, target, name)?,
                Err(err) if has_vanished(err) => return Ok(Copied::Not(SkipReason::Vanished)),
                Err(err) => return Err(err.into()),
            },
            FileType::RegularFile => {
                // The entry may be a FIFO or a device by now.
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
                let file = match open_child(source, name, flags) {
                    Ok(file) => File::from(file),
                    Err(err) => return SkipReason::of(&err).map(Copied::Not).ok_or(err.into()),
                };
                let metadata = file.metadata()?;
                if !metadata.is_file() {
                    return Ok(Copied::Not(SkipReason::Special));
                }
                let several_names = (metadata.nlink() > 1).then(|| id(&metadata));
                if let Some(copy) = several_names.and_then(|id| self.links.get(&id))
                    && linkat(&self.top, copy, target, name, AtFlags::empty()).is_ok()
                {
                    return Ok(Copied::Whole);
                }
                let CopyOptions { check_interrupt, progress, .. } = self.options;
                let lost = copy_file(&file, &metadata, target, name, check_interrupt, progress)?;
                return Ok(Copied::File { lost, several_names });
            }
            _ => return Ok(Copied::Not(SkipReason::Special)),
        }
        Ok(Copied::Whole)
    }

    /// Makes a subdirectory the current one, unless it is to be skipped.
    fn descend(&mut self, name: &CStr) -> io::Result<bool> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let source = match open_child(&self.here.source, name, flags) {
            Ok(source) => File::from(source),
            Err(err) if SkipReason::of(&err) == Some(SkipReason::Vanished) => {
                self.skipped.add(self.path(name), SkipReason::Vanished);
                return Ok(false);
            }
            Err(err) => return Err(err),
        };
        let metadata = source.metadata()?;
        if id(&metadata) == self.options.exclude {
            return Ok(false);
        }
        let (target, created) = open_target(&self.here.target, name)?;
        let parent = std::mem::replace(&mut self.here, Dirs { source, target });
        let frame = std::mem::replace(&mut self.frame, Frame::new(name, metadata, created));
        self.parents.push((ParentDirs::Open(parent), frame));
        self.close_distant_parent()?;
        Ok(true)
    }

    fn close_distant_parent(&mut self) -> io::Result<()> {
        let distant = self.parents.len().checked_sub(OPEN_PARENTS + 1);
        if let Some((dirs, _)) = distant.and_then(|index| self.parents.get_mut(index))
            && let ParentDirs::Open(open) = dirs
        {
            *dirs = ParentDirs::Closed(id(&open.target.metadata()?));
        }
        Ok(())
    }

    /// Completes the current directory and returns to its parent, if there is one.
    ///
    /// Metadata comes last and from the inside out: writing into a directory changes its times, and
    /// its mode may forbid its owner to write into it or to leave it by `..`.
    fn ascend(&mut self) -> io::Result<bool> {
        self.reopen_parent()?;
        if self.frame.created {
            let Dirs { source, target } = &self.here;
            let lost = preserve_in_copy(source, &self.frame.metadata, target)?;
            if !lost.is_empty() {
                self.skipped.lose(&self.path(c""), lost);
            }
        }
        let Some((ParentDirs::Open(dirs), frame)) = self.parents.pop() else { return Ok(false) };
        self.here = dirs;
        self.frame = frame;
        Ok(true)
    }

    /// Opens the parent of the current directory if it is closed. All its entries but subdirectories
    /// have been copied, so that the source needs no more than a path descriptor.
    fn reopen_parent(&mut self) -> io::Result<()> {
        let Some((dirs, frame)) = self.parents.last_mut() else { return Ok(()) };
        let ParentDirs::Closed(target_id) = *dirs else { return Ok(()) };
        let source = open_child(&self.here.source, c"..", target_flags(false))?;
        let target = open_child(&self.here.target, c"..", target_flags(frame.created))?;
        let (source, target) = (File::from(source), File::from(target));
        if id(&source.metadata()?) != id(&frame.metadata) || id(&target.metadata()?) != target_id {
            return Err(io::Error::other("another process moved it during the copy"));
        }
        *dirs = ParentDirs::Open(Dirs { source, target });
        Ok(())
    }

    /// The path of an entry of the current directory, for messages; of the directory itself if the
    /// name is empty.
    fn path(&self, name: &CStr) -> PathBuf {
        self.root.join(self.below_top(name))
    }

    fn below_top(&self, name: &CStr) -> PathBuf {
        let parents = self.parents.iter().map(|(_, frame)| frame);
        let frames = parents.chain([&self.frame]).map(|frame| frame.name.as_c_str());
        let names = frames.chain([name]).filter(|name| !name.is_empty());
        names.fold(PathBuf::new(), |path, name| path.join(OsStr::from_bytes(name.to_bytes())))
    }
}

fn id(metadata: &Metadata) -> DirKey {
    (metadata.dev(), metadata.ino())
}

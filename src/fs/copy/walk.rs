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

use std::ffi::{CStr, CString, OsStr};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawDir, openat, readlinkat, statat, symlinkat,
};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::fs::copy::file::{Interrupt, copy_file};
use crate::fs::copy::skipped::{SkipReason, Skipped, has_vanished};
use crate::fs::dir::{create_missing, open_child};
use crate::fs::metadata::preserve_mode_and_times;

/// Identifies a directory while it exists: device and inode.
pub(crate) type DirKey = (u64, u64);

/// How a tree is copied.
#[derive(Clone, Copy)]
pub(crate) struct CopyOptions<'a> {
    /// Runs between any two entries, and during large files.
    pub check_interrupt: Interrupt<'a>,
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
        return copy_file(&file, &metadata, &to, name, options.check_interrupt)
            .with_context(could_not_copy);
    }
    let (target, created) = open_target(&to, name).with_context(could_not_copy)?;
    let here = Dirs { source: file, target };
    CopyWalk::new(source, options, skipped, here, Frame::new(c"", metadata, created)).run()
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
    CopyWalk::new(source, options, skipped, here, Frame::new(c"", metadata, false)).run()
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
}

impl<'a> CopyWalk<'a> {
    fn new(
        root: &'a Path,
        options: CopyOptions<'a>,
        skipped: &'a mut Skipped,
        here: Dirs,
        frame: Frame,
    ) -> Self {
        let buffer = Vec::with_capacity(BUFFER);
        Self { root, options, skipped, here, frame, parents: Vec::new(), buffer }
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
                copy_file(&file, &metadata, target, name, self.options.check_interrupt)?;
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
            preserve_mode_and_times(&self.frame.metadata, &self.here.target)?;
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
        let parents = self.parents.iter().map(|(_, frame)| frame);
        let frames = parents.chain([&self.frame]).map(|frame| frame.name.as_c_str());
        let names = frames.chain([name]).filter(|name| !name.is_empty());
        names.fold(self.root.to_owned(), |path, name| path.join(OsStr::from_bytes(name.to_bytes())))
    }
}

fn id(metadata: &Metadata) -> DirKey {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    /// A source tree, a directory to copy into, and files of another user.
    struct Scene(tempfile::TempDir);

    impl Scene {
        fn new(files: &[&str]) -> Self {
            let scene = Self(tempfile::tempdir().unwrap());
            for file in files.iter().map(|file| scene.path(file)) {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, "content").unwrap();
            }
            fs::create_dir_all(scene.path("copies")).unwrap();
            scene
        }

        fn path(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        /// Copies, and returns the messages about skipped entries.
        fn copy(&self, check_interrupt: &dyn Fn()) -> Result<Vec<String>, String> {
            let to = File::open(self.path("copies")).unwrap();
            let check_interrupt = || {
                check_interrupt();
                Ok(())
            };
            let options = CopyOptions { check_interrupt: &check_interrupt, exclude: (0, 0) };
            let mut skipped = Skipped::default();
            let copied = tree(&self.path("src"), to, OsStr::new("src"), options, &mut skipped);
            let plain = |text: String| text.replace(&format!("{}/", self.0.path().display()), "");
            copied.map_err(|err| plain(format!("{err:#}")))?;
            Ok(skipped.lines().map(plain).collect())
        }

        /// Copies, and swaps an entry of the source for a symlink once the walk has read its type.
        fn copy_and_swap(&self, entry: &str, for_link_to: &str) -> Result<Vec<String>, String> {
            self.copy(&|| {
                if !self.path("moved").exists() {
                    fs::rename(self.path(entry), self.path("moved")).unwrap();
                    symlink(self.path(for_link_to), self.path(entry)).unwrap();
                }
            })
        }
    }

    #[test]
    fn a_directory_that_becomes_a_symlink_during_the_copy_is_not_followed() {
        let scene = Scene::new(&["src/sub/file", "secret/key"]);
        let copied = scene.copy_and_swap("src/sub", "secret");
        assert_eq!(copied.unwrap_err(), "could not copy src/sub: Not a directory (os error 20)");
        assert!(!scene.path("copies/src/sub").exists());
    }

    #[test]
    fn a_file_that_becomes_a_symlink_during_the_copy_is_not_followed() {
        let scene = Scene::new(&["src/file", "secret/key"]);
        let copied = scene.copy_and_swap("src/file", "secret/key");
        // The C library words it.
        let err = copied.unwrap_err();
        assert!(err.starts_with("could not copy src/file: "), "{err}");
        assert!(err.ends_with("(os error 40)"), "{err}");
        assert!(!scene.path("copies/src/file").exists());
    }

    #[test]
    fn a_file_that_becomes_a_fifo_during_the_copy_is_skipped_and_not_waited_for() {
        let scene = Scene::new(&["src/file"]);
        let copied = scene.copy(&|| {
            fs::remove_file(scene.path("src/file")).unwrap();
            let path = scene.path("src/file");
            rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
        });
        let skipped = "skipped src/file: it is neither file, directory nor symlink";
        assert_eq!(copied.unwrap(), [skipped]);
    }

    #[test]
    fn entries_that_vanish_during_the_copy_are_skipped() {
        let scene = Scene::new(&["src/file", "src/sub/file"]);
        let copied = scene.copy(&|| {
            for entry in fs::read_dir(scene.path("src")).unwrap().map(|entry| entry.unwrap().path())
            {
                let _ = fs::remove_file(&entry);
                let _ = fs::remove_dir_all(&entry);
            }
        });
        let mut skipped = copied.unwrap();
        skipped.sort();
        assert_eq!(
            skipped,
            ["skipped src/file: it has vanished", "skipped src/sub: it has vanished"]
        );
        assert!(fs::read_dir(scene.path("copies/src")).unwrap().next().is_none());
    }

    #[test]
    fn the_source_itself_may_be_a_symlink() {
        let scene = Scene::new(&["real/sub/file"]);
        symlink("real", scene.path("src")).unwrap();
        scene.copy(&|| {}).unwrap();
        assert!(scene.path("copies/src/sub/file").is_file());
    }

    #[test]
    fn a_tree_deeper_than_the_open_parents_keeps_its_content_modes_and_times() {
        let scene = Scene::new(&["src/1/2/3/4/5/6/7/8/9/10/11/12/file", "src/1/2/3/other/file"]);
        let [dir, copy] = ["src/1/2", "copies/src/1/2"].map(|path| scene.path(path));
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o500)).unwrap();
        scene.copy(&|| {}).unwrap();
        for file in ["1/2/3/4/5/6/7/8/9/10/11/12/file", "1/2/3/other/file"] {
            assert_eq!(fs::read(scene.path("copies/src").join(file)).unwrap(), b"content");
        }
        let [source, copied] = [&dir, &copy].map(|path| fs::metadata(path).unwrap());
        assert_eq!(copied.mode(), source.mode());
        assert_eq!(copied.modified().unwrap(), source.modified().unwrap());
        for dir in [dir, copy] {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).unwrap();
        }
    }

    #[test]
    fn a_directory_that_moves_while_its_parent_is_closed_ends_the_copy() {
        let scene = Scene::new(&["src/1/2/3/4/5/6/7/8/9/10/11/12/file", "src/1/file"]);
        let files = Cell::new(0);
        let copied = scene.copy(&|| {
            files.set(
                files.get()
                    + usize::from(scene.path("copies/src/1/2/3/4/5/6/7/8/9/10/11/12").exists()),
            );
            if files.get() == 1 {
                fs::rename(scene.path("src/1/2"), scene.path("moved")).unwrap();
            }
        });
        assert_eq!(
            copied.unwrap_err(),
            "could not copy src/1/2: another process moved it during the copy"
        );
    }

    #[test]
    fn directories_merge_and_a_symlink_in_the_place_of_one_is_refused() {
        let scene = Scene::new(&["src/sub/new", "copies/src/sub/old", "elsewhere/file"]);
        scene.copy(&|| {}).unwrap();
        assert!(scene.path("copies/src/sub/old").exists());
        assert!(scene.path("copies/src/sub/new").exists());
        fs::remove_dir_all(scene.path("copies/src/sub")).unwrap();
        symlink(scene.path("elsewhere"), scene.path("copies/src/sub")).unwrap();
        let err = scene.copy(&|| {}).unwrap_err();
        assert_eq!(err, "could not copy src/sub: File exists (os error 17)");
        assert!(!scene.path("elsewhere/new").exists());
    }
}

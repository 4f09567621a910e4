//! Saving files from a workspace.
//!
//! Copying and publishing are two steps. All copies are whole, each beside its target under a leased
//! name, before the first one is renamed into place: where one cannot be made, no file has changed.
//!
//! The directory that the user names may be a symlink. What lies below it has names that the command
//! has chosen, perhaps in an earlier run: there, no symlink is followed.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, anyhow};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Statx, mkdirat, readlinkat, renameat, statat};
use rustix::io::Errno;

use crate::fs::dir::{create_missing, open_beneath, open_child};
use crate::fs::metadata::preserve_mode_and_times;
use crate::fs::{Dir, Interrupt, copy};
use crate::lease::entry::{create_link, create_one};
use crate::lease::{CreateOptions, FillError, Kind, Lease, NameRule};
use crate::remove;
use crate::values::{ErrorExt as _, Template};
use crate::workspace::plan::{Plan, PlannedCopy};
use crate::workspace::snapshot::file_type;

/// Saves what was planned, and tells the paths of what is there now, directories aside.
pub(crate) fn save(
    plan: &Plan,
    lease: &mut Lease,
    go_on: Interrupt<'_>,
) -> anyhow::Result<Vec<PathBuf>> {
    let mut dirs = TargetDirs::default();
    let mut staged = Vec::new();
    for (to, source) in &plan.copies {
        let one = Stage { root: &plan.root, stat: &plan.entries[&source.from], source, to };
        match one.stage(&mut dirs, lease, go_on) {
            Ok(one) => staged.extend(one),
            Err(err) => {
                dirs.remove_created(staged);
                return Err(err);
            }
        }
    }
    let mut saved = Vec::new();
    let mut staged = staged.into_iter();
    while let Some(one) = staged.next() {
        if let Err(err) = dirs.publish(&one) {
            let err = Err(err).with_context(|| could_not_save(&one.to));
            dirs.remove_created([one].into_iter().chain(staged));
            return err;
        }
        saved.push(one.to);
    }
    Ok(saved)
}

fn could_not_save(to: &Path) -> String {
    format!("could not save {}", to.display())
}

/// A directory that something is saved in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TargetDir {
    /// As the user named it.
    base: PathBuf,
    /// The rest of the way.
    below: PathBuf,
}

/// The directories that things are saved in.
#[derive(Debug, Default)]
struct TargetDirs {
    bases: BTreeMap<PathBuf, Dir>,
    /// The one that was asked for last: what is saved comes ordered by path.
    last: Option<(TargetDir, Dir)>,
    /// What was made, real paths, each after those above it.
    made: Vec<PathBuf>,
}

impl TargetDirs {
    /// Opens a directory, and makes what is missing of it.
    fn open(&mut self, dir: &TargetDir) -> anyhow::Result<&Dir> {
        if self.last.as_ref().is_none_or(|(last, _)| last != dir) {
            self.make_base(&dir.base)?;
            let place = self.make_below(dir)?;
            self.last = Some((dir.clone(), place));
        }
        self.last.as_ref().map(|(_, place)| place).context("there is no such directory")
    }

    /// Opens the directory that the user named, and creates the missing end of its path. Only what
    /// exists may contain symlinks: another user could plant one among what is created here.
    fn make_base(&mut self, base: &Path) -> io::Result<()> {
        if self.bases.contains_key(base) {
            return Ok(());
        }
        let missing: Vec<&Path> = base.ancestors().take_while(|dir| !dir.exists()).collect();
        let existing = missing.last().and_then(|dir| dir.parent()).unwrap_or(base);
        let mut dir = Dir::open(existing)?;
        for path in missing.into_iter().rev() {
            let name = path.components().next_back().map_or(OsStr::new("."), Component::as_os_str);
            let created = create_missing(&dir, name, Mode::from_raw_mode(0o777))?;
            let fd = open_child(&dir, name, OFlags::PATH | OFlags::DIRECTORY)?;
            let mut real = dir.real_path().to_owned();
            if name == ".." {
                real.pop();
            } else {
                real.push(name);
            }
            if created {
                self.made.push(real.clone());
            }
            dir = Dir::from_fd_at(fd, path.to_owned(), real)?;
        }
        self.bases.insert(base.to_owned(), dir);
        Ok(())
    }

    fn make_below(&mut self, dir: &TargetDir) -> anyhow::Result<Dir> {
        let base = self.bases.get(&dir.base).context("there is no such directory")?;
        let mut place = base.try_clone()?;
        for name in &dir.below {
            let (path, real) = (place.join(name), place.real_path().join(name));
            match mkdirat(&place, name, Mode::from_raw_mode(0o777)) {
                Ok(()) => self.made.push(real.clone()),
                Err(Errno::EXIST) => {}
                Err(err) => return Err(io::Error::from(err).into()),
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            let fd = open_beneath(&place, Path::new(name), flags).map_err(|err| {
                match err.raw_os_error() {
                    Some(libc::ELOOP | libc::ENOTDIR) => {
                        anyhow!("{} is no directory", path.display())
                    }
                    _ => err.into(),
                }
            })?;
            place = Dir::from_fd_at(fd, path, real)?;
        }
        Ok(place)
    }

    /// Opens a directory again.
    fn reopen(&self, dir: &TargetDir) -> io::Result<Dir> {
        let base = self.bases.get(&dir.base).ok_or(io::ErrorKind::NotFound)?;
        let fd = open_beneath(base, &dir.below, OFlags::PATH | OFlags::DIRECTORY)?;
        Dir::from_fd_at(fd, base.path().join(&dir.below), base.real_path().join(&dir.below))
    }

    /// Gives a copy its name, in place of what has it.
    fn publish(&self, one: &StagedCopy) -> io::Result<()> {
        let place = self.reopen(&one.dir)?;
        Ok(renameat(&place, &one.hidden, &place, &one.name)?)
    }

    /// Takes back copies, and directories that are empty. What cannot be removed of the copies stays
    /// in the lease.
    fn remove_created(self, staged: impl IntoIterator<Item = StagedCopy>) {
        for one in staged {
            if let Ok(place) = self.reopen(&one.dir) {
                let _ = remove::entry_by_name(&place, &one.hidden, false);
            }
        }
        for dir in self.made.iter().rev() {
            let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else { continue };
            if let Ok(place) = Dir::reopen(parent) {
                let _ = remove::entry_by_name(&place, name, true);
            }
        }
    }
}

/// Something copied beside its target, under a hidden name.
#[derive(Debug)]
struct StagedCopy {
    dir: TargetDir,
    hidden: OsString,
    name: OsString,
    to: PathBuf,
}

/// One thing that is to be copied.
struct Stage<'a> {
    root: &'a Dir,
    stat: &'a Statx,
    source: &'a PlannedCopy,
    to: &'a Path,
}

impl Stage<'_> {
    /// Copies it beside its target; a directory is only made.
    fn stage(
        &self,
        dirs: &mut TargetDirs,
        lease: &mut Lease,
        go_on: Interrupt<'_>,
    ) -> anyhow::Result<Option<StagedCopy>> {
        go_on()?;
        let could_not = || could_not_save(self.to);
        let is_dir = file_type(self.stat) == FileType::Directory;
        let parent = if is_dir { self.to } else { self.to.parent().unwrap_or(Path::new("/")) };
        let below = parent.strip_prefix(&self.source.base).unwrap_or(Path::new("")).to_owned();
        let dir = TargetDir { base: self.source.base.clone(), below };
        let place = dirs.open(&dir).with_context(could_not)?;
        if is_dir {
            return Ok(None);
        }
        let name = self.to.file_name().unwrap_or_default().to_owned();
        may_be_replaced(place, &name, self.to)?;
        let hidden = self.copy(place, lease, go_on).with_context(could_not)?;
        Ok(Some(StagedCopy { dir, hidden, name, to: self.to.to_owned() }))
    }

    /// Copies it to a hidden name, and tells that.
    fn copy(
        &self,
        place: &Dir,
        lease: &mut Lease,
        go_on: Interrupt<'_>,
    ) -> anyhow::Result<OsString> {
        let from = &self.source.from;
        if file_type(self.stat) == FileType::Symlink {
            let link = open_beneath(self.root, from, OFlags::PATH)?;
            let target = readlinkat(&link, c"", Vec::new()).map_err(io::Error::from)?;
            let target = OsStr::from_bytes(target.to_bytes());
            return Ok(create_link(lease, place, Path::new(target))?);
        }
        let name = NameRule::Random(Template::hidden());
        let wanted = CreateOptions { kind: Kind::File, name, mode: None, keep_open: false };
        let copied = create_one(lease, place, &wanted, &mut |copy| {
            let source = open_regular_beneath(self.root, from)?;
            copy::fill(&source, copy, &|| Ok::<_, FillError>(go_on()?))?;
            preserve_mode_and_times(&source.metadata()?, copy)?;
            Ok(())
        });
        Ok(copied?.name)
    }
}

/// Refuses to put a file in the place of what only looks like one: a device, or what stands for
/// something that a process has open.
fn may_be_replaced(place: &Dir, name: &OsStr, to: &Path) -> anyhow::Result<()> {
    let kind =
        |flags| statat(place, name, flags).map(|stat| FileType::from_raw_mode(stat.st_mode)).ok();
    let target = || readlinkat(place, name, Vec::new()).unwrap_or_default().into_bytes();
    let there = kind(AtFlags::SYMLINK_NOFOLLOW);
    let behind = kind(AtFlags::empty());
    if behind == Some(FileType::Directory) {
        return Err(anyhow!("{}: it is a directory", could_not_save(to)))
            .hint(format!("write {}/ to save into it", to.display()));
    }
    let is_file = |kind| matches!(kind, None | Some(FileType::RegularFile));
    let replaceable = match there {
        Some(FileType::Symlink) => is_file(behind) && !target().starts_with(b"/proc/"),
        there => is_file(there),
    };
    if replaceable {
        return Ok(());
    }
    Err(anyhow!("{}: it is no regular file", could_not_save(to)))
}

/// Opens what was a regular file a moment ago; what a straggler has put there since is not waited
/// for.
fn open_regular_beneath(root: &Dir, from: &Path) -> anyhow::Result<std::fs::File> {
    let file = open_beneath(root, from, OFlags::RDONLY | OFlags::NONBLOCK)?;
    let file = std::fs::File::from(file);
    if file.metadata()?.is_file() { Ok(file) } else { Err(anyhow!("it is a file no more")) }
}

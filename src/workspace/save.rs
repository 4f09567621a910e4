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
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Statx, mkdirat, readlinkat, renameat, statat};
use rustix::io::Errno;

use crate::fs::copy;
use crate::fs::copy::GoOn;
use crate::fs::dir::{Place, open_beneath};
use crate::lease::entry::{Naming, Wanted, make, make_link};
use crate::lease::record::Kind;
use crate::lease::writer::Lease;
use crate::os::random::Entropy;
use crate::remove::root as remove;
use crate::values::error::Tell as _;
use crate::values::template::Template;
use crate::workspace::plan::{Plan, Source, kind};

/// Saves what was planned, and tells the paths of what is there now, directories aside.
pub(crate) fn save(
    plan: &Plan,
    lease: &mut Lease,
    entropy: &mut Entropy,
    go_on: GoOn<'_>,
) -> anyhow::Result<Vec<PathBuf>> {
    let mut dirs = Dirs::default();
    let mut staged = Vec::new();
    for (to, source) in &plan.targets {
        let one = Stage { root: &plan.root, stat: &plan.entries[&source.from], source, to };
        match one.stage(&mut dirs, lease, entropy, go_on) {
            Ok(one) => staged.extend(one),
            Err(err) => {
                dirs.take_back(staged);
                return Err(err);
            }
        }
    }
    let mut saved = Vec::new();
    let mut staged = staged.into_iter();
    while let Some(one) = staged.next() {
        if let Err(err) = dirs.publish(&one) {
            let err = Err(err).with_context(|| could_not_save(&one.to));
            dirs.take_back([one].into_iter().chain(staged));
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
struct Dir {
    /// As the user named it.
    base: PathBuf,
    /// The rest of the way.
    below: PathBuf,
}

/// The directories that things are saved in.
#[derive(Debug, Default)]
struct Dirs {
    bases: BTreeMap<PathBuf, Place>,
    /// The one that was asked for last: what is saved comes ordered by path.
    last: Option<(Dir, Place)>,
    /// What was made, real paths, each after those above it.
    made: Vec<PathBuf>,
}

impl Dirs {
    /// Opens a directory, and makes what is missing of it.
    fn open(&mut self, dir: &Dir) -> anyhow::Result<&Place> {
        if self.last.as_ref().is_none_or(|(last, _)| last != dir) {
            self.make_base(&dir.base)?;
            let place = self.make_below(dir)?;
            self.last = Some((dir.clone(), place));
        }
        self.last.as_ref().map(|(_, place)| place).context("there is no such directory")
    }

    fn make_base(&mut self, base: &Path) -> io::Result<()> {
        if self.bases.contains_key(base) {
            return Ok(());
        }
        let missing = base.ancestors().take_while(|dir| !dir.exists());
        let missing: Vec<&Path> = missing.collect();
        let mut made = 0;
        for dir in missing.into_iter().rev() {
            made += usize::from(copy::make_directory(dir)?);
        }
        let place = Place::open(base)?;
        let real: Vec<PathBuf> = place.real().ancestors().take(made).map(Path::to_owned).collect();
        self.made.extend(real.into_iter().rev());
        self.bases.insert(base.to_owned(), place);
        Ok(())
    }

    fn make_below(&mut self, dir: &Dir) -> anyhow::Result<Place> {
        let base = self.bases.get(&dir.base).context("there is no such directory")?;
        let mut place = base.try_clone()?;
        for name in &dir.below {
            let (path, real) = (place.join(name), place.real().join(name));
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
            place = Place::held(fd, path, real)?;
        }
        Ok(place)
    }

    /// Opens a directory again.
    fn reopen(&self, dir: &Dir) -> io::Result<Place> {
        let base = self.bases.get(&dir.base).ok_or(io::ErrorKind::NotFound)?;
        let fd = open_beneath(base, &dir.below, OFlags::PATH | OFlags::DIRECTORY)?;
        Place::held(fd, base.path().join(&dir.below), base.real().join(&dir.below))
    }

    /// Gives a copy its name, in place of what has it.
    fn publish(&self, one: &Staged) -> io::Result<()> {
        let place = self.reopen(&one.dir)?;
        Ok(renameat(&place, &one.hidden, &place, &one.name)?)
    }

    /// Takes back copies, and directories that are empty. What cannot be removed of the copies stays
    /// in the lease.
    fn take_back(self, staged: impl IntoIterator<Item = Staged>) {
        for one in staged {
            if let Ok(place) = self.reopen(&one.dir) {
                let _ = remove::entry(&place, &one.hidden, false);
            }
        }
        for dir in self.made.iter().rev() {
            let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else { continue };
            if let Ok(place) = Place::reopen(parent) {
                let _ = remove::entry(&place, name, true);
            }
        }
    }
}

/// Something copied beside its target, under a hidden name.
#[derive(Debug)]
struct Staged {
    dir: Dir,
    hidden: OsString,
    name: OsString,
    to: PathBuf,
}

/// One thing that is to be copied.
struct Stage<'a> {
    root: &'a Place,
    stat: &'a Statx,
    source: &'a Source,
    to: &'a Path,
}

impl Stage<'_> {
    /// Copies it beside its target; a directory is only made.
    fn stage(
        &self,
        dirs: &mut Dirs,
        lease: &mut Lease,
        entropy: &mut Entropy,
        go_on: GoOn<'_>,
    ) -> anyhow::Result<Option<Staged>> {
        go_on()?;
        let could_not = || could_not_save(self.to);
        let is_dir = kind(self.stat) == FileType::Directory;
        let parent = if is_dir { self.to } else { self.to.parent().unwrap_or(Path::new("/")) };
        let below = parent.strip_prefix(&self.source.base).unwrap_or(Path::new("")).to_owned();
        let dir = Dir { base: self.source.base.clone(), below };
        let place = dirs.open(&dir).with_context(could_not)?;
        if is_dir {
            return Ok(None);
        }
        let name = self.to.file_name().unwrap_or_default().to_owned();
        may_be_replaced(place, &name, self.to)?;
        let hidden = self.copy(place, lease, entropy, go_on).with_context(could_not)?;
        Ok(Some(Staged { dir, hidden, name, to: self.to.to_owned() }))
    }

    /// Copies it to a hidden name, and tells that.
    fn copy(
        &self,
        place: &Place,
        lease: &mut Lease,
        entropy: &mut Entropy,
        go_on: GoOn<'_>,
    ) -> anyhow::Result<OsString> {
        let from = &self.source.from;
        if kind(self.stat) == FileType::Symlink {
            let link = open_beneath(self.root, from, OFlags::PATH)?;
            let target = readlinkat(&link, c"", Vec::new()).map_err(io::Error::from)?;
            let target = OsStr::from_bytes(target.to_bytes());
            return make_link(lease, entropy, place, Path::new(target));
        }
        let name = Naming::Random(Template::hidden());
        let wanted = Wanted { kind: Kind::File, name, mode: None };
        let copied = make(lease, entropy, place, &wanted, 1, &mut |copy| {
            let source = open_regular_beneath(self.root, from)?;
            copy::fill(&source, copy, go_on)?;
            copy::imitate(&source.metadata()?, copy)?;
            Ok(())
        });
        Ok(copied?.remove(0).name)
    }
}

/// Refuses to put a file in the place of what only looks like one: a device, or what stands for
/// something that a process has open.
fn may_be_replaced(place: &Place, name: &OsStr, to: &Path) -> anyhow::Result<()> {
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
fn open_regular_beneath(root: &Place, from: &Path) -> anyhow::Result<std::fs::File> {
    let file = open_beneath(root, from, OFlags::RDONLY | OFlags::NONBLOCK)?;
    let file = std::fs::File::from(file);
    if file.metadata()?.is_file() { Ok(file) } else { Err(anyhow!("it is a file no more")) }
}

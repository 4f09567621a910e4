//! The only place that makes entries.
//!
//! Each function writes the intent, makes the thing exclusively, and writes its identity. A name
//! that nobody can guess is made at once. One that can be guessed or taken beforehand (`--name`, a
//! template with few X) is never an intent: the thing is made under a hidden random name, and given
//! its own by a rename or link that refuses to replace.

use std::ffi::{CStr, OsStr, OsString};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::{fmt, io};

use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, StatxFlags, fchmod, linkat, mkdirat, openat, renameat_with,
    statx, symlinkat, unlinkat,
};
use rustix::io::Errno;
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::fs::dir::c_name;
use crate::fs::{Dir, Identity, disk_full};
use crate::lease::record::{Event, Kind};
use crate::lease::writer::Lease;
use crate::remove;
use crate::sys;
use crate::values::error::render;
use crate::values::{ExactName, FileMode, OsJson, Template};

/// What to make.
#[derive(Clone, Debug)]
pub(crate) struct CreateOptions {
    /// A file or a directory.
    pub kind: Kind,
    /// How its name comes about.
    pub name: NameRule,
    /// Its mode, exactly; else 0600 or 0700 less the umask.
    pub mode: Option<FileMode>,
    /// Whether [`Created`] holds the open entry. A batch would hold a descriptor for each of its
    /// entries, so only callers that create one entry ask for it.
    pub keep_open: bool,
}

/// How a name comes about.
#[derive(Clone, Debug)]
pub(crate) enum NameRule {
    /// From a pattern.
    Random(Template),
    /// Exactly so, or numbered when it is taken.
    Exact(ExactName),
}

/// How many names one intent announces at most. A line of this length is read in one go.
pub(crate) const BATCH: usize = 512;

/// The longest path that a call takes, with the NUL at its end, in bytes (`limits.h`): a longer one
/// would be of no use to who is told it.
const PATH_MAX: usize = 4096;

/// How many names of a pattern that can be guessed are tried: as many as mktemp tries (62³, see
/// `ATTEMPTS_MIN` in gnulib's tempname.c).
pub(super) const MAX_ATTEMPTS: u64 = 62 * 62 * 62;

/// Something that was made.
#[derive(Debug)]
pub(crate) struct Created {
    /// Its name in its place.
    pub name: OsString,
    /// The open entry, if [`CreateOptions::keep_open`] asks for it: a file is open for reading and
    /// writing, a directory with `O_PATH`.
    pub fd: Option<OwnedFd>,
}

/// What is to be done with a new file while it is open for writing.
pub(crate) type Fill<'a> = &'a mut dyn FnMut(&OwnedFd) -> anyhow::Result<()>;

/// Makes up to [`BATCH`] resources in `place`. `fill` is called for each new file.
pub(crate) fn create(
    lease: &mut Lease,
    place: &Dir,
    wanted: &CreateOptions,
    count: usize,
    fill: Fill<'_>,
) -> anyhow::Result<Vec<Created>> {
    let mut maker = Creator { lease, place, wanted, fill };
    match &wanted.name {
        NameRule::Random(template) if !template.is_guessable() => {
            let mut made = Vec::with_capacity(count);
            while made.len() < count {
                made.extend(maker.batch(template, (count - made.len()).min(BATCH))?);
            }
            Ok(made)
        }
        naming => {
            // A number that was taken is so for the next one too.
            let mut number = 0;
            (0..count).map(|_| maker.create_and_publish(naming, &mut number)).collect()
        }
    }
}

/// Creates one resource in `place`. `fill` is called if it is a file.
pub(crate) fn create_one(
    lease: &mut Lease,
    place: &Dir,
    wanted: &CreateOptions,
    fill: Fill<'_>,
) -> anyhow::Result<Created> {
    let mut creator = Creator { lease, place, wanted, fill };
    match &wanted.name {
        NameRule::Random(template) if !template.is_guessable() => creator.one(template),
        name => creator.create_and_publish(name, &mut 0),
    }
}

/// All that making something takes.
struct Creator<'a, 'f> {
    lease: &'a mut Lease,
    place: &'a Dir,
    wanted: &'a CreateOptions,
    fill: Fill<'f>,
}

impl Creator<'_, '_> {
    /// Announces `count` names, makes them, and records what they are. Makes fewer where one of the
    /// names is taken, which nobody will ever see: the caller asks for the rest again.
    fn batch(&mut self, template: &Template, count: usize) -> anyhow::Result<Vec<Created>> {
        let names: Vec<OsString> =
            (0..count).map(|_| template.name(&mut self.lease.random)).collect::<io::Result<_>>()?;
        let event = Event::Intent {
            kind: self.wanted.kind,
            dir: OsJson::from(self.place.real_path()),
            names: names.iter().cloned().map(OsJson).collect(),
            guessable: false,
        };
        self.lease.append(&event)?;
        match self.create_each(&names) {
            Ok(fds) => {
                Ok(names.into_iter().zip(fds).map(|(name, fd)| Created { name, fd }).collect())
            }
            // The intent stands without `made`, and so covers what was made and what was begun. It
            // goes at once all the same: the lease may live on. Only when it is gone for certain
            // may another directory be tried, since the next intent declares this one void.
            Err(err) if remove_created(self.place, self.wanted.kind, &names) => Err(err),
            Err(err) => Err(anyhow::Error::msg(render(&err))),
        }
    }

    /// Creates entries until one of the names is taken, and records their identities. Returns an item
    /// for each: its descriptor, if the caller asked for that.
    fn create_each(&mut self, names: &[OsString]) -> anyhow::Result<Vec<Option<OwnedFd>>> {
        let mut identities = Vec::with_capacity(names.len());
        let mut fds = Vec::with_capacity(names.len());
        for name in names {
            match create_entry(self.place, name, self.wanted, self.fill) {
                Ok((identity, fd)) => {
                    identities.push(identity);
                    fds.push(fd);
                }
                Err(err) if already_exists(&err) => break,
                Err(err) => return Err(self.could_not_create(err)),
            }
        }
        self.lease.append(&Event::Made(identities))?;
        Ok(fds)
    }

    /// Creates one entry under a random name.
    fn one(&mut self, template: &Template) -> anyhow::Result<Created> {
        loop {
            if let Some(created) = self.batch(template, 1)?.pop() {
                return Ok(created);
            }
        }
    }

    /// Makes one entry under a hidden name and gives it a name that others could have taken: the
    /// first that is free from `number` on, or a random one.
    fn create_and_publish(
        &mut self,
        naming: &NameRule,
        number: &mut u64,
    ) -> anyhow::Result<Created> {
        let hidden = self.one(&Template::hidden())?;
        for _ in 0..MAX_ATTEMPTS {
            let name = match naming {
                NameRule::Exact(name) => name.numbered(*number),
                NameRule::Random(template) => template.name(&mut self.lease.random)?,
            };
            *number += 1;
            self.lease.append(&Event::Publish(OsJson(name.clone())))?;
            match publish(self.place, self.wanted.kind, &hidden.name, &name) {
                Ok(()) => return Ok(Created { name, ..hidden }),
                Err(Errno::EXIST) => {}
                Err(err) => return Err(self.could_not_create(io::Error::from(err))),
            }
        }
        Err(self.could_not_create(io::Error::from(Errno::EXIST)))
    }

    fn could_not_create(&self, why: impl Into<anyhow::Error>) -> anyhow::Error {
        CreateError::new(why, self.wanted.kind, self.place.path())
    }
}

/// Removes what has been made under names that only we know: files and empty directories, nothing
/// that is in a directory, since where others may rename entries it may be another one by now. True
/// where it is all gone; what is not stays in the lease.
pub(super) fn remove_created(place: &Dir, kind: Kind, names: &[OsString]) -> bool {
    names.iter().all(|name| match remove::entry_by_name(place, name, kind == Kind::Dir) {
        Ok(()) => true,
        Err(err) => matches!(err.raw_os_error(), Some(libc::ENOENT | libc::ENAMETOOLONG)),
    })
}

/// Makes a symlink under a hidden name, for one that is to be renamed.
pub(crate) fn create_link(
    lease: &mut Lease,
    place: &Dir,
    target: &Path,
) -> anyhow::Result<OsString> {
    let name = Template::hidden().name(&mut lease.random)?;
    let event = Event::Intent {
        kind: Kind::Link,
        dir: OsJson::from(place.real_path()),
        names: vec![OsJson(name.clone())],
        guessable: false,
    };
    lease.append(&event)?;
    let linked = symlinkat(target, place, &name).map_err(io::Error::from);
    let made = linked
        .and_then(|()| Identity::of(place, &c_name(&name)?, place.fsid()))
        .map_err(|err| CreateError::new(err, Kind::Link, place.path()))
        .and_then(|identity| lease.append(&Event::Made(vec![identity])));
    if made.is_err() {
        remove_created(place, Kind::Link, std::slice::from_ref(&name));
    }
    made.map(|()| name)
}

fn already_exists(err: &anyhow::Error) -> bool {
    err.downcast_ref::<io::Error>().is_some_and(|err| err.kind() == io::ErrorKind::AlreadyExists)
}

/// What was being done when a resource could not be made. A type, so that a directory that will not
/// take it can be told from a store that will not take the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CreateError {
    kind: Kind,
    dir: PathBuf,
    /// The filesystem that is full.
    full: Option<PathBuf>,
}

impl CreateError {
    /// In this directory, for this reason.
    pub(crate) fn new(why: impl Into<anyhow::Error>, kind: Kind, dir: &Path) -> anyhow::Error {
        let why = why.into();
        let full = why.root_cause().downcast_ref().and_then(|err| disk_full::full(dir, err));
        why.context(Self { kind, dir: dir.to_owned(), full })
    }
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let act = format!("could not create {} in {}", self.kind.word(), self.dir.display());
        f.write_str(&self.full.iter().fold(act, |act, full| disk_full::on_filesystem(&act, full)))
    }
}

/// Makes one entry, exclusively, with its mode and content, and tells which one it is.
fn create_entry(
    place: &Dir,
    name: &OsStr,
    wanted: &CreateOptions,
    fill: Fill<'_>,
) -> anyhow::Result<(Identity, Option<OwnedFd>)> {
    if place.path().as_os_str().len() + 1 + name.len() >= PATH_MAX {
        return Err(io::Error::from(Errno::NAMETOOLONG).into());
    }
    let name = c_name(name)?;
    match wanted.kind {
        Kind::File => {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let new =
                openat(place, &name, flags, Mode::RUSR | Mode::WUSR).map_err(io::Error::from)?;
            let identity = Identity::of(&new, c"", place.fsid())?;
            fill(&new)?;
            if let Some(FileMode(mode)) = wanted.mode {
                fchmod(&new, Mode::from_raw_mode(mode)).map_err(io::Error::from)?;
            }
            Ok((identity, wanted.keep_open.then_some(new)))
        }
        Kind::Dir => Ok(create_dir(place, &name, wanted)?),
        Kind::Link => Err(io::Error::from(io::ErrorKind::Unsupported).into()),
    }
}

fn create_dir(
    place: &Dir,
    name: &CStr,
    options: &CreateOptions,
) -> io::Result<(Identity, Option<OwnedFd>)> {
    let before = clock_gettime(ClockId::RealtimeCoarse);
    mkdirat(place, name, Mode::RWXU)?;
    let is_protected = place.entries_are_protected();
    if is_protected && options.mode.is_none() && !options.keep_open {
        return Ok((Identity::of(place, name, place.fsid())?, None));
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = openat(place, name, flags, Mode::empty())?;
    // mkdir(2) returns no descriptor. Where others may rename entries of the parent, they may have
    // put another directory of ours under the name. That one is older.
    if !is_protected && !is_ours_and_not_older(&dir, before)? {
        return Err(io::Error::other("another process replaced it while it was created"));
    }
    if let Some(FileMode(mode)) = options.mode {
        sys::chmod_path_fd(dir.as_fd(), mode)?;
    }
    Ok((Identity::of(&dir, c"", place.fsid())?, options.keep_open.then_some(dir)))
}

/// Whether a directory belongs to us and was not created before `time`, as far as its filesystem
/// records that.
fn is_ours_and_not_older(dir: &OwnedFd, time: Timespec) -> io::Result<bool> {
    let stat = statx(dir, c"", AtFlags::EMPTY_PATH, StatxFlags::UID | StatxFlags::BTIME)?;
    let birth = (stat.stx_btime.tv_sec, i64::from(stat.stx_btime.tv_nsec));
    let knows_birth = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
    let is_older = knows_birth && birth < (time.tv_sec, time.tv_nsec);
    Ok(stat.stx_uid == rustix::process::geteuid().as_raw() && !is_older)
}

/// Gives an entry another name in the same directory, unless that is taken.
fn publish(place: &Dir, kind: Kind, from: &OsStr, to: &OsStr) -> rustix::io::Result<()> {
    match renameat_with(place, from, place, to, RenameFlags::NOREPLACE) {
        // A filesystem that cannot refuse to replace can still link, which never replaces.
        Err(Errno::INVAL | Errno::NOSYS) if kind == Kind::File => {
            linkat(place, from, place, to, AtFlags::empty())?;
            unlinkat(place, from, AtFlags::empty())
        }
        renamed => renamed,
    }
}

//! Creates entries, each under a lease.
//!
//! Each function writes the intent, creates the entry exclusively, and writes its identity. A name
//! that nobody can guess is created directly. A name that others can guess or take beforehand
//! (`--name`, a template with few X) is never an intent: the entry is created under a hidden random
//! name, and then published by a rename or a link that refuses to replace.

use std::ffi::{CStr, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, StatxFlags, fchmod, fstat, linkat, mkdirat, openat,
    renameat, renameat_with, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::fs::dir::c_name;
use crate::fs::{Dir, EntryId, FileStamp};
use crate::lease::create_error::{CreateError, FillError};
use crate::lease::record::{Event, Kind, RandomPart};
use crate::lease::writer::Lease;
use crate::os::effective_user;
use crate::values::{ExactName, FileMode, OsJson, Template};
use crate::{remove, sys};

/// What to create.
#[derive(Clone, Debug)]
pub(crate) struct CreateOptions {
    /// A file or a directory.
    pub kind: Kind,
    pub name: NameRule,
    /// The exact mode. `None` means 0600 or 0700, minus the umask.
    pub mode: Option<FileMode>,
    /// Whether [`Created`] holds the open entry. A batch would hold a descriptor for each of its
    /// entries, so only callers that create one entry ask for it.
    pub keep_open: bool,
}

/// How the name of an entry is chosen.
#[derive(Clone, Debug)]
pub(crate) enum NameRule {
    Random(Template),
    /// This name, with a number if it is taken.
    Exact(ExactName),
    /// A hidden name. The caller renames the entry to what belongs to the user, so it has no mark.
    Hidden,
}

impl NameRule {
    /// Whether another process can choose the same name.
    fn is_chosen(&self) -> bool {
        match self {
            Self::Random(template) => template.is_guessable(),
            Self::Exact(_) => true,
            Self::Hidden => false,
        }
    }
}

/// The most names in one intent. A line of this length can still be read in one call.
pub(crate) const BATCH: usize = 512;

/// The longest path that a system call accepts, including the final NUL, in bytes (`limits.h`). A
/// longer one would be useless to the caller.
const PATH_MAX: usize = 4096;

/// The most names that are tried for one entry. mktemp tries as many: 62³, `ATTEMPTS_MIN` in gnulib's
/// tempname.c.
pub(super) const MAX_ATTEMPTS: u64 = 62 * 62 * 62;

/// A new entry.
#[derive(Debug)]
pub(crate) struct Created {
    /// Its name in its directory.
    pub name: OsString,
    /// The open entry, if [`CreateOptions::keep_open`] asks for it: a file is open for reading and
    /// writing, a directory with `O_PATH`.
    pub fd: Option<OwnedFd>,
    /// Whether its name was chosen, and nothing can prove later that it is ours.
    pub is_unprovable: bool,
}

impl Created {
    /// Takes over a new directory that was kept open.
    pub(crate) fn into_dir(self, parent: &Dir) -> io::Result<Dir> {
        let fd = self.fd.ok_or(Errno::BADF)?;
        Dir::from_fd(fd, parent.join(&self.name), parent.real_path().join(&self.name))
    }
}

/// Fills a new file while it is open for writing. `None` leaves it empty.
pub(crate) type Fill<'a> = Option<&'a mut dyn FnMut(&OwnedFd) -> Result<(), FillError>>;

/// Lends a [`Fill`] to one call of several.
pub(crate) fn reborrow<'a>(fill: &'a mut Fill<'_>) -> Fill<'a> {
    match fill {
        Some(fill) => Some(&mut **fill),
        None => None,
    }
}

/// Creates `count` entries in `dir`, at most [`BATCH`]. Calls `fill` on each new file.
///
/// A file that is filled is identified in the lease before that: a creator that is killed while it
/// writes leaves a file that is known to be ours.
pub(crate) fn create(
    lease: &mut Lease,
    dir: &Dir,
    options: &CreateOptions,
    count: usize,
    fill: Fill<'_>,
) -> Result<Vec<Created>, CreateError> {
    let mut creator = Creator { lease, dir, options, fill, created: 0 };
    match &options.name {
        NameRule::Random(template) if !template.is_guessable() => {
            let most = if creator.fill.is_some() { 1 } else { BATCH };
            let mut created = Vec::with_capacity(count);
            while created.len() < count {
                created.extend(creator.batch(template, (count - created.len()).min(most))?);
            }
            Ok(created)
        }
        rule => {
            // A number that is taken is still taken when the next entry is named.
            let mut number = 0;
            (0..count).map(|_| creator.create_and_publish(rule, &mut number)).collect()
        }
    }
}

/// Creates one entry in `dir`. Calls `fill` if it is a file.
pub(crate) fn create_one(
    lease: &mut Lease,
    dir: &Dir,
    options: &CreateOptions,
    fill: Fill<'_>,
) -> Result<Created, CreateError> {
    let mut creator = Creator { lease, dir, options, fill, created: 0 };
    match &options.name {
        NameRule::Random(template) if !template.is_guessable() => creator.create_random(template),
        NameRule::Hidden => creator.create_random(&Template::hidden()),
        rule => creator.create_and_publish(rule, &mut 0),
    }
}

/// Creates a symlink under a hidden name, from which the caller renames it.
pub(crate) fn create_link(
    lease: &mut Lease,
    dir: &Dir,
    target: &Path,
) -> Result<OsString, CreateError> {
    let template = Template::hidden();
    let name = template.name(&mut lease.random).map_err(CreateError::NoRandomness)?;
    lease.append(&intent(Kind::Link, dir, std::slice::from_ref(&name), &template))?;
    let linked = symlinkat(target, dir, &name).map_err(io::Error::from);
    let recorded = linked
        .and_then(|()| Ok(dir.identify(&c_name(&name)?)))
        .map_err(|err| CreateError::refused(Kind::Link, dir.path(), err))
        .and_then(|identity| Ok(lease.append(&Event::Created(vec![identity]))?));
    match recorded {
        Ok(()) => Ok(name),
        Err(err) if err.is_denial() => {
            lease.append(&Event::Created(Vec::new()))?;
            Err(err)
        }
        Err(err) => {
            remove_created(dir, Kind::Link, std::slice::from_ref(&name));
            Err(err)
        }
    }
}

/// Returns the intent to create these names of a template, which nobody can guess.
pub(super) fn intent(kind: Kind, dir: &Dir, names: &[OsString], template: &Template) -> Event {
    let (start, length) = template.random_part();
    let run = u32::try_from(start).ok().zip(u32::try_from(length).ok());
    let run = run.map(|(start, length)| RandomPart(start, length));
    intent_of(kind, dir, names.iter().cloned().map(OsJson).collect(), run)
}

/// Returns the intent to exchange a file with this name for another one.
pub(super) fn exchange(dir: &Dir, name: OsString) -> Event {
    intent_of(Kind::File, dir, vec![OsJson(name)], None)
}

fn intent_of(kind: Kind, dir: &Dir, names: Vec<OsJson>, run: Option<RandomPart>) -> Event {
    let (parent, mount) = (Some(dir.facts().id.clone()), Some(dir.facts().mount));
    Event::Intent { kind, dir: OsJson::from(dir.real_path()), names, parent, mount, run }
}

/// Creates entries in one directory.
struct Creator<'a, 'f> {
    lease: &'a mut Lease,
    dir: &'a Dir,
    options: &'a CreateOptions,
    fill: Fill<'f>,
    /// How many entries of the last intent were created.
    created: usize,
}

impl Creator<'_, '_> {
    /// Creates one entry under a random name.
    fn create_random(&mut self, template: &Template) -> Result<Created, CreateError> {
        loop {
            if let Some(created) = self.batch(template, 1)?.pop() {
                return Ok(created);
            }
        }
    }

    /// Announces `count` names, creates the entries, and records their identities. Creates fewer if a
    /// name is taken, which is all but impossible. The caller then asks for the rest.
    fn batch(&mut self, template: &Template, count: usize) -> Result<Vec<Created>, CreateError> {
        let names = (0..count).map(|_| template.name(&mut self.lease.random));
        let names: Vec<OsString> =
            names.collect::<io::Result<_>>().map_err(CreateError::NoRandomness)?;
        self.lease.append(&intent(self.options.kind, self.dir, &names, template))?;
        self.created = 0;
        match self.create_each(&names) {
            Ok(created) => {
                let created = names.into_iter().zip(created);
                Ok(created.map(|(name, created)| Created { name, ..created }).collect())
            }
            // Nobody may be able to look whether the names exist in this directory.
            Err(err) if self.created == 0 && err.is_denial() => {
                self.lease.append(&Event::Created(Vec::new()))?;
                Err(err)
            }
            // The intent has no identities, so it covers every entry that may exist. They are removed
            // at once all the same, because the lease may live on. Another directory may be tried only
            // if none is left: the next intent voids this one.
            Err(err) if remove_created(self.dir, self.options.kind, &names) => Err(err),
            Err(err) => Err(err.with_leftover()),
        }
    }

    /// Creates entries until one of the names is taken, records their identities, and then fills them.
    /// Returns an item for each, still without its name.
    fn create_each(&mut self, names: &[OsString]) -> Result<Vec<Created>, CreateError> {
        let is_chosen = self.options.name.is_chosen();
        let mut identities = Vec::with_capacity(names.len());
        let mut all = Vec::with_capacity(names.len());
        for name in names {
            match self.create_entry(name) {
                Ok((identity, fd)) => {
                    let is_unprovable = is_chosen && identity.is_unknown();
                    all.push(Created { name: OsString::new(), fd, is_unprovable });
                    identities.push(identity);
                }
                Err(err) if err.is_taken() => break,
                Err(err) => return Err(err),
            }
        }
        self.lease.append(&Event::Created(identities))?;
        if self.fill.is_some() {
            all.iter_mut().try_for_each(|created| self.fill_entry(&mut created.fd))?;
        }
        Ok(all)
    }

    /// Creates one entry under a hidden name, and then publishes it: as the first name that is free
    /// from `number` on, or as a random one.
    fn create_and_publish(
        &mut self,
        rule: &NameRule,
        number: &mut u64,
    ) -> Result<Created, CreateError> {
        let kind = self.options.kind;
        let hidden = self.create_random(&Template::hidden())?;
        for _ in 0..MAX_ATTEMPTS {
            let name = match rule {
                NameRule::Exact(name) => name.numbered(*number),
                NameRule::Random(template) => {
                    template.name(&mut self.lease.random).map_err(CreateError::NoRandomness)?
                }
                NameRule::Hidden => return Ok(hidden),
            };
            *number += 1;
            self.lease.append(&Event::Publish(OsJson(name.clone())))?;
            let published = match publish(self.dir, kind, &hidden.name, &name) {
                Err(CANNOT_PUBLISH) => publish_over_own(self.dir, kind, &hidden.name, &name),
                published => published,
            };
            match published {
                Ok(()) => return Ok(Created { name, ..hidden }),
                Err(Errno::EXIST) => {}
                Err(err) => return Err(self.refused(err)),
            }
        }
        Err(self.refused(Errno::EXIST))
    }

    /// Creates one entry exclusively. Returns its identity, and its descriptor if it is to be filled or
    /// the caller asked for it.
    fn create_entry(&mut self, name: &OsStr) -> Result<(EntryId, Option<OwnedFd>), CreateError> {
        if self.dir.path().as_os_str().len() + 1 + name.len() >= PATH_MAX {
            return Err(self.refused(Errno::NAMETOOLONG));
        }
        let name = c_name(name).map_err(|err| self.refused(err))?;
        match self.options.kind {
            Kind::File => {
                let file = create_file(self.dir, &name).map_err(|err| self.refused(err))?;
                self.created += 1;
                let identity = EntryId::of(self.dir.open_entry(file.as_fd()));
                let identity = identity.or_mark(&file, self.mark());
                if self.fill.is_none() {
                    self.set_mode(&file)?;
                }
                let keeps_open = self.options.keep_open || self.fill.is_some();
                Ok((identity, keeps_open.then_some(file)))
            }
            Kind::Dir => {
                let before = clock_gettime(ClockId::RealtimeCoarse);
                mkdirat(self.dir, &name, Mode::RWXU).map_err(|err| self.refused(err))?;
                self.created += 1;
                prepare_dir(self.dir, &name, self.options, before, self.mark())
                    .map_err(|err| self.refused(err))
            }
            Kind::Link => Err(self.refused(Errno::OPNOTSUPP)),
        }
    }

    /// Fills a new file. Its mode comes last, since writing takes the set-user-ID bit away.
    fn fill_entry(&mut self, entry: &mut Option<OwnedFd>) -> Result<(), CreateError> {
        if let (Some(file), Some(fill)) = (entry.as_ref(), &mut self.fill) {
            fill(file).map_err(|err| CreateError::not_filled(self.dir.path(), err))?;
            self.set_mode(file)?;
        }
        if !self.options.keep_open {
            *entry = None;
        }
        Ok(())
    }

    fn set_mode(&self, file: &OwnedFd) -> Result<(), CreateError> {
        match self.options.mode {
            Some(FileMode(mode)) => {
                fchmod(file, Mode::from_raw_mode(mode)).map_err(|err| self.refused(err))
            }
            None => Ok(()),
        }
    }

    /// Returns the mark for entries that nothing else identifies.
    fn mark(&self) -> Option<&str> {
        match self.options.name {
            NameRule::Hidden => None,
            NameRule::Random(_) | NameRule::Exact(_) => Some(self.lease.id()),
        }
    }

    fn refused(&self, err: impl Into<io::Error>) -> CreateError {
        CreateError::refused(self.options.kind, self.dir.path(), err)
    }
}

/// Removes entries whose names nobody else knows. Returns whether none is left. The lease covers what
/// is left.
///
/// Removes files and empty directories only. Where others may rename entries, a directory may be
/// another one by now, so its content stays.
fn remove_created(dir: &Dir, kind: Kind, names: &[OsString]) -> bool {
    names.iter().all(|name| match remove::entry_by_name(dir, name, kind == Kind::Dir) {
        Ok(()) => true,
        Err(err) => matches!(err.raw_os_error(), Some(libc::ENOENT | libc::ENAMETOOLONG)),
    })
}

fn create_file(dir: &Dir, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    Ok(openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?)
}

/// Gives a directory that was created after `before` its mode. Returns its identity, and its
/// descriptor if the caller asked for that.
fn prepare_dir(
    parent: &Dir,
    name: &CStr,
    options: &CreateOptions,
    before: Timespec,
    mark: Option<&str>,
) -> io::Result<(EntryId, Option<OwnedFd>)> {
    let is_protected = parent.entries_are_protected();
    if is_protected && options.mode.is_none() && !options.keep_open {
        let identity = parent.identify(name);
        if !identity.is_unknown() {
            return Ok((identity, None));
        }
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = openat(parent, name, flags, Mode::empty())?;
    // mkdir(2) returns no descriptor. Where others may rename entries of the parent, they may have
    // put another directory of ours under the name. That one is older.
    if !is_protected && !is_ours_and_not_older(&dir, before)? {
        return Err(io::Error::other("another process replaced it while it was created"));
    }
    let mut identity = EntryId::of(parent.open_entry(dir.as_fd()));
    if identity.is_unknown() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // Where others may rename the new directory, this may be another one, which must not get a
        // mark.
        if let Ok(readable) = openat(&dir, c".", flags, Mode::empty())
            && (is_protected || is_new(&readable, before))
        {
            identity = identity.or_mark(readable, mark);
        }
    }
    if let Some(FileMode(mode)) = options.mode {
        sys::chmod_path_fd(dir.as_fd(), mode)?;
    }
    Ok((identity, options.keep_open.then_some(dir)))
}

/// Whether a directory is empty and did not change before `time`. An older one that was moved has an
/// older time, which only its owner can set.
fn is_new(dir: &OwnedFd, time: Timespec) -> bool {
    let changed = fstat(dir).is_ok_and(|stat| {
        // Without nanoseconds, the time is one of whole seconds, or of even ones as on FAT.
        if stat.st_mtime_nsec == 0 {
            return stat.st_mtime > time.tv_sec - 2;
        }
        (stat.st_mtime, stat.st_mtime_nsec) >= (time.tv_sec, time.tv_nsec.try_into().unwrap_or(0))
    });
    let is_dot = |name: &CStr| matches!(name.to_bytes(), b"." | b"..");
    let entries = rustix::fs::Dir::read_from(dir);
    changed
        && entries.is_ok_and(|mut all| all.all(|one| one.is_ok_and(|one| is_dot(one.file_name()))))
}

/// Whether a directory belongs to us and was not created before `time`. Where its filesystem does not
/// record that, it has to be as empty as a new one.
fn is_ours_and_not_older(dir: &OwnedFd, time: Timespec) -> io::Result<bool> {
    let stat = sys::statx(dir, c"", AtFlags::EMPTY_PATH, StatxFlags::UID | StatxFlags::BTIME)?;
    if stat.stx_uid != effective_user() {
        return Ok(false);
    }
    if stat.stx_mask & StatxFlags::BTIME.bits() != 0 {
        let birth = (stat.stx_btime.tv_sec, i64::from(stat.stx_btime.tv_nsec));
        return Ok(birth >= (time.tv_sec, time.tv_nsec));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(is_new(&openat(dir, c".", flags, Mode::empty())?, time))
}

/// The error of [`publish`] for a file on a filesystem that has neither such renames nor hard links.
pub(crate) const CANNOT_PUBLISH: Errno = Errno::OPNOTSUPP;

/// Renames an entry within its directory, and fails if the new name is taken.
pub(super) fn publish(dir: &Dir, kind: Kind, from: &OsStr, to: &OsStr) -> rustix::io::Result<()> {
    match renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE) {
        // Some filesystems lack this flag, and kernels before 3.15 lack the call.
        Err(err) if matches!(err, Errno::INVAL | Errno::OPNOTSUPP) || sys::is_unknown_call(err) => {
            publish_in_two_steps(dir, kind, from, to)
        }
        renamed => renamed,
    }
}

/// Does the same with calls that refuse to replace by themselves.
fn publish_in_two_steps(dir: &Dir, kind: Kind, from: &OsStr, to: &OsStr) -> rustix::io::Result<()> {
    if kind == Kind::Dir {
        return publish_over_own(dir, kind, from, to);
    }
    match linkat(dir, from, dir, to, AtFlags::empty()) {
        Err(err) if sys::is_unknown_call(err) => Err(CANNOT_PUBLISH),
        linked => linked.and_then(|()| unlinkat(dir, from, AtFlags::empty())),
    }
}

/// Creates an empty entry under the new name, exclusively, and renames the other one over it. If tmpx is
/// killed in between, the empty one stays, which a cleanup reports.
fn publish_over_own(dir: &Dir, kind: Kind, from: &OsStr, to: &OsStr) -> rustix::io::Result<()> {
    if kind == Kind::Dir {
        mkdirat(dir, to, Mode::RWXU)?;
        // A directory replaces an empty one only.
        return renameat(dir, from, dir, to).inspect_err(|_| {
            let _ = unlinkat(dir, to, AtFlags::REMOVEDIR);
        });
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    // It is closed before the rename: FUSE would give an open file another name, and the host of a virtual
    // machine may refuse to replace it.
    let own = openat(dir, to, flags, Mode::RUSR | Mode::WUSR).map(|empty| fstat(&empty))?;
    renameat(dir, from, dir, to).inspect_err(|_| {
        let there = statat(dir, to, AtFlags::SYMLINK_NOFOLLOW);
        if let (Ok(own), Ok(there)) = (own, there)
            && FileStamp::from(&own) == FileStamp::from(&there)
        {
            let _ = unlinkat(dir, to, AtFlags::empty());
        }
    })
}

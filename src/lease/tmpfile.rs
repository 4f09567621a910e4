//! Files without a name, which need no lease until they get one.
//!
//! A file that has no name yet (`O_TMPFILE`) is gone with the process that has it open, however that
//! ends: nothing can leak, so nothing is recorded. [`Unnamed::link`] gives it a hidden name, under
//! a lease as everything. Filesystems that know no such files get one with a hidden name at once.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use anyhow::Context as _;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat, renameat};
use rustix::io::Errno;

use crate::fs::{Dir, Identity};
use crate::lease::entry::{CreateError, CreateOptions, NameRule, create_one, remove_created};
use crate::lease::record::{Event, Kind};
use crate::lease::writer::Lease;
use crate::values::{FileMode, OsJson, Template};

/// A file in some directory, open for reading and writing, that has no name there.
#[derive(Debug)]
pub(crate) struct TmpFile {
    file: OwnedFd,
    place: Dir,
    /// The hidden name that it has after all.
    name: Option<OsString>,
}

impl TmpFile {
    /// Makes one, with a mode less the umask.
    pub(crate) fn create(lease: &mut Lease, place: Dir, mode: u32) -> anyhow::Result<Self> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match openat(&place, c".", flags, Mode::from_raw_mode(mode)) {
            Ok(file) => Ok(Self { file, place, name: None }),
            // The filesystem knows no such files, or the kernel takes the flag for another one.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT | Errno::NOSYS) => {
                Self::create_hidden(lease, place, mode)
            }
            Err(err) => Err(CreateError::new(io::Error::from(err), Kind::File, place.path())),
        }
    }

    fn create_hidden(lease: &mut Lease, place: Dir, mode: u32) -> anyhow::Result<Self> {
        let mask = rustix::process::umask(Mode::RWXU);
        rustix::process::umask(mask);
        let wanted = CreateOptions {
            kind: Kind::File,
            name: NameRule::Random(Template::hidden()),
            mode: Some(FileMode(mode & !mask.as_raw_mode())),
            keep_open: true,
        };
        let created = create_one(lease, &place, &wanted, &mut |_| Ok(()))?;
        let file = created.fd.context("could not open what was made")?;
        Ok(Self { file, place, name: Some(created.name) })
    }

    /// The directory it is in.
    pub(crate) fn place(&self) -> &Dir {
        &self.place
    }

    /// Gives it a hidden name.
    pub(crate) fn create_link(&mut self, lease: &mut Lease) -> anyhow::Result<()> {
        if self.name.is_some() {
            return Ok(());
        }
        let place = &self.place;
        let name = Template::hidden().name(&mut lease.random)?;
        let event = Event::Intent {
            kind: Kind::File,
            dir: OsJson::from(place.real_path()),
            names: vec![OsJson(name.clone())],
            guessable: false,
        };
        lease.append(&event)?;
        let linked = linkat(CWD, proc_path(&self.file), place, &name, AtFlags::SYMLINK_FOLLOW);
        let made = linked
            .map_err(io::Error::from)
            .and_then(|()| Identity::of(&self.file, c"", place.fsid()))
            .map_err(|err| CreateError::new(err, Kind::File, place.path()))
            .and_then(|identity| lease.append(&Event::Made(vec![identity])));
        if made.is_err() {
            remove_created(place, Kind::File, std::slice::from_ref(&name));
        }
        made.map(|()| self.name = Some(name))
    }

    /// Puts it in the place of another entry of its directory, or where none is. It must have been
    /// linked.
    pub(crate) fn rename(&self, to: &OsStr) -> io::Result<()> {
        let name = self.name.as_deref().ok_or(io::ErrorKind::NotFound)?;
        Ok(renameat(&self.place, name, &self.place, to)?)
    }
}

impl AsFd for TmpFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Another way to an open file, by which it can be linked and opened anew, whether it has a name or
/// not.
pub(crate) fn proc_path(file: impl AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}

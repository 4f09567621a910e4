//! Files without a name, which need no lease until they get one.
//!
//! The kernel removes an unnamed file (`O_TMPFILE`) when the last process that has it open ends, so it
//! cannot leak and no lease records it. [`TmpFile::create_link`] gives it a hidden name, under a lease
//! like every name. On filesystems without such files, and where none can get a name, it has a hidden
//! name from the beginning.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, fstat, openat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::umask;

use crate::fs::metadata::set_mode;
use crate::fs::{Dir, EntryId, FileStamp};
use crate::lease::create_error::CreateError;
use crate::lease::entry::{CreateOptions, NameRule, create_one, exchange, intent, publish};
use crate::lease::record::{Event, Kind};
use crate::lease::writer::Lease;
use crate::sys::{can_link_open_file, is_unknown_call, link_open_file};
use crate::values::Template;

/// A file that is open for reading and writing, and has no name in its directory yet.
#[derive(Debug)]
pub(crate) struct TmpFile {
    file: OwnedFd,
    dir: Dir,
    /// Its hidden name, if it has one.
    name: Option<OsString>,
}

impl TmpFile {
    /// Creates a file with this mode, minus the umask, that needs no name.
    pub(crate) fn create(lease: &mut Lease, dir: Dir, mode: u32) -> Result<Self, CreateError> {
        match Self::create_unnamed(dir, mode)? {
            Ok(file) => Ok(file),
            Err(dir) => Self::create_hidden(lease, dir, mode),
        }
    }

    /// Creates a file that can get a name.
    pub(crate) fn create_linkable(
        lease: &mut Lease,
        dir: Dir,
        mode: u32,
    ) -> Result<Self, CreateError> {
        match Self::create_linkable_unnamed(dir, mode)? {
            Ok(file) => Ok(file),
            Err(dir) => Self::create_hidden(lease, dir, mode),
        }
    }

    /// Does the same without a lease, or gives the directory back if that is not possible there.
    pub(crate) fn create_linkable_unnamed(
        dir: Dir,
        mode: u32,
    ) -> Result<Result<Self, Dir>, CreateError> {
        Ok(match Self::create_unnamed(dir, mode)? {
            Ok(Self { file, dir, .. }) if !can_link_open_file(&file, &dir) => Err(dir),
            created => created,
        })
    }

    /// Creates an unnamed file, or gives the directory back if its filesystem has none.
    fn create_unnamed(dir: Dir, mode: u32) -> Result<Result<Self, Dir>, CreateError> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match openat(&dir, c".", flags, Mode::from_raw_mode(mode)) {
            Ok(file) => Ok(Ok(Self { file, dir, name: None })),
            Err(err) if lacks_unnamed_files(err) => Ok(Err(dir)),
            Err(err) => Err(CreateError::refused(Kind::File, dir.path(), err)),
        }
    }

    /// Creates a file with a hidden name.
    pub(crate) fn create_hidden(
        lease: &mut Lease,
        dir: Dir,
        mode: u32,
    ) -> Result<Self, CreateError> {
        let mask = umask(Mode::RWXU);
        umask(mask);
        let options =
            CreateOptions { kind: Kind::File, name: NameRule::Hidden, mode: None, keep_open: true };
        let created = create_one(lease, &dir, &options, None)?;
        let refused = |err| CreateError::refused(Kind::File, dir.path(), err);
        let file = created.fd.ok_or(Errno::BADF).map_err(|err| refused(err.into()))?;
        // Where the mount decides about the modes of files, it has that one.
        set_mode(&file, mode & !mask.as_raw_mode()).map_err(refused)?;
        Ok(Self { file, dir, name: Some(created.name) })
    }

    /// The directory that it is in.
    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Gives it a hidden name.
    pub(crate) fn create_link(&mut self, lease: &mut Lease) -> Result<(), CreateError> {
        if self.name.is_some() {
            return Ok(());
        }
        let dir = &self.dir;
        let template = Template::hidden();
        let name = template.name(&mut lease.random).map_err(CreateError::NoRandomness)?;
        lease.append(&intent(Kind::File, dir, std::slice::from_ref(&name), &template))?;
        // It may already have another owner, by whom nothing would show that it is ours.
        let identity = EntryId::of(dir.open_entry(self.file.as_fd()));
        lease.append(&Event::Created(vec![identity]))?;
        link_open_file(&self.file, dir, &name)
            .map_err(|err| CreateError::refused(Kind::File, dir.path(), err))?;
        self.name = Some(name);
        Ok(())
    }

    /// Gives an unnamed file a name in the cache, which removes its entries itself. So no lease covers
    /// it. Fails with `EEXIST` if the name is taken.
    pub(crate) fn link(&self, name: &OsStr) -> io::Result<()> {
        Ok(link_open_file(&self.file, &self.dir, name)?)
    }

    /// Renames an entry of the cache, which [`link`](Self::link) has named, and replaces another one.
    pub(crate) fn rename_from(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(renameat(&self.dir, from, &self.dir, to)?)
    }

    /// Renames it within its directory, and replaces what has that name. It must have a hidden name.
    pub(crate) fn rename(&self, to: &OsStr) -> io::Result<()> {
        Ok(renameat(&self.dir, self.hidden()?, &self.dir, to)?)
    }

    /// Renames it within its directory. Fails with `EEXIST` if a file has that name, and with
    /// [`CANNOT_PUBLISH`](crate::lease::CANNOT_PUBLISH) if the filesystem lets no call find that out.
    pub(crate) fn publish(&self, to: &OsStr) -> rustix::io::Result<()> {
        let name = self.name.as_deref().ok_or(Errno::NOENT)?;
        publish(&self.dir, Kind::File, name, to)
    }

    /// Records that the hidden name may soon belong to `other`, which [`TmpFile::exchange`] gives it.
    /// If tmpx is killed before it removes that file, a cleanup does. The file of another program that
    /// has come into the place of `other` meanwhile has another identity, and is kept.
    ///
    /// From then on, the name proves nothing. Where nothing else does, this first finds out whether files
    /// can be exchanged. If not, it returns `false`, and the file keeps a name that proves.
    pub(crate) fn cover_exchange(
        &mut self,
        lease: &mut Lease,
        other: impl AsFd,
    ) -> Result<bool, CreateError> {
        let identity = EntryId::of(self.dir.open_entry(other.as_fd()));
        if identity.is_unknown() && !self.can_exchange(lease)? {
            return Ok(false);
        }
        let name = self.hidden().map_err(|err| self.refused(err))?.to_owned();
        lease.append(&exchange(&self.dir, name))?;
        lease.append(&Event::Created(vec![identity]))?;
        Ok(true)
    }

    /// Exchanges its hidden name with that of an empty file. No other call tells whether the filesystem can
    /// do that: for a name that does not exist, the kernel answers by itself. A kill leaves two files whose
    /// names prove that they are ours.
    fn can_exchange(&mut self, lease: &mut Lease) -> Result<bool, CreateError> {
        let dir = self.dir.try_clone().map_err(|err| self.refused(err))?;
        let mut empty = Self::create_hidden(lease, dir, 0o600)?;
        let is_renamed = empty.hidden().is_ok_and(|name| self.exchange(name).is_ok());
        if is_renamed {
            std::mem::swap(&mut self.name, &mut empty.name);
        }
        // A filesystem that ignores the flag has replaced the empty file.
        let is_there = |name| statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
        let is_exchanged = is_renamed && empty.hidden().is_ok_and(is_there);
        empty.remove(lease);
        Ok(is_exchanged)
    }

    /// Exchanges its hidden name with the name of a file in the directory. The same call undoes it.
    pub(crate) fn exchange(&self, with: &OsStr) -> rustix::io::Result<()> {
        let name = self.name.as_deref().ok_or(Errno::NOENT)?;
        renameat_with(&self.dir, name, &self.dir, with, RenameFlags::EXCHANGE)
    }

    /// Removes the file that has the hidden name after an exchange.
    pub(crate) fn remove_exchanged(&self) -> io::Result<()> {
        Ok(unlinkat(&self.dir, self.hidden()?, AtFlags::empty())?)
    }

    /// Removes it, unless another file has its hidden name. If that fails, the end of the run tries again.
    pub(crate) fn remove(&self, lease: &mut Lease) {
        let Some(name) = self.name.as_deref() else { return };
        let there = statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW);
        if let (Ok(own), Ok(there)) = (fstat(&self.file), there)
            && FileStamp::from(&own).is_file_of(&FileStamp::from(&there))
            && unlinkat(&self.dir, name, AtFlags::empty()).is_ok()
        {
            lease.note_renamed(name);
        }
    }

    /// The hidden name. Fails if it has none.
    pub(crate) fn hidden(&self) -> io::Result<&OsStr> {
        self.name.as_deref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn refused(&self, err: io::Error) -> CreateError {
        CreateError::refused(Kind::File, self.dir.path(), err)
    }
}

/// Whether an error says that files cannot be exchanged there.
pub(crate) fn lacks_exchange(err: Errno) -> bool {
    matches!(err, Errno::INVAL | Errno::OPNOTSUPP) || is_unknown_call(err)
}

/// Whether an error says that the filesystem lacks unnamed files, or that the kernel mistakes the flag
/// for another one.
pub(crate) fn lacks_unnamed_files(err: Errno) -> bool {
    matches!(err, Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT | Errno::NOSYS)
}

impl AsFd for TmpFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

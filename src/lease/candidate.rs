//! The directories that may hold a store, and the rules by which one is opened or created.
//!
//! Whoever can write a lease can make a cleanup remove files. So a store is used only if nobody else
//! can have written to it: it and its `leases` belong to us, and neither lets others write. This also
//! holds for reading, since another user may move a directory of ours to a shared path.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, Stat, lstat, stat, statfs};

use crate::fs::dir::is_directory;
use crate::fs::private_dir::{self, PrivateDirResult};
use crate::fs::{PrivateDirError, is_local};
use crate::os::{Env, Random, effective_user};

/// The directories that all users share.
const SHARED: [&str; 2] = ["/var/tmp", "/tmp"];

/// The directory in a store that holds the lease files.
const LEASES: &str = "leases";

/// The open directory of the leases, and its path.
type OpenLeases = (OwnedFd, PathBuf);

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it is not on a local filesystem")]
struct NotLocal;

/// A directory that may hold a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoreCandidate {
    path: PathBuf,
    kind: CandidateKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum CandidateKind {
    /// The user named it.
    Explicit,
    /// It is below this directory, which must be ours and on a local filesystem.
    Home(PathBuf),
    /// It is in a directory that all users share.
    Shared,
    /// It is in the directory that TMPDIR names.
    TempDir(PathBuf),
}

impl StoreCandidate {
    pub(super) fn explicit(path: PathBuf) -> Self {
        Self { path: private_dir::without_end_slash(path), kind: CandidateKind::Explicit }
    }

    /// Returns the candidate of a store that was opened before.
    pub(super) fn again(path: &Path, is_shared: bool) -> Self {
        let kind = match path.parent().filter(|_| is_shared) {
            Some(dir) if SHARED.iter().any(|shared| Path::new(shared) == dir) => {
                CandidateKind::Shared
            }
            Some(dir) => CandidateKind::TempDir(dir.to_owned()),
            None => CandidateKind::Explicit,
        };
        Self { path: path.to_owned(), kind }
    }

    /// Returns the candidate in the home of this user.
    pub(super) fn in_home(env: &Env) -> Option<Self> {
        let (base, below) = match env.absolute("XDG_STATE_HOME") {
            Some(state) => (state, "tmpx"),
            None => (env.absolute("HOME")?, ".local/state/tmpx"),
        };
        Some(Self { path: base.join(below), kind: CandidateKind::Home(base) })
    }

    /// Lists the candidates outside the home of this user. The last is in the directory that TMPDIR
    /// names.
    pub(super) fn outside_home(temp_dir: Option<&Path>) -> impl Iterator<Item = Self> {
        let name = format!(".tmpx-{}", effective_user());
        let shared = SHARED
            .map(|dir| Self { path: Path::new(dir).join(&name), kind: CandidateKind::Shared });
        let temp_dir = temp_dir
            .map(|dir| Self { path: dir.join(&name), kind: CandidateKind::TempDir(dir.into()) })
            .filter(|one| shared.iter().all(|shared| shared.path != one.path));
        shared.into_iter().chain(temp_dir)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_explicit(&self) -> bool {
        self.kind == CandidateKind::Explicit
    }

    /// Whether it is in a directory in which other users may create entries too.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.kind, CandidateKind::Shared | CandidateKind::TempDir(_))
    }

    /// Whether it is a directory of ours in which we would create a store. Another user may have put
    /// anything at the shared paths, and a home may be a symlink or on a network filesystem.
    pub(super) fn may_be_ours(&self) -> bool {
        let is_own_dir = match self.shared_parent() {
            Some((parent, name)) => private_dir::open_parent(parent)
                .is_ok_and(|parent| private_dir::is_own_no_xdev(parent.as_fd(), name)),
            None => lstat(&self.path)
                .is_ok_and(|stat| stat.st_uid == effective_user() && is_directory(stat.st_mode)),
        };
        is_own_dir && self.check_place().is_ok()
    }

    /// Whether the user named the place of the store. Others may rename entries of a directory above it.
    /// Whoever can rename what is in a home is its user.
    pub(super) fn may_be_anywhere(&self) -> bool {
        matches!(self.kind, CandidateKind::Explicit | CandidateKind::TempDir(_))
    }

    /// Whether it is in a home. Such a store must be on a local filesystem.
    pub(super) fn is_in_home(&self) -> bool {
        matches!(self.kind, CandidateKind::Home(_))
    }

    /// The shared directory that it is in, and its name there.
    fn shared_parent(&self) -> Option<(&Path, &OsStr)> {
        let parent = self.path.parent().zip(self.path.file_name());
        parent.filter(|_| self.is_shared())
    }

    fn open_dir(&self) -> PrivateDirResult<(OwnedFd, Stat)> {
        match self.shared_parent() {
            Some((parent, name)) => {
                private_dir::open_own_no_xdev(private_dir::open_parent(parent)?.as_fd(), name)
            }
            None => private_dir::open_own(CWD, &self.path),
        }
    }

    /// Opens an existing store to read leases.
    pub(super) fn open(&self) -> PrivateDirResult<OpenLeases> {
        self.check_fit()?;
        let (dir, stat) = self.open_dir()?;
        let leases = private_dir::open_own(&dir, LEASES);
        if leases.as_ref().err().is_none_or(|err| !err.is_absent()) {
            private_dir::check_closed(&stat)?;
        }
        let (leases, stat) = leases?;
        private_dir::check_closed(&stat)?;
        Ok((leases, self.path.join(LEASES)))
    }

    /// Opens a store to write leases, and creates it if it is missing. At a shared path that another
    /// user has occupied, opens or creates a store beside it.
    pub(super) fn open_or_create(&self) -> PrivateDirResult<OpenLeases> {
        match self.open_or_create_here() {
            Err(err) if self.is_shared() && is_occupied(&err) => {
                self.open_or_create_beside().map_err(|_| err)
            }
            opened => opened,
        }
    }

    fn open_or_create_here(&self) -> PrivateDirResult<OpenLeases> {
        match self.open_to_write() {
            Err(err) if err.is_absent() => {
                self.create()?;
                self.open_to_write()
            }
            opened => opened,
        }
    }

    fn open_or_create_beside(&self) -> PrivateDirResult<OpenLeases> {
        if let Some(store) = self.beside().iter().find_map(|one| one.open_or_create_here().ok()) {
            return Ok(store);
        }
        let mut random = Vec::new();
        Random::system().push_name(&mut random, 10)?;
        let path = format!("{}.{}", self.path.display(), String::from_utf8_lossy(&random));
        Self { path: path.into(), kind: self.kind.clone() }.open_or_create_here()
    }

    /// Lists the stores of ours beside a shared path. Another user may have occupied the path at any
    /// time, so these are looked for even if it is free now.
    pub(super) fn beside(&self) -> Vec<Self> {
        let Some((parent, name)) = self.shared_parent() else { return Vec::new() };
        let prefix = format!("{}.", name.to_string_lossy());
        let found = private_dir::find_own(parent, &prefix).into_iter();
        found.map(|path| Self { path, kind: self.kind.clone() }).collect()
    }

    fn open_to_write(&self) -> PrivateDirResult<OpenLeases> {
        self.check_fit()?;
        let (dir, stat) = self.open_dir()?;
        match private_dir::open_and_close_to_others(dir.as_fd(), LEASES) {
            Err(err) if err.is_absent() => Err(err),
            leases => {
                private_dir::check_closed(&stat)?;
                Ok((leases?, self.path.join(LEASES)))
            }
        }
    }

    /// Creates the store. Changes no directory that exists.
    fn create(&self) -> PrivateDirResult<()> {
        self.check_place()?;
        match self.shared_parent() {
            // The directories that users share are not ours to create.
            Some((parent, name)) => {
                private_dir::create(private_dir::open_parent(parent)?.as_fd(), name)?;
            }
            None => match private_dir::nearest_existing(&self.path)? {
                existing if existing == self.path => {}
                existing => private_dir::create_below(existing, self.is_in_home(), &self.path)?,
            },
        }
        let (dir, stat) = self.open_dir()?;
        private_dir::check_closed(&stat)?;
        private_dir::create(dir.as_fd(), LEASES.as_ref())
    }

    /// Checks that a store may be created here: as [`StoreCandidate::check_fit`] does, and by the
    /// filesystem. That of a store that exists is known once it is open.
    fn check_place(&self) -> PrivateDirResult<()> {
        self.check_fit()?;
        let existing = || self.path.ancestors().find_map(|dir| statfs(dir).ok());
        if self.is_in_home() && !existing().is_some_and(|existing| is_local(&existing)) {
            return Err(not_local());
        }
        Ok(())
    }

    /// Checks that a store may be in this directory, whether or not the directory exists.
    fn check_fit(&self) -> PrivateDirResult<()> {
        match &self.kind {
            CandidateKind::Explicit | CandidateKind::Shared => Ok(()),
            CandidateKind::Home(base) => self.check_home(base),
            CandidateKind::TempDir(dir) => check_temp_dir(dir),
        }
    }

    fn check_home(&self, base: &Path) -> PrivateDirResult<()> {
        match check_owner_is_us(base) {
            // XDG_STATE_HOME may name a directory that does not exist yet. A missing HOME cannot be
            // used.
            Err(err) if err.is_absent() && base.join("tmpx") == self.path => {
                check_owner_is_us(private_dir::nearest_existing(base)?)
            }
            checked => checked,
        }
    }
}

/// The error of a store that must be on a local filesystem and is not.
pub(super) fn not_local() -> PrivateDirError {
    io::Error::other(NotLocal).into()
}

/// Whether the error says that the path is taken by what cannot be our store.
fn is_occupied(err: &PrivateDirError) -> bool {
    let is_other_entry =
        matches!(err.raw_os_error(), Some(libc::EACCES | libc::ENOTDIR | libc::ELOOP));
    let is_unfit = matches!(
        err,
        PrivateDirError::Foreign | PrivateDirError::OpenToOthers | PrivateDirError::MountPoint
    );
    is_other_entry || is_unfit
}

/// Checks that a home belongs to us. Under sudo, HOME may belong to another user, who could not write
/// to the directories that root would create in it.
fn check_owner_is_us(home: &Path) -> PrivateDirResult<()> {
    if stat(home)?.st_uid == effective_user() { Ok(()) } else { Err(PrivateDirError::Foreign) }
}

/// Checks that no other user but root owns the directory for temporary files, or that its sticky bit
/// keeps them from moving what is ours. A container often has one writable volume, which belongs to
/// root and is open to all.
fn check_temp_dir(dir: &Path) -> PrivateDirResult<()> {
    let stat = stat(dir)?;
    let is_sticky = Mode::from_raw_mode(stat.st_mode).contains(Mode::SVTX);
    if is_sticky || stat.st_uid == 0 || stat.st_uid == effective_user() {
        Ok(())
    } else {
        Err(PrivateDirError::Foreign)
    }
}

/// Whether another user can rename an entry of a directory above this one, and so bring it there.
pub(super) fn others_may_bring(path: &Path) -> bool {
    path.ancestors().skip(1).any(|dir| {
        stat(dir).is_ok_and(|stat| {
            let is_foreign = stat.st_uid != 0 && stat.st_uid != effective_user();
            let is_sticky = Mode::from_raw_mode(stat.st_mode).contains(Mode::SVTX);
            is_foreign || private_dir::check_closed(&stat).is_err() && !is_sticky
        })
    })
}

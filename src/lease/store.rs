//! The store: the directory that holds the lease files.
//!
//! `$TMPX_STATE_DIR` is the only store if it is set. Otherwise, the first is `$XDG_STATE_HOME/tmpx`
//! or `~/.local/state/tmpx`, provided that it is ours and on a local filesystem; then follow our own
//! directories in /var/tmp and /tmp. The last two do not depend on TMPDIR, so a cleanup in another
//! environment finds them. Writers use the first store that works, readers use all that exist.
//!
//! A store has mode 0700 and belongs to us. One that belongs to another user is refused, a wrong mode
//! of our own is repaired.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, StatFs, chmodat, fchmod, fstat, lstat, mkdirat, openat, stat,
    statfs,
};
use rustix::io::Errno;

use crate::fs::dir::is_directory;
use crate::lease::id::is_id;
use crate::os::Env;
use crate::os::effective_user;
use crate::sys;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Why a store or a lease in it cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("TMPX_STATE_DIR is not absolute: {}", .0.display())]
    NotAbsolute(PathBuf),
    #[error("could not read the state directory {}", .path.display())]
    NotReadable { path: PathBuf, source: io::Error },
    /// The user chose this directory, or no other directory would help.
    #[error("could not write to the state directory {}", .path.display())]
    NotWritable { path: PathBuf, source: io::Error },
    /// None of the usual directories works. The error is that of the first.
    #[error("could not write to the state directory {}", .path.display())]
    NoneWritable { path: PathBuf, source: io::Error },
    #[error("could not write the lease in {}", .store.display())]
    LeaseNotWritten { store: PathBuf, source: io::Error },
    #[error("could not share the lock of the lease with the command")]
    LockNotShared(#[source] io::Error),
}

/// Why a directory cannot hold a store.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Unfit {
    #[error("it belongs to another user")]
    Foreign,
    #[error("it is not on a local filesystem")]
    NotLocal,
}

impl From<Unfit> for io::Error {
    fn from(unfit: Unfit) -> Self {
        Self::other(unfit)
    }
}

/// A directory that may hold a store.
#[derive(Clone, Debug, PartialEq, Eq)]
struct StoreCandidate {
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
}

/// The directories that may hold the leases of this user, in the order in which they are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stores(Vec<StoreCandidate>);

/// An open store.
#[derive(Debug)]
pub(crate) struct Store {
    leases: OwnedFd,
    path: PathBuf,
}

impl Stores {
    /// Lists the candidates for this environment and user.
    pub(crate) fn new(env: &Env) -> Result<Self, StoreError> {
        if let Some(path) = env.get("TMPX_STATE_DIR").map(PathBuf::from) {
            if path.is_relative() {
                return Err(StoreError::NotAbsolute(path));
            }
            return Ok(Self(vec![StoreCandidate { path, kind: CandidateKind::Explicit }]));
        }
        let in_home = |base: PathBuf, below: &str| StoreCandidate {
            path: base.join(below),
            kind: CandidateKind::Home(base),
        };
        let home = match (env.absolute("XDG_STATE_HOME"), env.absolute("HOME")) {
            (Some(state), _) => Some(in_home(state, "tmpx")),
            (None, Some(home)) => Some(in_home(home, ".local/state/tmpx")),
            (None, None) => None,
        };
        let uid = effective_user();
        let shared = ["/var/tmp", "/tmp"].map(|dir| StoreCandidate {
            path: Path::new(dir).join(format!(".tmpx-{uid}")),
            kind: CandidateKind::Shared,
        });
        Ok(Self(home.into_iter().chain(shared).collect()))
    }

    /// Runs `act` on the first store that can be opened, and creates that store if it is missing.
    /// Tries the next store if one cannot be written to, such as on a full or read-only disk.
    pub(crate) fn with_first<T>(
        &self,
        mut act: impl FnMut(Store) -> io::Result<T>,
    ) -> Result<T, StoreError> {
        let mut first = None;
        for candidate in &self.0 {
            let path = || candidate.path.clone();
            match candidate.open(true).and_then(&mut act) {
                Ok(value) => return Ok(value),
                Err(source) if candidate.is_explicit() || concerns_all_stores(&source) => {
                    return Err(StoreError::NotWritable { path: path(), source });
                }
                Err(source) => {
                    first.get_or_insert_with(|| (path(), source));
                }
            }
        }
        // The list of candidates is never empty.
        let (path, source) =
            first.unwrap_or_else(|| (PathBuf::new(), io::ErrorKind::NotFound.into()));
        Err(StoreError::NoneWritable { path, source })
    }

    /// Opens all stores that exist. Also returns the errors of those that cannot be opened.
    pub(crate) fn existing(&self) -> (Vec<Store>, Vec<StoreError>) {
        let mut stores = Vec::new();
        let mut errors = Vec::new();
        for candidate in &self.0 {
            match candidate.open(false) {
                Ok(store) => stores.push(store),
                Err(err) if is_absent(&err) => {}
                // A directory that the user did not name, and that cannot be our store, holds no
                // leases of ours.
                Err(_) if !candidate.is_explicit() && !candidate.may_be_ours() => {}
                Err(source) => {
                    errors.push(StoreError::NotReadable { path: candidate.path.clone(), source });
                }
            }
        }
        (stores, errors)
    }
}

/// Whether another store would fail with the same error.
fn concerns_all_stores(err: &io::Error) -> bool {
    matches!(err.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
}

fn is_absent(err: &io::Error) -> bool {
    err.kind() == io::ErrorKind::NotFound
}

impl StoreCandidate {
    fn is_explicit(&self) -> bool {
        self.kind == CandidateKind::Explicit
    }

    /// Whether it is a directory of ours in which we would create a store. Another user may have put
    /// anything at the shared paths, and a home may be a symlink or on a network filesystem.
    fn may_be_ours(&self) -> bool {
        let is_own_dir = lstat(&self.path)
            .is_ok_and(|stat| stat.st_uid == effective_user() && is_directory(stat.st_mode));
        is_own_dir && self.check_fit().is_ok()
    }

    /// Checks that a store may be in this directory, whether or not the directory exists.
    fn check_fit(&self) -> io::Result<()> {
        let CandidateKind::Home(base) = &self.kind else { return Ok(()) };
        match check_owner_is_us(base) {
            // XDG_STATE_HOME may name a directory that does not exist yet. Then the owner of the
            // directory above it decides whether we can create it. A missing HOME cannot be used.
            Err(err) if is_absent(&err) && base.join("tmpx") == self.path => {}
            checked => checked?,
        }
        let existing = self.path.ancestors().find_map(|dir| statfs(dir).ok());
        if existing.is_some_and(|existing| is_local(&existing)) {
            Ok(())
        } else {
            Err(Unfit::NotLocal.into())
        }
    }

    /// Opens the store. If `write` is set, creates a missing store and repairs its mode.
    fn open(&self, write: bool) -> io::Result<Store> {
        match self.open_existing(write) {
            Err(err) if write && is_absent(&err) => {
                self.create()?;
                self.open_existing(write)
            }
            opened => opened,
        }
    }

    fn open_existing(&self, repair: bool) -> io::Result<Store> {
        self.check_fit()?;
        let dir = open_own(CWD, &self.path, repair)?;
        let leases = open_own(dir.as_fd(), Path::new("leases"), repair)?;
        Ok(Store { leases, path: self.path.join("leases") })
    }

    fn create(&self) -> io::Result<()> {
        self.check_fit()?;
        let mut missing: Vec<&Path> = Vec::new();
        for dir in self.path.ancestors() {
            match lstat(dir) {
                Ok(_) => break,
                Err(Errno::NOENT) => missing.push(dir),
                Err(err) => return Err(err.into()),
            }
        }
        for dir in missing.into_iter().rev() {
            create_private(CWD, dir)?;
        }
        create_private(open_own(CWD, &self.path, true)?.as_fd(), Path::new("leases"))
    }
}

/// Checks that a home belongs to us. Under sudo, HOME may belong to another user, who could not write
/// to the directories that root would create in it.
fn check_owner_is_us(home: &Path) -> io::Result<()> {
    if stat(home)?.st_uid == effective_user() { Ok(()) } else { Err(Unfit::Foreign.into()) }
}

/// Creates a directory, unless it exists, with mode 0700 whatever the umask: other programs also use
/// the directories above a store, such as ~/.local.
fn create_private(parent: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    match mkdirat(parent, path, Mode::RWXU) {
        Ok(()) => Ok(chmodat(parent, path, Mode::RWXU, AtFlags::empty())?),
        Err(Errno::EXIST) => Ok(()),
        Err(err) => Err(err.into()),
    }
}

/// Opens a directory that must belong to us. If `repair` is set, changes its mode to 0700.
fn open_own(parent: BorrowedFd<'_>, path: &Path, repair: bool) -> io::Result<OwnedFd> {
    let dir = match openat(parent, path, DIRECTORY, Mode::empty()) {
        Err(Errno::ACCESS) if repair => {
            // Our own mode may keep us out.
            let point = openat(parent, path, DIRECTORY | OFlags::PATH, Mode::empty())?;
            check_and_repair(&point, |mode| sys::chmod_path_fd(point.as_fd(), mode))?;
            openat(parent, path, DIRECTORY, Mode::empty())?
        }
        opened => opened?,
    };
    check_and_repair(&dir, |mode| {
        if repair { Ok(fchmod(&dir, Mode::from_raw_mode(mode))?) } else { Ok(()) }
    })?;
    Ok(dir)
}

/// Checks that a directory belongs to us, and calls `set_mode` if its mode is not 0700.
fn check_and_repair(dir: &OwnedFd, set_mode: impl FnOnce(u32) -> io::Result<()>) -> io::Result<()> {
    let stat = fstat(dir)?;
    if stat.st_uid != effective_user() {
        return Err(Unfit::Foreign.into());
    }
    if stat.st_mode & 0o7777 == 0o700 { Ok(()) } else { set_mode(0o700) }
}

/// Whether locks and file handles are known to work on a filesystem, which holds for local ones. On
/// network filesystems and on shares of virtual machines, locks hang or exclude nobody.
fn is_local(filesystem: &StatFs) -> bool {
    /// The magic numbers of statfs(2), from the kernel's include/uapi/linux/magic.h.
    const LOCAL: [i64; 12] = [
        0xef53,      // ext2, ext3, ext4
        0x5846_5342, // xfs
        0x9123_683e, // btrfs
        0x0102_1994, // tmpfs
        0x8584_58f6, // ramfs
        0x794c_7630, // overlayfs
        0xf2f5_2010, // f2fs
        0x2fc1_2fc1, // zfs
        0xca45_1a4e, // bcachefs
        0x3153_464a, // jfs
        0x5265_4973, // reiserfs
        0xf15f,      // ecryptfs
    ];
    // The type's width differs between architectures; the magic numbers are 32 bits.
    #[allow(clippy::unnecessary_cast, reason = "the width differs between architectures")]
    let magic = filesystem.f_type as i64 & 0xffff_ffff;
    LOCAL.contains(&magic)
}

impl Store {
    /// Opens an existing store by the path of its state directory, the parent of [`Store::path`].
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        StoreCandidate { path: path.to_owned(), kind: CandidateKind::Explicit }.open(false)
    }

    /// The directory that holds the lease files.
    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.leases.as_fd()
    }

    /// Its path, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Lists the ids of all leases, oldest first: an id begins with its time.
    pub(crate) fn ids(&self) -> io::Result<Vec<String>> {
        let mut ids: Vec<String> = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.leases)? {
            // A file with any other name is not a lease.
            if let Ok(name) = entry?.file_name().to_str()
                && is_id(name)
            {
                ids.push(name.to_owned());
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(pairs: &[(&str, &str)]) -> Vec<PathBuf> {
        Stores::new(&Env::fixed(pairs)).unwrap().0.into_iter().map(|one| one.path).collect()
    }

    #[test]
    fn the_state_directory_of_the_user_comes_before_the_shared_ones() {
        let uid = effective_user();
        let shared = [format!("/var/tmp/.tmpx-{uid}"), format!("/tmp/.tmpx-{uid}")];
        let with = |first: &str| {
            let mut all = vec![PathBuf::from(first)];
            all.extend(shared.iter().map(PathBuf::from));
            all
        };
        assert_eq!(paths(&[("HOME", "/h")]), with("/h/.local/state/tmpx"));
        assert_eq!(paths(&[("HOME", "/h"), ("XDG_STATE_HOME", "/x")]), with("/x/tmpx"));
        assert_eq!(paths(&[("HOME", "/h"), ("XDG_STATE_HOME", "x")]), with("/h/.local/state/tmpx"));
        assert_eq!(paths(&[]), shared.iter().map(PathBuf::from).collect::<Vec<_>>());
    }

    #[test]
    fn an_explicit_state_directory_is_the_only_one() {
        assert_eq!(paths(&[("HOME", "/h"), ("TMPX_STATE_DIR", "/s")]), [PathBuf::from("/s")]);
        let relative = Stores::new(&Env::fixed(&[("TMPX_STATE_DIR", "s")]));
        assert!(matches!(relative, Err(StoreError::NotAbsolute(_))));
    }
}

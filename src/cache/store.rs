//! The directory that holds the entries.
//!
//! What it holds is printed as if the command had said it. So it is used only if nobody else can have
//! written to it: it and the files in it are ours, and neither lets others write. A network filesystem
//! is refused, because locks may not work there.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, fstatfs, lstat, openat};
use rustix::io::Errno;
use rustix::process::umask;

use crate::cache::error::CacheError;
use crate::cache::format::ANY_VERSION;
use crate::cache::lock_file::LockFile;
use crate::fs::private_dir::{self, PrivateDirResult};
use crate::fs::rw::{is_zero, read_at};
use crate::fs::{Dir, is_local};
use crate::os::{Env, effective_user};
use crate::remove;

/// The name of the file whose bytes are locked.
const LOCK: &str = "lock";

/// The number of digits in the name of an entry.
const DIGITS: usize = 16;

/// What a file in the store is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// An entry.
    Entry,
    /// An entry that is about to replace another one.
    Replacing,
    /// How a run failed, for those who waited for it.
    Failure,
}

impl FileKind {
    fn suffix(self) -> &'static str {
        match self {
            Self::Entry => "",
            Self::Replacing => ".new",
            Self::Failure => ".failed",
        }
    }

    /// Returns the name of a file.
    pub(super) fn name(self, hash: u64) -> OsString {
        format!("{hash:0DIGITS$x}{}", self.suffix()).into()
    }

    /// Returns what a file is, and the hash of its key.
    fn parse(name: &str) -> Option<(Self, u64)> {
        let (digits, suffix) = name.split_at_checked(DIGITS)?;
        let is_hash = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let kinds = [Self::Entry, Self::Replacing, Self::Failure];
        let kind = kinds.into_iter().find(|kind| kind.suffix() == suffix)?;
        is_hash.then(|| u64::from_str_radix(digits, 16).ok().map(|hash| (kind, hash)))?
    }
}

/// Where the store is, and who chose it.
#[derive(Debug)]
struct Location {
    path: PathBuf,
    is_explicit: bool,
}

impl Location {
    fn of(env: &Env) -> Result<Self, CacheError> {
        if let Some(path) = env.get("TMPX_CACHE_DIR").map(PathBuf::from) {
            return if path.is_absolute() {
                Ok(Self { path: private_dir::without_end_slash(path), is_explicit: true })
            } else {
                Err(CacheError::NotAbsolute(path))
            };
        }
        let home = || env.absolute("HOME").map(|home| home.join(".cache"));
        let base = env.absolute("XDG_CACHE_HOME").or_else(home).ok_or(CacheError::NoHome)?;
        Ok(Self { path: base.join("tmpx"), is_explicit: false })
    }

    fn open(&self) -> PrivateDirResult<OwnedFd> {
        let (dir, stat) = private_dir::open_own(CWD, &self.path)?;
        private_dir::check_closed(&stat)?;
        Ok(dir)
    }

    fn create(&self) -> PrivateDirResult<OwnedFd> {
        let existing = private_dir::nearest_existing(&self.path)?;
        // Under sudo, HOME may belong to another user, who could not write to what root creates there.
        private_dir::create_below(existing, !self.is_explicit, &self.path)?;
        self.open()
    }
}

/// An open store.
#[derive(Debug)]
pub(crate) struct CacheStore {
    dir: OwnedFd,
    path: PathBuf,
}

impl CacheStore {
    /// Opens the store, if it exists.
    pub(crate) fn open(env: &Env) -> Result<Option<Self>, CacheError> {
        let location = Location::of(env)?;
        match location.open() {
            Ok(dir) => Self::check(dir, location.path).map(Some),
            Err(err) if err.is_absent() => Ok(None),
            Err(source) => Err(CacheError::Dir { path: location.path, source }),
        }
    }

    /// Opens the store, and creates it if it is missing.
    pub(crate) fn open_or_create(env: &Env) -> Result<Self, CacheError> {
        let location = Location::of(env)?;
        let opened = match location.open() {
            Err(err) if err.is_absent() => location.create(),
            opened => opened,
        };
        match opened {
            Ok(dir) => Self::check(dir, location.path),
            Err(source) => Err(CacheError::Dir { path: location.path, source }),
        }
    }

    fn check(dir: OwnedFd, path: PathBuf) -> Result<Self, CacheError> {
        match fstatfs(&dir) {
            Ok(filesystem) if is_local(&filesystem) => Ok(Self { dir, path }),
            _ => Err(CacheError::NotLocal(path)),
        }
    }

    /// Its path, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it for functions that create and remove entries.
    pub(super) fn to_dir(&self) -> Result<Dir, CacheError> {
        let fd = self.dir.try_clone();
        let dir = fd.and_then(|fd| Dir::from_fd(fd, self.path.clone(), self.path.clone()));
        dir.map_err(|source| self.failed("create a file", source))
    }

    pub(super) fn failed(
        &self,
        act: &'static str,
        source: impl Into<std::io::Error>,
    ) -> CacheError {
        CacheError::Io { act, path: self.path.clone(), source: source.into() }
    }

    /// Opens a file of ours to read it. Returns `None` if there is none, or nothing that could be one.
    pub(super) fn open_file(&self, name: &OsStr) -> Result<Option<(OwnedFd, Stat)>, CacheError> {
        // A FIFO in its place must not make tmpx wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = openat(&self.dir, name, flags, Mode::empty());
        let opened = opened.and_then(|file| fstat(&file).map(|stat| (file, stat)));
        match opened {
            Ok((file, stat)) => {
                self.check_file(name, &stat)?;
                let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
                Ok(is_file.then_some((file, stat)))
            }
            Err(Errno::ACCESS | Errno::LOOP | Errno::NXIO) => {
                // We may not open it, so it may be another user's.
                let stat = lstat(self.path.join(name)).ok();
                stat.map_or(Ok(()), |stat| self.check_file(name, &stat))?;
                Ok(None)
            }
            // A miss: the run has the answer.
            Err(_) => Ok(None),
        }
    }

    fn check_file(&self, name: &OsStr, stat: &Stat) -> Result<(), CacheError> {
        let is_foreign = stat.st_uid != effective_user();
        let is_link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        // Every symlink has all permissions.
        if is_foreign || !is_link && private_dir::check_closed(stat).is_err() {
            let (path, name) = (self.path.clone(), name.to_owned());
            return Err(CacheError::UntrustedFile { path, name, is_foreign });
        }
        Ok(())
    }

    /// Opens the file whose bytes are locked, and creates it if it is missing.
    pub(super) fn lock_file(&self) -> Result<LockFile, CacheError> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = match openat(&self.dir, LOCK, flags, Mode::empty()) {
            Err(Errno::NOENT) => {
                // A umask that denies access to the owner would keep all later processes out.
                let mask = umask(Mode::from_raw_mode(0o077));
                let created =
                    openat(&self.dir, LOCK, flags | OFlags::CREATE, Mode::RUSR | Mode::WUSR);
                umask(mask);
                created
            }
            opened => opened,
        };
        let opened = opened.and_then(|file| fstat(&file).map(|stat| (file, stat)));
        let (file, stat) = opened.map_err(|err| self.failed("open the lock file", err))?;
        self.check_file(LOCK.as_ref(), &stat)?;
        LockFile::new(file, &stat).map_err(|err| self.failed("use the lock file", err))
    }

    /// Lists its files, with their kind and the hash of their key.
    pub(super) fn files(&self) -> Result<Vec<(OsString, FileKind, u64)>, CacheError> {
        let failed = |err| self.failed("list the entries", err);
        let mut files = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // A file with any other name is not ours.
            if let Ok(name) = entry.file_name().to_str()
                && let Some((kind, hash)) = FileKind::parse(name)
            {
                files.push((name.into(), kind, hash));
            }
        }
        Ok(files)
    }

    /// Removes a file. Returns whether this call has removed it. Keeps what another program has put into
    /// the directory under a name of this form.
    pub(super) fn remove(&self, dir: &Dir, name: &OsStr) -> Result<bool, CacheError> {
        if !self.may_be_entry(name)? {
            return Ok(false);
        }
        match remove::entry_by_name(dir, name, false) {
            Ok(()) => Ok(true),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(err) => Err(self.failed("remove an entry", err)),
        }
    }
}

impl CacheStore {
    /// Whether a file begins as an entry of any version does, or as one whose bytes a crash has lost.
    pub(super) fn may_be_entry(&self, name: &OsStr) -> Result<bool, CacheError> {
        let failed = |err| self.failed("read an entry", err);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.dir, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::ACCESS) => return Ok(false),
            Err(err) => return Err(failed(err.into())),
        };
        let stat = fstat(&file).map_err(|err| failed(err.into()))?;
        let mut bytes = [0; ANY_VERSION.len()];
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(false);
        }
        read_at(&file, &mut bytes, 0).map_err(failed)?;
        Ok(bytes == ANY_VERSION || is_zero(&file).map_err(failed)?)
    }
}

impl AsFd for CacheStore {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_our_form_are_files_of_the_store() {
        for kind in [FileKind::Entry, FileKind::Replacing, FileKind::Failure] {
            let name = kind.name(0x1f);
            assert_eq!(FileKind::parse(name.to_str().unwrap()), Some((kind, 0x1f)));
        }
        for name in
            ["", "lock", "1f", "000000000000001F", "000000000000001f.txt", "é00000000000001"]
        {
            assert_eq!(FileKind::parse(name), None, "{name}");
        }
    }

    #[test]
    fn the_store_is_where_the_variables_say() {
        let path = |variables: &[(&str, &str)]| {
            Location::of(&Env::fixed(variables)).map(|location| location.path)
        };
        let home = ("HOME", "/h");
        assert_eq!(path(&[home]).unwrap(), Path::new("/h/.cache/tmpx"));
        assert_eq!(path(&[home, ("XDG_CACHE_HOME", "/x")]).unwrap(), Path::new("/x/tmpx"));
        assert_eq!(path(&[home, ("XDG_CACHE_HOME", "x")]).unwrap(), Path::new("/h/.cache/tmpx"));
        assert_eq!(path(&[home, ("TMPX_CACHE_DIR", "/c")]).unwrap(), Path::new("/c"));
        assert!(matches!(path(&[("TMPX_CACHE_DIR", "c")]), Err(CacheError::NotAbsolute(_))));
        assert!(matches!(path(&[]), Err(CacheError::NoHome)));
    }
}

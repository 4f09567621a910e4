//! The store: the directory that holds the lease files.
//!
//! `$TMPX_STATE_DIR` is the only store if it is set. Otherwise, the first is `$XDG_STATE_HOME/tmpx`
//! or `~/.local/state/tmpx`, provided that it is ours and on a local filesystem; then follow our own
//! directories in /var/tmp, /tmp and TMPDIR. The first two of these do not depend on the environment,
//! so a cleanup in another environment finds them. Writers use the first store that works, readers
//! use all that exist.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::fstat;

use crate::fs::Class;
use crate::fs::identity::{DirFacts, Filesystem};
use crate::fs::{DirId, PrivateDirError};
use crate::lease::candidate::{StoreCandidate, not_local, others_may_bring};
use crate::lease::id::is_id;
use crate::os::Env;
use crate::values::message::strerror;

/// Why a store or a lease in it cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("TMPX_STATE_DIR is not absolute: {}", .0.display())]
    NotAbsolute(PathBuf),
    #[error("could not read the state directory {}", .path.display())]
    NotReadable { path: PathBuf, source: PrivateDirError },
    /// The user chose this directory, or no other directory would help.
    #[error("could not write to the state directory {}", .path.display())]
    NotWritable { path: PathBuf, source: PrivateDirError },
    /// None of the usual directories works.
    #[error("could not write to any state directory: {}", list(tried))]
    NoneWritable { tried: Vec<(PathBuf, PrivateDirError)> },
    #[error("could not write the lease in {}", .store.display())]
    LeaseNotWritten { store: PathBuf, source: io::Error },
    #[error("could not share the lock of the lease with the command")]
    LockNotShared(#[source] io::Error),
}

fn list(tried: &[(PathBuf, PrivateDirError)]) -> String {
    let mut list = String::new();
    for (path, err) in tried {
        let separator = if list.is_empty() { "" } else { "; " };
        let why = match err {
            PrivateDirError::Io(err) => strerror(err),
            other => other.to_string(),
        };
        let _ = write!(list, "{separator}{}: {why}", path.display());
    }
    list
}

/// The directories that may hold the leases of this user, in the order in which they are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stores(StorePlaces);

#[derive(Clone, Debug, PartialEq, Eq)]
enum StorePlaces {
    /// The one that the user names.
    Named(StoreCandidate),
    /// The one in the home, and those that are used without it. Most runs need only the first.
    Default { in_home: Option<StoreCandidate>, temp_dir: Option<PathBuf> },
}

/// An open store.
#[derive(Debug)]
pub(crate) struct Store {
    leases: OwnedFd,
    path: PathBuf,
    /// Whether the user named its place.
    may_be_anywhere: bool,
    /// Whether it is in a directory in which other users create entries too.
    is_shared: bool,
    facts: OnceCell<Option<DirFacts>>,
}

impl Stores {
    /// Returns the candidates for this environment and user.
    pub(crate) fn new(env: &Env) -> Result<Self, StoreError> {
        match env.get("TMPX_STATE_DIR").map(PathBuf::from) {
            Some(path) if path.is_relative() => Err(StoreError::NotAbsolute(path)),
            Some(path) => Ok(Self(StorePlaces::Named(StoreCandidate::explicit(path)))),
            None => Ok(Self(StorePlaces::Default {
                in_home: StoreCandidate::in_home(env),
                temp_dir: env.absolute("TMPDIR"),
            })),
        }
    }

    fn candidates(&self) -> impl Iterator<Item = Cow<'_, StoreCandidate>> {
        let (first, others) = match &self.0 {
            StorePlaces::Named(named) => (Some(named), None),
            StorePlaces::Default { in_home, temp_dir } => {
                (in_home.as_ref(), Some(temp_dir.as_deref()))
            }
        };
        let others = others.into_iter().flat_map(StoreCandidate::outside_home);
        first.map(Cow::Borrowed).into_iter().chain(others.map(Cow::Owned))
    }

    /// Runs `act` on the first store that can be opened, and creates that store if it is missing.
    /// Tries the next store if one cannot be written to, such as on a full or read-only disk.
    pub(crate) fn with_first<T>(
        &self,
        mut act: impl FnMut(Store) -> io::Result<T>,
    ) -> Result<T, StoreError> {
        let mut tried = Vec::new();
        for candidate in self.candidates() {
            let path = || candidate.path().to_owned();
            let opened = candidate.open_or_create();
            let opened = opened.and_then(|opened| Store::new(opened, &candidate));
            match opened.and_then(|store| Ok(act(store)?)) {
                Ok(value) => return Ok(value),
                Err(source) if candidate.is_explicit() || concerns_all_stores(&source) => {
                    return Err(StoreError::NotWritable { path: path(), source });
                }
                Err(err) => tried.push((path(), err)),
            }
        }
        Err(StoreError::NoneWritable { tried })
    }

    /// Opens all stores that exist. Also returns the errors of those that cannot be opened.
    pub(crate) fn existing(&self) -> (Vec<Store>, Vec<StoreError>) {
        let mut stores: Vec<Store> = Vec::new();
        let mut errors = Vec::new();
        let with_those_beside = self.candidates().flat_map(|candidate| {
            let beside = candidate.beside();
            std::iter::once(candidate).chain(beside.into_iter().map(Cow::Owned))
        });
        for candidate in with_those_beside {
            match candidate.open().and_then(|opened| Store::new(opened, &candidate)) {
                // Two paths may lead to one directory.
                Ok(store) if stores.iter().any(|other| other.is(&store)) => {}
                Ok(store) => stores.push(store),
                Err(err) if err.is_absent() => {}
                // A directory that the user did not name, and that cannot be our store, holds no
                // leases of ours.
                Err(_) if !candidate.is_explicit() && !candidate.may_be_ours() => {}
                Err(source) => {
                    errors.push(StoreError::NotReadable {
                        path: candidate.path().to_owned(),
                        source,
                    });
                }
            }
        }
        (stores, errors)
    }
}

/// Whether another store would fail with the same error.
fn concerns_all_stores(err: &PrivateDirError) -> bool {
    matches!(err.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
}

/// Where a lease was written, as far as the filesystem can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provenance {
    /// In this directory.
    Here,
    /// In another one.
    Elsewhere,
    /// An error or a sandbox hid the identity of the directory from the creator, or hides it here. Or the lease
    /// is of an archive, whose author does not know that identity.
    Unknown,
}

impl Store {
    fn new(
        (leases, path): (OwnedFd, PathBuf),
        candidate: &StoreCandidate,
    ) -> Result<Self, PrivateDirError> {
        let (may_be_anywhere, is_shared) = (candidate.may_be_anywhere(), candidate.is_shared());
        let store = Self { leases, path, may_be_anywhere, is_shared, facts: OnceCell::new() };
        if candidate.is_in_home() && !store.is_local() { Err(not_local()) } else { Ok(store) }
    }

    /// Opens an existing store again, by the path of its state directory, the parent of [`Store::path`].
    pub(crate) fn open(path: &Path, is_shared: bool) -> Result<Self, PrivateDirError> {
        let candidate = StoreCandidate::again(path, is_shared);
        Self::new(candidate.open()?, &candidate)
    }

    /// Whether it is in a directory in which other users create entries too.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// The directory that holds the lease files.
    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.leases.as_fd()
    }

    /// Returns the identity of the directory, if its filesystem has lasting ones.
    pub(super) fn identity(&self) -> Option<&DirId> {
        let id = &self.facts()?.id;
        (!matches!(id.class(), Class::Ramfs | Class::Weak)).then_some(id)
    }

    fn facts(&self) -> Option<&DirFacts> {
        self.facts.get_or_init(|| DirFacts::of(&self.leases).ok()).as_ref()
    }

    /// Returns whether a lease with this identity of its store was written in this directory.
    pub(super) fn provenance_of(&self, recorded: Option<&DirId>) -> Provenance {
        match (self.identity(), recorded) {
            (Some(here), Some(recorded)) if here == recorded => Provenance::Here,
            (Some(_), Some(_)) => Provenance::Elsewhere,
            _ if self.may_be_brought() => Provenance::Elsewhere,
            (None, None) => Provenance::Here,
            (Some(_), None) | (None, Some(_)) => Provenance::Unknown,
        }
    }

    /// Whether another user may have brought the store with its leases. Matters for leases that do not
    /// say where they were written.
    pub(super) fn may_be_brought(&self) -> bool {
        let path = self.path.parent().unwrap_or(&self.path);
        self.may_be_anywhere && others_may_bring(path)
    }

    /// Whether only this computer can use the store: it is on a local filesystem.
    pub(crate) fn is_local(&self) -> bool {
        let filesystem = self.facts().map(|facts| facts.filesystem);
        filesystem.or_else(|| Filesystem::of(&self.leases).ok()).is_some_and(Filesystem::is_local)
    }

    /// Whether both are the same directory.
    fn is(&self, other: &Self) -> bool {
        let place = |store: &Self| fstat(&store.leases).map(|stat| (stat.st_dev, stat.st_ino));
        matches!((place(self), place(other)), (Ok(one), Ok(two)) if one == two)
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
    use crate::os::effective_user;

    fn paths(pairs: &[(&str, &str)]) -> Vec<PathBuf> {
        let stores = Stores::new(&Env::fixed(pairs)).unwrap();
        stores.candidates().map(|one| one.path().to_owned()).collect()
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
        let temp_dir = [shared[0].as_str(), &shared[1], &format!("/t/.tmpx-{uid}")];
        assert_eq!(paths(&[("TMPDIR", "/t")]), temp_dir.map(PathBuf::from));
        assert_eq!(paths(&[("TMPDIR", "/tmp/")]).len(), 2, "no store is tried twice");
        assert_eq!(paths(&[]), shared.iter().map(PathBuf::from).collect::<Vec<_>>());
    }

    #[test]
    fn an_explicit_state_directory_is_the_only_one() {
        assert_eq!(paths(&[("HOME", "/h"), ("TMPX_STATE_DIR", "/s")]), [PathBuf::from("/s")]);
        let relative = Stores::new(&Env::fixed(&[("TMPX_STATE_DIR", "s")]));
        assert!(matches!(relative, Err(StoreError::NotAbsolute(_))));
    }
}

//! Leases that a sweep or a listing could not act on.

use std::io;
use std::path::PathBuf;

use crate::lease::{Store, Unreadable};
use crate::values::message::strerror;

/// A lease, or a whole store, that was skipped. Nothing that it covers was removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaseProblem {
    /// The store could not be read.
    #[error("could not read the leases in {}: {}", path.display(), strerror(cause))]
    Store { path: PathBuf, cause: io::Error },
    /// A system call on a lease failed.
    #[error("could not {act} the lease {}: {}", path.display(), strerror(cause))]
    Call { act: &'static str, path: PathBuf, cause: io::Error },
    /// A lease was written by a newer tmpx, or is damaged.
    #[error("could not read the lease {}: {why}", path.display())]
    Unreadable { path: PathBuf, why: Unreadable },
}

impl LeaseProblem {
    pub(super) fn store(store: &Store, cause: io::Error) -> Self {
        Self::Store { path: store.path().to_owned(), cause }
    }

    pub(super) fn call(act: &'static str, store: &Store, id: &str, cause: io::Error) -> Self {
        Self::Call { act, path: store.path().join(id), cause }
    }

    pub(super) fn unreadable(store: &Store, id: &str, why: Unreadable) -> Self {
        Self::Unreadable { path: store.path().join(id), why }
    }
}

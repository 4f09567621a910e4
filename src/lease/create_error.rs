//! Why an entry could not be created.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use crate::fs::disk_full;
use crate::lease::record::Kind;
use crate::lease::store::StoreError;

/// Why an entry could not be created. Distinguishes the directory that refuses it from the store that
/// does not accept the lease.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateError {
    /// The directory cannot be opened, or it refuses the entry.
    #[error("{act}")]
    Refused {
        act: Act,
        /// Whether an entry that was created could not be removed again.
        leftover: bool,
        source: io::Error,
    },
    /// The new file could not be filled.
    #[error("{act}")]
    NotFilled { act: Act, source: anyhow::Error },
    /// The lease could not be written.
    #[error(transparent)]
    Lease(#[from] StoreError),
    #[error("could not get random bytes")]
    NoRandomness(#[source] io::Error),
}

/// Why a new file could not be filled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FillError {
    #[error("could not copy {}", .from.display())]
    Copy { from: PathBuf, source: io::Error },
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// The act that failed.
#[derive(Debug)]
pub(crate) struct Act {
    kind: Kind,
    dir: PathBuf,
    /// The mount point of the filesystem, if that is full.
    full: Option<PathBuf>,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let act = format!("could not create {} in {}", self.kind.word(), self.dir.display());
        f.write_str(&self.full.iter().fold(act, |act, full| disk_full::on_filesystem(&act, full)))
    }
}

impl CreateError {
    pub(crate) fn refused(kind: Kind, dir: &Path, err: impl Into<io::Error>) -> Self {
        let source = err.into();
        let act = Act { kind, dir: dir.to_owned(), full: disk_full::full(dir, &source) };
        Self::Refused { act, leftover: false, source }
    }

    pub(super) fn not_filled(dir: &Path, err: FillError) -> Self {
        let full = match &err {
            FillError::Copy { source: err, .. } | FillError::Io(err) => disk_full::full(dir, err),
            FillError::Other(_) => None,
        };
        let act = Act { kind: Kind::File, dir: dir.to_owned(), full };
        // A transparent error would hide its type from those who look through the causes.
        let source = match err {
            FillError::Copy { .. } => err.into(),
            FillError::Io(err) => err.into(),
            FillError::Other(err) => err,
        };
        Self::NotFilled { act, source }
    }

    /// Records that an entry is left, which the lease still covers.
    pub(super) fn with_leftover(mut self) -> Self {
        if let Self::Refused { leftover, .. } = &mut self {
            *leftover = true;
        }
        self
    }

    /// Whether the name is taken.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self, Self::Refused { source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
    }

    /// Returns the error of the system if it is specific to this directory, so that another directory
    /// is worth trying.
    pub(crate) fn unusable_dir(&self) -> Option<&io::Error> {
        let Self::Refused { source, leftover: false, .. } = self else { return None };
        is_denial(source).then_some(source)
    }

    /// Returns the directory, if it does not exist.
    pub(crate) fn missing_dir(&self) -> Option<&Path> {
        match self {
            Self::Refused { act, source, .. } if source.raw_os_error() == Some(libc::ENOENT) => {
                Some(&act.dir)
            }
            _ => None,
        }
    }

    /// Whether the directory has refused the entry, so that nothing was created.
    pub(super) fn is_denial(&self) -> bool {
        matches!(self, Self::Refused { source, .. } if is_denial(source))
    }
}

/// Whether a system call that creates an entry has failed before it could create any, because of the
/// directory.
pub(super) fn is_denial(err: &io::Error) -> bool {
    matches!(
        err.raw_os_error(),
        Some(libc::ENOENT | libc::ENOTDIR | libc::EACCES | libc::EPERM | libc::EROFS | libc::ELOOP)
    )
}

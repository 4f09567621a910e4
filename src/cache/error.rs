//! Why the store cannot be used, and why an output is not kept.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::fs::PrivateDirError;
use crate::values::ByteSize;

/// Why the store, or a part of it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CacheError {
    #[error("TMPX_CACHE_DIR is not absolute: {}", .0.display())]
    NotAbsolute(PathBuf),
    #[error("there is no cache directory: HOME is not set")]
    NoHome,
    #[error("could not use the cache directory {}", .path.display())]
    Dir { path: PathBuf, source: PrivateDirError },
    #[error("could not use the cache directory {}: it is not on a local filesystem", .0.display())]
    NotLocal(PathBuf),
    /// The directory is ours, but a file in it is not, or others may write to it.
    #[error("could not use the cache directory {}: {}", .path.display(), Trust(name, *is_foreign))]
    UntrustedFile { path: PathBuf, name: OsString, is_foreign: bool },
    #[error("could not {act} in the cache directory {}", .path.display())]
    Io { act: &'static str, path: PathBuf, source: io::Error },
}

/// Says what is wrong with a file of the store.
struct Trust<'a>(&'a OsString, bool);

impl std::fmt::Display for Trust<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(name, is_foreign) = self;
        let name = name.display();
        if *is_foreign {
            write!(f, "{name} in it belongs to another user")
        } else {
            write!(f, "other users may write to {name} in it")
        }
    }
}

/// Why the output of a run is not kept.
#[derive(Debug)]
pub(crate) enum Unkept {
    /// The run failed, and failures are not kept.
    Failed,
    /// It is larger than the store may be.
    TooLarge(u64),
    /// A process that the command left behind holds its output open.
    HeldOpen,
    /// A signal asked tmpx to end.
    Interrupted,
    /// The program, or a file that is part of the key, changed during the run.
    InputsChanged,
    /// The store was cleared during the run.
    Cleared,
    /// The output of the run that this one has waited for could not be kept.
    Avoided,
    /// The store, or the key, could not be used.
    Trouble(anyhow::Error),
}

impl Unkept {
    /// Returns the word or sentence for the report.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Failed => "the command failed".into(),
            Self::TooLarge(limit) => {
                format!("the output is larger than {}", ByteSize(*limit))
            }
            Self::HeldOpen => "a process that the command started holds its output open".into(),
            Self::Interrupted => "tmpx was interrupted".into(),
            Self::InputsChanged => "the program or a --key-file changed during the run".into(),
            Self::Cleared => "the cache was cleared during the run".into(),
            Self::Avoided => "the output of another run could not be kept".into(),
            Self::Trouble(err) => crate::values::message::render(err),
        }
    }
}

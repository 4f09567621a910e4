//! The entries that a copy leaves out.

use std::path::PathBuf;
use std::{fmt, io};

use rustix::io::Errno;

/// How many entries are reported by name.
const NAMED: usize = 10;

/// Why an entry is not copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SkipReason {
    /// It is a socket, a FIFO or a device: its content is not in the tree.
    Special,
    /// Another process removed it during the copy.
    Vanished,
}

impl SkipReason {
    /// Returns the reason to skip an entry that could not be opened; `None` if that is an error.
    pub(crate) fn of(err: &io::Error) -> Option<Self> {
        match Errno::from_io_error(err)? {
            // A socket cannot be opened.
            Errno::NXIO => Some(Self::Special),
            err if has_vanished(err) => Some(Self::Vanished),
            _ => None,
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Special => "it is neither file, directory nor symlink",
            Self::Vanished => "it has vanished",
        })
    }
}

/// Whether an error means that an entry no longer exists. A network filesystem reports a stale handle.
pub(super) fn has_vanished(err: Errno) -> bool {
    matches!(err, Errno::NOENT | Errno::STALE)
}

/// The entries that a copy has left out. The caller reports them.
#[derive(Debug, Default)]
pub(crate) struct Skipped {
    named: Vec<(PathBuf, SkipReason)>,
    count: usize,
}

impl Skipped {
    pub(crate) fn add(&mut self, path: PathBuf, reason: SkipReason) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push((path, reason));
        }
    }

    /// Returns the messages about them: one for each of the first, and one for all others.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let more = self.count - self.named.len();
        self.named
            .iter()
            .map(|(path, reason)| format!("skipped {}: {reason}", path.display()))
            .chain((more > 0).then(|| format!("skipped {more} more entries")))
    }
}

//! What a copy leaves out: whole entries, and metadata of entries.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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

/// What a copy has left out. The caller reports it.
#[derive(Debug, Default)]
pub(crate) struct Skipped {
    named: Vec<(PathBuf, SkipReason)>,
    count: usize,
    /// The metadata that was not preserved, each with the first entry and the number of entries.
    lost: BTreeMap<String, (PathBuf, usize)>,
}

impl Skipped {
    pub(crate) fn add(&mut self, path: PathBuf, reason: SkipReason) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push((path, reason));
        }
    }

    /// Adds metadata of a copied entry that were not preserved.
    pub(crate) fn lose(&mut self, path: &Path, lost: Vec<String>) {
        for what in lost {
            self.lost.entry(what).or_insert_with(|| (path.to_owned(), 0)).1 += 1;
        }
    }

    /// Returns the messages about them: one for each of the first entries, one for all others, and one
    /// for all metadata.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let more = self.count - self.named.len();
        self.named
            .iter()
            .map(|(path, reason)| format!("skipped {}: {reason}", path.display()))
            .chain((more > 0).then(|| format!("skipped {more} more entries")))
            .chain((!self.lost.is_empty()).then(|| {
                let lost: Vec<String> = self.lost.iter().map(describe).collect();
                format!("could not keep the {}", lost.join(", the "))
            }))
    }
}

fn describe((what, (path, count)): (&String, &(PathBuf, usize))) -> String {
    let more = if *count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    format!("{what} of {}{more}", path.display())
}

//! What all walks of one removal share: its options, its parent directory, and the hard links that
//! a dry run has met.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, PoisonError};

use rustix::fs::Statx;

use crate::remove::options::{Mode, Removal};
use crate::remove::stat::{self, FileKey, is_dir, stat_fd};

/// One removal, as every walk through a part of its tree sees it.
pub(super) struct RemovalContext<'a> {
    pub(super) removal: Removal<'a>,
    /// The directory that holds the root of the tree.
    pub(super) parent: BorrowedFd<'a>,
    /// For a dry run: how many names of each file with several hard links have been counted.
    counted_names: Mutex<BTreeMap<FileKey, u32>>,
}

impl<'a> RemovalContext<'a> {
    pub(super) fn new(removal: Removal<'a>, parent: BorrowedFd<'a>) -> Self {
        Self { removal, parent, counted_names: Mutex::default() }
    }

    /// Whether entries are removed, not only counted.
    pub(super) fn removes(&self) -> bool {
        self.removal.mode == Mode::Remove
    }

    /// Returns the bytes that an open directory itself occupies, if bytes are counted. A walk asks before
    /// it removes entries, since some filesystems then shrink the directory.
    pub(super) fn dir_bytes(&self, dir: BorrowedFd<'_>) -> u64 {
        if !self.removal.counts_bytes() {
            return 0;
        }
        stat_fd(dir).map_or(0, |stat| stat::bytes_freed(&stat))
    }

    /// Returns the bytes that removing one name of a file frees: its storage if this is the last
    /// name, else none. A dry run leaves the link count as it is, so it counts the names itself.
    pub(super) fn bytes_freed(&self, stat: &Statx) -> u64 {
        if self.removes() || stat.stx_nlink < 2 || is_dir(stat) {
            return stat::bytes_freed(stat);
        }
        let mut counted = self.counted_names.lock().unwrap_or_else(PoisonError::into_inner);
        let names = counted.entry(FileKey::of(stat)).or_default();
        *names += 1;
        if *names == stat.stx_nlink { stat::storage(stat) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd as _;

    use super::*;
    use crate::remove::stat::stat_entry;

    #[test]
    fn a_dry_run_counts_a_file_at_its_last_name_only() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), [1; 8192]).unwrap();
        fs::hard_link(dir.path().join("a"), dir.path().join("b")).unwrap();
        fs::hard_link(dir.path().join("a"), dir.path().join("c")).unwrap();
        let parent = fs::File::open(dir.path()).unwrap();
        let context = RemovalContext::new(Removal::DRY_RUN, parent.as_fd());
        let stats = [c"a", c"b", c"c"].map(|name| stat_entry(parent.as_fd(), name).unwrap());
        let counted = stats.map(|stat| context.bytes_freed(&stat));
        assert_eq!(counted, [0, 0, stat::storage(&stats[0])]);
    }
}

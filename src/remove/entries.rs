//! Reads directory entries, one getdents(2) call at a time.

use std::cmp::Reverse;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;

use crate::remove::stat::{is_dir, stat_entry};

/// The size of the buffer that one call fills.
const BUFFER_BYTES: usize = 32 * 1024;

/// What an entry occupies in the buffer besides its name: the fields of `struct linux_dirent64` and
/// the NUL that ends the name.
const HEADER_BYTES: usize = 20;

/// The most that one entry can occupy: a name has at most 255 bytes.
const MAX_ENTRY_BYTES: usize = entry_bytes(255);

/// How far a directory has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadState {
    /// More entries may follow.
    More,
    /// Presumably to its end: the kernel returned no more entries although the buffer had room for
    /// any.
    ProbablyEnd,
    /// To its end: the kernel said so.
    End,
}

/// The entries that one call returned. The next call reuses the memory, even for another directory.
#[derive(Default)]
pub(super) struct Entries {
    /// Everything but directories.
    pub(super) files: Names,
    /// The directories with their inode numbers, in descending order of these, since the walk pops
    /// pending directories from the end.
    pub(super) dirs: Vec<(u64, CString)>,
    buffer: Vec<u8>,
}

impl Entries {
    /// Reads the next entries of a directory, at the position of its descriptor. Returns how far
    /// the directory has been read now.
    pub(super) fn read(&mut self, dir: BorrowedFd<'_>) -> io::Result<ReadState> {
        self.files.clear();
        self.dirs.clear();
        self.buffer.reserve_exact(BUFFER_BYTES);
        let mut raw = RawDir::new(dir, &mut self.buffer.spare_capacity_mut()[..BUFFER_BYTES]);
        let mut used = 0;
        while let Some(entry) = raw.next() {
            let entry = match entry {
                Ok(entry) => entry,
                // The directory itself has been removed.
                Err(Errno::NOENT) => break,
                Err(err) => return Err(err.into()),
            };
            let name = entry.file_name();
            used += entry_bytes(name.count_bytes());
            if !matches!(name.to_bytes(), b"." | b"..") {
                let is_dir = match entry.file_type() {
                    FileType::Directory => true,
                    FileType::Unknown => stat_entry(dir, name).is_ok_and(|stat| is_dir(&stat)),
                    _ => false,
                };
                if is_dir {
                    self.dirs.push((entry.ino(), name.to_owned()));
                } else {
                    self.files.push(entry.ino(), name);
                }
            }
            if raw.is_buffer_empty() {
                self.files.sort_by_inode();
                self.dirs.sort_unstable_by_key(|(inode, _)| Reverse(*inode));
                let had_room = used + MAX_ENTRY_BYTES <= BUFFER_BYTES;
                return Ok(if had_room { ReadState::ProbablyEnd } else { ReadState::More });
            }
        }
        Ok(ReadState::End)
    }
}

/// Returns what an entry occupies in the buffer: the kernel aligns each to 8 bytes.
const fn entry_bytes(name_bytes: usize) -> usize {
    (HEADER_BYTES + name_bytes).next_multiple_of(8)
}

/// File names in the order of their inode numbers. Most filesystems store inodes in the order in
/// which the files were created, and often the directory entries too, so each lookup finds its data
/// near the one before.
#[derive(Default)]
pub(super) struct Names {
    /// All names, each with its NUL, in one allocation: an allocation for each name is slower.
    bytes: Vec<u8>,
    /// The inode number and the offset in `bytes` of each name.
    starts: Vec<(u64, usize)>,
}

impl Names {
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &CStr> {
        let name =
            |(_, start): &(u64, usize)| CStr::from_bytes_until_nul(&self.bytes[*start..]).ok();
        self.starts.iter().filter_map(name)
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.starts.clear();
    }

    fn push(&mut self, inode: u64, name: &CStr) {
        self.starts.push((inode, self.bytes.len()));
        self.bytes.extend_from_slice(name.to_bytes_with_nul());
    }

    fn sort_by_inode(&mut self) {
        self.starts.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_symlink_to_a_directory_counts_as_a_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        fs::create_dir(dir.path().join("dir")).unwrap();
        std::os::unix::fs::symlink("dir", dir.path().join("link")).unwrap();
        let opened = fs::File::open(dir.path()).unwrap();
        let mut entries = Entries::default();
        assert_eq!(entries.read(opened.as_fd()).unwrap(), ReadState::ProbablyEnd);
        let files: BTreeSet<_> = entries.files.iter().collect();
        assert_eq!(files, BTreeSet::from([c"file", c"link"]));
        let dirs: Vec<_> = entries.dirs.iter().map(|(_, name)| name.as_c_str()).collect();
        assert_eq!(dirs, [c"dir"]);
        assert_eq!(entries.read(opened.as_fd()).unwrap(), ReadState::End);
        assert!(entries.files.len() == 0 && entries.dirs.is_empty());
    }

    #[test]
    fn a_directory_larger_than_the_buffer_takes_several_reads() {
        let dir = tempfile::tempdir().unwrap();
        let name = |n: u32| format!("{n:0>255}");
        (0..300).for_each(|n| fs::write(dir.path().join(name(n)), "").unwrap());
        let opened = fs::File::open(dir.path()).unwrap();
        let (mut entries, mut states) = (Entries::default(), Vec::new());
        let mut found = BTreeSet::new();
        while states.last().is_none_or(|state| *state == ReadState::More) {
            states.push(entries.read(opened.as_fd()).unwrap());
            found.extend(entries.files.iter().map(CStr::to_owned));
        }
        assert!(states.len() > 2 && states[0] == ReadState::More, "{states:?}");
        assert_eq!(found.len(), 300);
    }

    #[test]
    fn files_ascend_by_inode_and_directories_descend() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..50 {
            fs::write(dir.path().join(format!("file{n}")), "").unwrap();
            fs::create_dir(dir.path().join(format!("dir{n}"))).unwrap();
        }
        let opened = fs::File::open(dir.path()).unwrap();
        let mut entries = Entries::default();
        entries.read(opened.as_fd()).unwrap();
        let inode = |name: &CStr| {
            fs::symlink_metadata(dir.path().join(name.to_str().unwrap())).unwrap().ino()
        };
        assert!(entries.files.iter().map(inode).is_sorted());
        assert!(entries.dirs.iter().rev().map(|(_, name)| inode(name)).is_sorted());
        assert_eq!((entries.files.len(), entries.dirs.len()), (50, 50));
    }

    #[test]
    fn a_removed_directory_has_no_entries() {
        let dir = tempfile::tempdir().unwrap();
        let opened = fs::File::open(dir.path()).unwrap();
        drop(dir);
        assert_eq!(Entries::default().read(opened.as_fd()).unwrap(), ReadState::End);
    }
}

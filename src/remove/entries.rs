//! What one call of getdents(2) tells of a directory.

use std::cmp::Reverse;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;

use crate::remove::frame::Read;
pub(crate) use crate::remove::root::{is_dir, stat_entry};

/// The buffer for a call, in bytes.
const ROOM: usize = 32 * 1024;

/// What an entry takes of it besides its name: `struct linux_dirent64` and the name's end.
const HEAD: usize = 20;

/// What is left of it at most when the next entry does not fit: one with a name of 255 bytes.
const LONGEST: usize = (HEAD + 255).next_multiple_of(8);

/// The next entries of a directory, and the memory for them, which one directory after the other can
/// use.
#[derive(Default)]
pub(super) struct Entries {
    /// All that is no directory.
    pub(super) files: Names,
    /// The directories and their inodes, in the opposite order: noted ones are taken from the end.
    pub(super) dirs: Vec<(u64, CString)>,
    buffer: Vec<u8>,
}

impl Entries {
    /// Reads on where a descriptor stands. Gives how far the directory has been read with that.
    pub(super) fn read(&mut self, dir: BorrowedFd<'_>) -> io::Result<Read> {
        self.files.clear();
        self.dirs.clear();
        self.buffer.reserve_exact(ROOM);
        let mut raw = RawDir::new(dir, &mut self.buffer.spare_capacity_mut()[..ROOM]);
        let mut used = 0;
        while let Some(entry) = raw.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(Errno::NOENT) => break,
                Err(err) => return Err(err.into()),
            };
            let name = entry.file_name();
            used += (HEAD + name.count_bytes()).next_multiple_of(8);
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
                self.files.starts.sort_unstable();
                self.dirs.sort_unstable_by_key(|(inode, _)| Reverse(*inode));
                let had_room = used + LONGEST <= ROOM;
                return Ok(if had_room { Read::AsItSeems } else { Read::NotToEnd });
            }
        }
        Ok(Read::ToEnd)
    }
}

/// Names of files in the order of their inodes: most filesystems keep these, and often the entries
/// too, in the order in which they were made, so each is found near the one before.
#[derive(Default)]
pub(super) struct Names {
    /// One behind the other, which takes less than memory for each.
    bytes: Vec<u8>,
    /// The inode, and where the name begins.
    starts: Vec<(u64, usize)>,
}

impl Names {
    fn clear(&mut self) {
        self.bytes.clear();
        self.starts.clear();
    }

    fn push(&mut self, inode: u64, name: &CStr) {
        self.starts.push((inode, self.bytes.len()));
        self.bytes.extend_from_slice(name.to_bytes_with_nul());
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.starts.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &CStr> {
        let name =
            |(_, start): &(u64, usize)| CStr::from_bytes_until_nul(&self.bytes[*start..]).ok();
        self.starts.iter().filter_map(name)
    }
}

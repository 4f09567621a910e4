//! What statx(2) reports about files that are to be removed.

use std::ffi::CStr;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, Statx, StatxFlags};

use crate::fs::dir::is_directory;
use crate::sys::statx;

/// The fields that removal reads.
const STATX_MASK: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::MODE)
    .union(StatxFlags::NLINK)
    .union(StatxFlags::UID)
    .union(StatxFlags::INO)
    .union(StatxFlags::BTIME)
    .union(StatxFlags::BLOCKS);

/// Returns the attributes of an entry of `dir`. Follows no symlink and mounts nothing.
pub(super) fn stat_entry(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<Statx> {
    Ok(statx(dir, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, STATX_MASK)?)
}

/// Returns the attributes of an open file. An `O_PATH` descriptor is enough.
pub(super) fn stat_fd(fd: BorrowedFd<'_>) -> io::Result<Statx> {
    Ok(statx(fd, c"", AtFlags::EMPTY_PATH, STATX_MASK)?)
}

/// Returns the bytes of storage that a file occupies, as du(1) counts them.
pub(super) fn storage(stat: &Statx) -> u64 {
    stat.stx_blocks.saturating_mul(512)
}

/// Returns the bytes of storage that removing this entry frees: none while the file has another
/// hard link. For a directory, those of the directory itself, which has a link in each subdirectory.
pub(super) fn bytes_freed(stat: &Statx) -> u64 {
    if stat.stx_nlink == 1 || is_dir(stat) { storage(stat) } else { 0 }
}

pub(super) fn is_dir(stat: &Statx) -> bool {
    is_directory(stat.stx_mode.into())
}

/// Distinguishes one file from all others, including those that existed before it: filesystems soon
/// give the inode number of a removed file to a new one, but the new one has a later birth time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileKey {
    device: (u32, u32),
    inode: u64,
    /// Seconds and nanoseconds since the epoch, 0 where the filesystem records no birth time.
    birth: (i64, u32),
}

impl FileKey {
    pub(super) fn of(stat: &Statx) -> Self {
        Self {
            device: (stat.stx_dev_major, stat.stx_dev_minor),
            inode: stat.stx_ino,
            birth: (stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd as _;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_directory_that_reuses_an_inode_number_has_another_key() {
        let dir = tempfile::tempdir().unwrap();
        let create_and_remove = || {
            let path = dir.path().join("dir");
            fs::create_dir(&path).unwrap();
            let key = FileKey::of(&stat_fd(fs::File::open(&path).unwrap().as_fd()).unwrap());
            fs::remove_dir(path).unwrap();
            key
        };
        let (first, start) = (create_and_remove(), Instant::now());
        // Filesystems record times in steps of a few milliseconds.
        let mut last = create_and_remove();
        while start.elapsed() < Duration::from_millis(30) {
            last = create_and_remove();
        }
        let records_birth = first.birth != (0, 0);
        assert!(!records_birth || first != last);
    }

    #[test]
    fn only_the_last_name_of_a_file_frees_its_storage() {
        let dir = tempfile::tempdir().unwrap();
        let opened = fs::File::open(dir.path()).unwrap();
        let stat = |name| stat_entry(opened.as_fd(), name).unwrap();
        fs::write(dir.path().join("file"), [1; 8192]).unwrap();
        assert_eq!(bytes_freed(&stat(c"file")), storage(&stat(c"file")));
        fs::hard_link(dir.path().join("file"), dir.path().join("link")).unwrap();
        assert_eq!(bytes_freed(&stat(c"file")), 0);
        fs::create_dir(dir.path().join("dir")).unwrap();
        fs::create_dir(dir.path().join("dir/sub")).unwrap();
        assert_eq!(bytes_freed(&stat(c"dir")), storage(&stat(c"dir")));
    }

    #[test]
    fn a_symlink_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("link")).unwrap();
        let opened = fs::File::open(dir.path()).unwrap();
        assert!(!is_dir(&stat_entry(opened.as_fd(), c"link").unwrap()));
    }
}

//! Tells whether a file has changed since it was looked at.

use rustix::fs::{Stat, Statx, StatxTimestamp, makedev};

use crate::os::await_tick_after;

/// What stat(2) reports of a file and what changes with it. Each field proves something else:
///
/// - `device` and `inode` differ if another file has the name. Equal numbers prove less: a filesystem
///   may use the number of a removed file again.
/// - `size` and `modified` differ after a write, unless a program sets the time back, as `cp -p` and
///   `touch -r` do.
/// - `changed` differs after every write, and no program can set it. It also differs after a rename,
///   a new link or a new mode, which leave the content alone.
///
/// So `==` means that nobody has touched the file. Who moves or links it themselves compares with
/// [`FileStamp::has_content_of`].
///
/// Before Linux 6.13, times are those of the last tick of the kernel's clock: two changes within one
/// tick leave one time. [`FileStamp::await_tick`] waits until the tick is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileStamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: Time,
    changed: Time,
}

/// Seconds and nanoseconds.
pub(crate) type Time = (i64, u32);

impl FileStamp {
    /// Returns whether this is the same file, whatever its content.
    pub(crate) fn is_file_of(&self, other: &Self) -> bool {
        self.file_id() == other.file_id()
    }

    /// Returns what identifies the file while it exists: its device and its inode.
    pub(crate) fn file_id(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Returns whether this is the same file with the same content, whatever its names and its mode.
    pub(crate) fn has_content_of(&self, other: &Self) -> bool {
        let changed = self.changed;
        *self == Self { changed, ..*other }
    }

    /// Waits until no later change of these files can leave the same stamp.
    pub(crate) fn await_tick<'a>(stamps: impl IntoIterator<Item = &'a Self>) {
        if let Some(newest) = stamps.into_iter().map(|stamp| stamp.changed).max() {
            await_tick_after(newest);
        }
    }

    /// Returns the size of the file, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Returns what [`FileStamp::has_content_of`] compares. The bytes are a part of stored keys.
    pub(crate) fn content_key(&self) -> [u8; 40] {
        let (seconds, nanoseconds) = self.modified;
        let mut key = [0; 40];
        let numbers = [
            self.size.to_le_bytes(),
            seconds.to_le_bytes(),
            u64::from(nanoseconds).to_le_bytes(),
            self.inode.to_le_bytes(),
            self.device.to_le_bytes(),
        ];
        for (part, number) in key.chunks_exact_mut(8).zip(numbers) {
            part.copy_from_slice(&number);
        }
        key
    }
}

impl From<&Stat> for FileStamp {
    #[allow(
        clippy::useless_conversion,
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "widths differ between architectures; no size and no nanosecond is negative"
    )]
    fn from(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
        }
    }
}

impl From<&Statx> for FileStamp {
    #[allow(clippy::useless_conversion, reason = "the width differs between architectures")]
    fn from(stat: &Statx) -> Self {
        let time = |time: StatxTimestamp| (time.tv_sec, time.tv_nsec);
        Self {
            device: makedev(stat.stx_dev_major, stat.stx_dev_minor).into(),
            inode: stat.stx_ino,
            size: stat.stx_size,
            modified: time(stat.stx_mtime),
            changed: time(stat.stx_ctime),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::last_tick;
    use rustix::fs::{AtFlags, StatxFlags};
    use std::fs;
    use std::path::Path;

    fn stamp(path: &Path) -> FileStamp {
        FileStamp::from(&rustix::fs::stat(path).unwrap())
    }

    #[test]
    fn stat_and_statx_give_the_same_stamp() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let flags = AtFlags::EMPTY_PATH;
        let statx = crate::sys::statx(&file, c"", flags, StatxFlags::BASIC_STATS).unwrap();
        assert_eq!(FileStamp::from(&statx), stamp(file.path()));
    }

    #[test]
    fn a_link_touches_a_file_and_leaves_its_content_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&path, "old").unwrap();
        let before = stamp(&path);
        while stamp(&path) == before {
            let _ = fs::remove_file(&link);
            fs::hard_link(&path, &link).unwrap();
        }
        assert!(stamp(&path).has_content_of(&before));
        assert_eq!(stamp(&link), stamp(&path), "one file");
    }

    #[test]
    fn another_file_and_another_time_are_another_content() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("file"), dir.path().join("other"));
        fs::write(&path, "old").unwrap();
        let before = stamp(&path);
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert!(!stamp(&path).has_content_of(&before));
        assert!(stamp(&path).is_file_of(&before));
        fs::write(&other, "old").unwrap();
        assert!(!stamp(&other).is_file_of(&before));
    }

    #[test]
    fn a_change_after_the_tick_leaves_another_stamp() {
        let files = [(); 3].map(|()| tempfile::NamedTempFile::new().unwrap());
        let before = files.each_ref().map(|file| stamp(file.path()));
        FileStamp::await_tick(&before);
        for (file, before) in files.iter().zip(&before) {
            assert!(before.changed < last_tick());
            file.as_file().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
            assert!(stamp(file.path()).changed > before.changed);
        }
    }

    #[test]
    fn the_bytes_in_stored_keys_are_size_time_inode_and_device() {
        let stamp = FileStamp { device: 5, inode: 4, size: 1, modified: (2, 3), changed: (6, 7) };
        let numbers: Vec<u8> = (1..=5u64).flat_map(u64::to_le_bytes).collect();
        assert_eq!(stamp.content_key().as_slice(), numbers);
    }
}

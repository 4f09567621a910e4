//! An entry that has been opened and checked.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::fs::{Timespec, Timestamps, UTIME_OMIT, futimens};

use crate::cache::checksum::Checksum;
use crate::cache::clock::CacheClock;
use crate::cache::error::CacheError;
use crate::cache::format::{EntryHeader, HEADER, is_intact};
use crate::cache::key::CacheKey;
use crate::cache::store::CacheStore;
use crate::fs::rw::read_at;
use crate::fs::transfer::BLOCK;

/// An entry of this size is read and checked at once.
const SMALL: usize = 64 * 1024;

/// How old the time of last use may be, in seconds.
const USE_STEP: u64 = 3600;

/// An open entry. It can be read to its end even if its name is removed or replaced.
#[derive(Debug)]
pub(crate) struct CacheEntry {
    pub(crate) header: EntryHeader,
    key: CacheKey,
    pub(super) file: OwnedFd,
    /// All frames, if they are few.
    pub(super) frames: Option<Vec<u8>>,
    /// When it was last used, in seconds of the wall clock.
    used: u64,
    /// The size of the file.
    pub(super) size: u64,
}

impl CacheEntry {
    /// Opens an entry and reads its header and key. Returns `None` if there is none, or it is damaged.
    pub(super) fn open(store: &CacheStore, name: &OsStr) -> Result<Option<Self>, CacheError> {
        let Some((file, stat)) = store.open_file(name)? else { return Ok(None) };
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let used = u64::try_from(stat.st_mtime).unwrap_or(0);
        Ok(Self::read(file, size, used))
    }

    fn read(file: OwnedFd, size: u64, used: u64) -> Option<Self> {
        let wanted = usize::try_from(size).unwrap_or(SMALL).min(SMALL);
        let mut block = Vec::with_capacity(wanted);
        while block.len() < wanted {
            match rustix::io::read(&file, spare_capacity(&mut block)) {
                Ok(0) => return None,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return None,
            }
        }
        let bytes = *block.first_chunk::<HEADER>()?;
        let header = EntryHeader::parse(&bytes, size)?;
        let frames_start = usize::try_from(header.frames_start()).ok()?;
        let key = if let Some(key) = block.get(HEADER..frames_start) {
            key.to_vec()
        } else {
            let mut key = vec![0; usize::try_from(header.key_length).ok()?];
            let length = read_at(&file, &mut key, HEADER as u64).ok()?.len();
            (length == key.len()).then_some(key)?
        };
        if !is_intact(&bytes, &key) {
            return None;
        }
        let frames = (block.len() as u64 == size).then(|| block.split_off(frames_start));
        Some(Self { header, key: CacheKey::from_bytes(key), file, frames, used, size })
    }

    pub(crate) fn key(&self) -> &CacheKey {
        &self.key
    }

    /// Whether more has to be read to print it than was read to find it.
    pub(crate) fn is_large(&self) -> bool {
        self.frames.is_none()
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// Whether the whole output is as it was stored.
    pub(super) fn is_whole(&self) -> bool {
        let header = &self.header;
        if let Some(frames) = &self.frames {
            return Checksum::of(frames) == header.frames_checksum;
        }
        let mut checksum = Checksum::new();
        let mut block = vec![0; BLOCK];
        let mut at = header.frames_start();
        while at < self.size {
            match read_at(&self.file, &mut block, at) {
                Ok(bytes) if !bytes.is_empty() => {
                    checksum.add(bytes);
                    at += bytes.len() as u64;
                }
                _ => return false,
            }
        }
        // A file that has grown meanwhile was not written by tmpx.
        at == self.size && checksum.finish() == header.frames_checksum
    }

    /// Notes that the entry is used now, unless that was noted within the last hour.
    pub(crate) fn mark_used(&self) {
        let now = CacheClock::now_in_seconds();
        if now >= self.used && now - self.used < USE_STEP {
            return;
        }
        let seconds = i64::try_from(now).unwrap_or(i64::MAX);
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: seconds, tv_nsec: 0 },
        };
        let _ = futimens(&self.file, &times);
    }
}

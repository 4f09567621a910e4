//! The one lock file of a store: locks on its bytes, and a few numbers in it.
//!
//! Each key has three bytes, chosen by its hash, far beyond the end of the file: one for the run, one for
//! those who wait for it, one for replacing the entry. The kernel releases a lock with its process, so
//! a killed run holds nobody up, and no file per key has to be removed.
//!
//! The numbers are hints. If they are lost or wrong, an output is not kept once, a command runs once too
//! often, or the store is counted once too often.

use std::os::fd::{AsFd as _, OwnedFd};
use std::rc::Rc;

use rustix::fs::{FallocateFlags, FileType, Stat, fallocate};
use rustix::io::{pread, pwrite};

use crate::cache::clock::CacheClock;
use crate::fs::rw::read_at;
use crate::sys::{self, ByteLock};

/// Its size, in bytes. It is allocated at once, so that a full disk does not prevent a note.
const SIZE: u64 = SIZE_IN_BYTES as u64;
const SIZE_IN_BYTES: usize = 4096;

/// Where the numbers are. Each is a little-endian `u64`.
const TOTAL: u64 = 0;
const CLEANED: u64 = 8;
const GENERATION: u64 = 16;

/// What shows that the file is ours, and where. It follows the numbers.
const MARK: [u8; 8] = *b"tmpxlock";
const MARK_AT: u64 = MARK_IN_BYTES.start as u64;
const MARK_IN_BYTES: std::ops::Range<usize> = 24..32;

/// The byte that is locked while the numbers change.
const NUMBERS: u64 = 0;

/// The byte that is locked while expired entries are looked for.
const UPKEEP: u64 = 1;

/// Where the notes about outputs that are not kept begin: the hash of a key with a number for the boot, and a
/// time since boot.
const NOTES: u64 = 256;

/// How many there are.
const NOTE_COUNT: u64 = (SIZE - NOTES) / 16;

/// Returns whether a file has the mark. Fails if it is another program's, which the numbers would damage.
/// A new file is empty, or zeros if its creator was killed before it wrote the mark.
fn is_marked(file: &OwnedFd) -> std::io::Result<bool> {
    let has_mark = |bytes: &[u8]| bytes.get(MARK_IN_BYTES).is_some_and(|mark| *mark == MARK);
    let mut bytes = [0; SIZE_IN_BYTES + 1];
    if has_mark(read_at(file, &mut bytes[..MARK_IN_BYTES.end], 0)?) {
        return Ok(true);
    }
    // Meanwhile, its creator may write the mark and then the numbers, so the answer comes from one read.
    let all = read_at(file, &mut bytes, 0)?;
    if has_mark(all) {
        Ok(true)
    } else if all.len() <= SIZE_IN_BYTES && all.iter().all(|byte| *byte == 0) {
        Ok(false)
    } else {
        Err(std::io::Error::other("it is the lock file of another program"))
    }
}

/// An open lock file.
#[derive(Debug)]
pub(crate) struct LockFile {
    file: OwnedFd,
}

impl LockFile {
    pub(super) fn new(file: OwnedFd, stat: &Stat) -> std::io::Result<Self> {
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(std::io::Error::other("it is not a regular file"));
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let is_marked = is_marked(&file)?;
        if size < SIZE {
            // Where the filesystem cannot do that, only notes on a full disk are lost.
            let _ = fallocate(&file, FallocateFlags::empty(), 0, SIZE);
        }
        if !is_marked {
            let _ = pwrite(&file, &MARK, MARK_AT);
        }
        Ok(Self { file })
    }

    fn number(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        let read = read_at(&self.file, &mut bytes, at).map_or(0, <[u8]>::len);
        if read == 8 { u64::from_le_bytes(bytes) } else { 0 }
    }

    fn set_number(&self, at: u64, number: u64) {
        let _ = pwrite(&self.file, &number.to_le_bytes(), at);
    }

    fn change(&self, at: u64, change: impl FnOnce(u64) -> u64) -> u64 {
        let is_locked =
            sys::wait_lock_byte(self.file.as_fd(), NUMBERS, ByteLock::Exclusive).is_ok();
        let number = change(self.number(at));
        self.set_number(at, number);
        if is_locked {
            sys::unlock_byte(self.file.as_fd(), NUMBERS);
        }
        number
    }

    /// How many bytes the store has, as far as was counted.
    pub(super) fn total(&self) -> u64 {
        self.number(TOTAL)
    }

    /// Adds to the bytes of the store, and returns how many there are.
    pub(super) fn add_to_total(&self, bytes: u64) -> u64 {
        self.change(TOTAL, |total| total.saturating_add(bytes))
    }

    /// Notes that the entries have `counted` bytes, where `before` is what was noted before counting.
    /// Entries that were added meanwhile are counted too.
    pub(super) fn correct_total(&self, before: u64, counted: u64) {
        self.change(TOTAL, |now| counted.saturating_add(now.saturating_sub(before)));
    }

    /// When expired entries were last looked for, on the wall clock.
    pub(super) fn cleaned_ms(&self) -> u64 {
        self.number(CLEANED)
    }

    pub(super) fn set_cleaned_ms(&self, wall_ms: u64) {
        self.set_number(CLEANED, wall_ms);
    }

    /// How often the store was cleared. A run that began before that is not kept.
    pub(super) fn generation(&self) -> u64 {
        self.number(GENERATION)
    }

    pub(super) fn begin_generation(&self) {
        self.change(GENERATION, |generation| generation.wrapping_add(1));
    }

    /// Notes that the output of a run cannot be kept, for those who wait for it.
    pub(super) fn note_unkept(&self, hash: u64, now: &CacheClock) {
        let mut note = [0; 16];
        note[..8].copy_from_slice(&(hash ^ now.boot_tag()).to_le_bytes());
        note[8..].copy_from_slice(&now.now.boot_ms.to_le_bytes());
        let _ = pwrite(&self.file, &note, note_at(hash));
    }

    /// Whether it was noted since a moment that the output for a key cannot be kept.
    pub(super) fn is_unkept_since(&self, hash: u64, asked: &CacheClock) -> bool {
        let mut note = [0; 16];
        let read = pread(&self.file, &mut note, note_at(hash));
        let (key, noted) = note.split_at(8);
        let noted = noted.first_chunk().map_or(0, |ms| u64::from_le_bytes(*ms));
        let is_ours = read == Ok(16) && key == (hash ^ asked.boot_tag()).to_le_bytes();
        is_ours && noted >= asked.now.boot_ms
    }

    /// Begins to look for expired entries, unless another process does.
    pub(super) fn begin_upkeep(self: &Rc<Self>) -> Option<KeyLock> {
        KeyLock::try_acquire(self, UPKEEP, ByteLock::Exclusive)
    }
}

fn note_at(hash: u64) -> u64 {
    NOTES + hash % NOTE_COUNT * 16
}

/// A byte of the lock file that belongs to a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum KeyByte {
    /// Locked by the process that runs the command.
    Run,
    /// Locked by those who wait for it, together.
    Waiting,
    /// Locked while the entry is replaced.
    Replacing,
}

impl KeyByte {
    /// Returns its offset. The bytes of two keys are seldom the same; then one waits for the other.
    fn offset(self, hash: u64) -> u64 {
        // The largest offset of a file is 2^63 - 1.
        let first = SIZE + ((hash >> 4) << 2);
        first
            + match self {
                Self::Run => 0,
                Self::Waiting => 1,
                Self::Replacing => 2,
            }
    }
}

/// A locked byte, until it is dropped.
#[derive(Debug)]
pub(super) struct KeyLock {
    file: Rc<LockFile>,
    offset: u64,
}

impl KeyLock {
    fn try_acquire(file: &Rc<LockFile>, offset: u64, how: ByteLock) -> Option<Self> {
        let locked = sys::try_lock_byte(file.file.as_fd(), offset, how);
        locked.is_ok_and(|is_ours| is_ours).then(|| Self { file: Rc::clone(file), offset })
    }

    /// Locks a byte, unless another process holds it.
    pub(super) fn try_exclusive(file: &Rc<LockFile>, byte: KeyByte, hash: u64) -> Option<Self> {
        Self::try_acquire(file, byte.offset(hash), ByteLock::Exclusive)
    }

    /// Waits until the byte can be locked. Returns `None` if locks do not work.
    pub(super) fn wait(
        file: &Rc<LockFile>,
        byte: KeyByte,
        hash: u64,
        how: ByteLock,
    ) -> Option<Self> {
        let offset = byte.offset(hash);
        sys::wait_lock_byte(file.file.as_fd(), offset, how).ok()?;
        Some(Self { file: Rc::clone(file), offset })
    }

    /// Whether another process holds a byte.
    pub(super) fn is_held(file: &LockFile, byte: KeyByte, hash: u64) -> bool {
        sys::is_byte_locked(file.file.as_fd(), byte.offset(hash)).unwrap_or(false)
    }
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        sys::unlock_byte(self.file.file.as_fd(), self.offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::{BootClock, Moment};

    #[test]
    fn a_note_counts_for_its_key_in_its_boot() {
        let file = OwnedFd::from(tempfile::tempfile().unwrap());
        let stat = rustix::fs::fstat(&file).unwrap();
        let locks = LockFile::new(file, &stat).unwrap();
        let clock = |boot, boot_ms| CacheClock {
            now: Moment { wall_ms: 0, boot_ms },
            boot: Some(BootClock { boot, time_ns: 1 }),
        };
        locks.note_unkept(7, &clock(1, 500));
        assert!(locks.is_unkept_since(7, &clock(1, 500)));
        assert!(!locks.is_unkept_since(7, &clock(1, 501)), "before");
        assert!(!locks.is_unkept_since(7, &clock(2, 100)), "in another boot");
        assert!(!locks.is_unkept_since(7 + NOTE_COUNT, &clock(1, 500)), "of another key");
    }
}

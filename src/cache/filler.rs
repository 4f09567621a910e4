//! Writes an entry: first as a file without a name, then published whole.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use rustix::fs::{Mode, fchmod, fstat};
use rustix::io::{Errno, pwrite};

use crate::cache::checksum::Checksum;
use crate::cache::error::Unkept;
use crate::cache::format::{EntryHeader, HEADER, OutputFrame, OutputStream, WORD};
use crate::cache::key::CacheKey;
use crate::cache::lock_file::{KeyByte, KeyLock, LockFile};
use crate::cache::store::{CacheStore, FileKind};
use crate::fs::Dir;
use crate::fs::disk_full::write_failed;
use crate::lease::TmpFile;
use crate::sys::ByteLock;

/// Creates a file with a hidden name, where there is no unnamed one that could get a name.
pub(crate) type CreateHidden<'a> = &'a mut dyn FnMut(Dir) -> anyhow::Result<TmpFile>;

/// An entry that grows.
#[derive(Debug)]
pub(crate) struct Filler {
    file: TmpFile,
    key: CacheKey,
    /// The size that it may have.
    max: u64,
    /// Where it ends.
    end: u64,
    checksum: Checksum,
    bytes: u64,
}

/// An output that could not be added as a whole.
#[derive(Debug)]
pub(super) struct NotAdded {
    /// How many bytes of it have been.
    pub(super) added: usize,
    pub(super) why: Unkept,
}

impl Filler {
    /// Begins an entry.
    pub(crate) fn begin(
        store: &CacheStore,
        key: &CacheKey,
        max: u64,
        create_hidden: CreateHidden<'_>,
    ) -> Result<Self, Unkept> {
        let end = HEADER as u64 + key.as_bytes().len() as u64;
        if end > max {
            return Err(Unkept::TooLarge(max));
        }
        let file = create(store, key, create_hidden).map_err(Unkept::Trouble)?;
        Ok(Self { file, key: key.clone(), max, end, checksum: Checksum::new(), bytes: 0 })
    }

    /// Where the frames begin.
    pub(super) fn frames_start(&self) -> u64 {
        HEADER as u64 + self.key.as_bytes().len() as u64
    }

    /// Where they end so far.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Adds output. After a failure the frames are still those up to [`end`](Self::end).
    pub(super) fn add(&mut self, stream: OutputStream, bytes: &[u8]) -> Result<(), NotAdded> {
        // A block is smaller than a frame may be.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let word = OutputFrame { stream, length }.to_word();
        let size = (WORD + bytes.len()) as u64;
        if self.end + size > self.max {
            return Err(NotAdded { added: 0, why: Unkept::TooLarge(self.max) });
        }
        let (written, count) = write_frame(self.file.as_fd(), word, bytes, self.end);
        match written {
            Ok(()) => {
                self.checksum.add(&word);
                self.checksum.add(bytes);
                self.bytes += bytes.len() as u64;
                self.end += size;
                Ok(())
            }
            Err(err) => {
                let mut added = count.saturating_sub(WORD);
                let length = u32::try_from(added).unwrap_or(0);
                let word = OutputFrame { stream, length }.to_word();
                // Its bytes are there, so no room is needed.
                if added > 0 && write_all_at(self.file.as_fd(), &word, self.end).0.is_ok() {
                    self.end += (WORD + added) as u64;
                } else {
                    added = 0;
                }
                let dir = self.file.dir().path();
                let act = format!("could not keep the output in {}", dir.display());
                Err(NotAdded { added, why: Unkept::Trouble(write_failed(act, dir, err)) })
            }
        }
    }

    /// Completes the header and gives the entry its name. Replaces what has the name.
    pub(super) fn publish(
        &self,
        header: EntryHeader,
        kind: FileKind,
        store: &CacheStore,
        locks: Option<&Rc<LockFile>>,
    ) -> anyhow::Result<u64> {
        let header = EntryHeader {
            bytes: self.bytes,
            key_length: u32::try_from(self.key.as_bytes().len()).unwrap_or(u32::MAX),
            frames_length: self.end - self.frames_start(),
            frames_checksum: self.checksum.finish(),
            ..header
        };
        let bytes = header.encode(self.key.as_bytes());
        let written = write_all_at(self.file.as_fd(), &bytes, 0).0;
        let hash = self.key.hash();
        let published = written.and_then(|()| self.give_name(&kind.name(hash), hash, locks));
        published.map_err(|err| not_written(store, err))?;
        Ok(self.end)
    }

    /// Removes the published entry, unless another one has its name by now.
    pub(super) fn withdraw(&self, kind: FileKind, store: &CacheStore) {
        if let Ok(stat) = fstat(&self.file) {
            let _ = store.remove_same(self.file.dir(), &kind.name(self.key.hash()), &stat);
        }
    }

    fn give_name(&self, name: &OsStr, hash: u64, locks: Option<&Rc<LockFile>>) -> io::Result<()> {
        if self.file.hidden().is_ok() {
            return self.file.rename(name);
        }
        match self.file.link(name) {
            Err(err) if err.raw_os_error() == Some(libc::EEXIST) => {}
            linked => return linked,
        }
        // Only a rename replaces, and it needs another name. A reader sees the old entry or the new
        // one, and never none.
        let between = FileKind::Replacing.name(hash);
        let lock = locks
            .and_then(|locks| KeyLock::wait(locks, KeyByte::Replacing, hash, ByteLock::Exclusive));
        match self.file.link(&between) {
            Err(err) if err.raw_os_error() == Some(libc::EEXIST) && lock.is_some() => {
                // A process was killed here, and has left a whole entry.
                self.file.rename_from(&between, name)?;
                self.file.link(&between)?;
            }
            linked => linked?,
        }
        self.file.rename_from(&between, name).inspect_err(|_| {
            let _ = crate::remove::entry_by_name(self.file.dir(), &between, false);
        })
    }
}

impl AsFd for Filler {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Creates the file, with the key behind the room for the header.
fn create(
    store: &CacheStore,
    key: &CacheKey,
    create_hidden: CreateHidden<'_>,
) -> anyhow::Result<TmpFile> {
    let file = match TmpFile::create_linkable_unnamed(store.to_dir()?, 0o600)? {
        Ok(file) => file,
        Err(dir) => create_hidden(dir)?,
    };
    fchmod(&file, Mode::RUSR | Mode::WUSR)
        .map_err(io::Error::from)
        .and_then(|()| write_all_at(file.as_fd(), key.as_bytes(), HEADER as u64).0)
        .map_err(|err| not_written(store, err))?;
    Ok(file)
}

fn not_written(store: &CacheStore, err: io::Error) -> anyhow::Error {
    let act = format!("could not keep the output in {}", store.path().display());
    write_failed(act, store.path(), err)
}

/// Writes a frame. Returns also how many of its bytes have been written.
fn write_frame(
    file: BorrowedFd<'_>,
    word: [u8; WORD],
    bytes: &[u8],
    at: u64,
) -> (io::Result<()>, usize) {
    let parts = [io::IoSlice::new(&word), io::IoSlice::new(bytes)];
    let count = match rustix::io::pwritev(file, &parts, at) {
        Ok(count) => count,
        Err(Errno::INTR | Errno::NOSYS) => 0,
        Err(err) => return (Err(err.into()), 0),
    };
    if count < WORD {
        let (written, more) = write_all_at(file, &word[count..], at + count as u64);
        if written.is_err() {
            return (written, count + more);
        }
    }
    let done = count.max(WORD);
    let (written, more) = write_all_at(file, &bytes[done - WORD..], at + done as u64);
    (written, done + more)
}

/// Writes bytes at an offset. Returns also how many have been written.
fn write_all_at(file: BorrowedFd<'_>, bytes: &[u8], at: u64) -> (io::Result<()>, usize) {
    let mut done = 0;
    while done < bytes.len() {
        match pwrite(file, &bytes[done..], at + done as u64) {
            Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), done),
            Ok(count) => done += count,
            Err(Errno::INTR) => {}
            Err(err) => return (Err(err.into()), done),
        }
    }
    (Ok(()), done)
}

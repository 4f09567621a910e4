//! Buffers a stream to its end: in memory up to a limit, beyond that in an unnamed file.
//!
//! In memory, the content is first a block on the heap. If it must become a file, to be passed to a
//! command, it moves into a memfd. The command's descriptor is read-only, and a memfd is sealed, so
//! nobody can change the content. A regular file as input is not copied: it can already be read at
//! any offset.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{
    Access, CWD, FileType, MemfdFlags, Mode, OFlags, SealFlags, SeekFrom, fcntl_add_seals,
    fcntl_getfl, fstat, memfd_create, open, seek,
};

use crate::fs::dir::create_new;
use crate::fs::disk_full::write_failed;
use crate::fs::metadata::set_mode;
use crate::fs::rw::write_all;
use crate::fs::transfer::BLOCK;
use crate::fs::{Dir, Interrupt, TransferError, states_true_size, transfer};
use crate::lease::TmpFile;
use crate::sys::{link_open_file, may_access, proc_path};
use crate::values::Progress;

/// The name of the file that [`Spool::name_in`] creates, up to its suffix.
const NAME: &str = "stdin";

/// How many bytes are copied between two checks for an interrupt.
const PORTION: u64 = 64 * 1024 * 1024;

/// The whole content of a stream.
#[derive(Debug)]
pub(crate) struct Spool<'a> {
    from: BorrowedFd<'a>,
    bytes: u64,
    storage: Storage,
}

/// Where the content is.
#[derive(Debug)]
enum Storage {
    /// In the file that standard input is, from this offset on.
    Input(u64),
    /// On the heap.
    Block(Vec<u8>),
    /// In a memfd.
    Memory(OwnedFd),
    /// In an unnamed file.
    File(TmpFile),
}

/// Creates the unnamed file when the content outgrows memory.
pub(crate) type OpenTmpFile<'a> = &'a mut dyn FnMut() -> anyhow::Result<TmpFile>;

impl<'a> Spool<'a> {
    /// Reads a stream to its end. With `as_file`, the content must be available as a file that begins
    /// with the first byte read. Counts the bytes.
    pub(crate) fn read(
        from: BorrowedFd<'a>,
        limit: u64,
        as_file: bool,
        roll_over: OpenTmpFile<'_>,
        progress: &Progress,
    ) -> anyhow::Result<Self> {
        if let Some((offset, bytes)) = regular_file_range(from)
            && (!as_file || offset == 0 && can_be_reopened(from))
        {
            return Ok(Self { from, bytes, storage: Storage::Input(offset) });
        }
        transfer::enlarge_pipe(from);
        let mut block = Vec::with_capacity(BLOCK);
        let mut ended = false;
        while !ended && block.len() < block.capacity() {
            ended = read(from, &mut block)? == 0;
        }
        if ended && !as_file && block.len() as u64 <= limit {
            return Ok(Self { from, bytes: block.len() as u64, storage: Storage::Block(block) });
        }
        let mut growing = GrowingSpool { limit, bytes: 0, storage: None, roll_over, progress };
        growing.append(&block)?;
        while !ended {
            if let Some(Storage::File(file)) = &growing.storage {
                let count = |bytes| progress.add(0, bytes);
                let rest = transfer::copy_to_end(from, file, count);
                growing.bytes += rest.map_err(|err| describe(err, file.dir().path()))?;
                break;
            }
            block.clear();
            ended = read(from, &mut block)? == 0;
            growing.append(&block)?;
        }
        let GrowingSpool { bytes, storage, .. } = growing;
        Ok(Self { from, bytes, storage: storage.unwrap_or(Storage::Block(block)) })
    }

    /// Returns the size of the content.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the word for the report that says where the content is held.
    pub(crate) fn held_in(&self) -> &'static str {
        match &self.storage {
            Storage::Input(_) => "stdin",
            Storage::Block(_) | Storage::Memory(_) => "memory",
            Storage::File(_) => "file",
        }
    }

    /// Returns the directory of the unnamed file, if the content is in one.
    pub(crate) fn dir(&self) -> Option<&Dir> {
        match &self.storage {
            Storage::File(file) => Some(file.dir()),
            _ => None,
        }
    }

    /// Writes the whole content.
    pub(crate) fn write_to(&self, to: impl AsFd) -> Result<(), TransferError> {
        let written = self.write_range(0, self.bytes, to);
        if let Storage::Input(offset) = self.storage {
            // Move the shared offset to the end, as if the input had been read.
            let _ = seek(self.from, SeekFrom::Start(offset + self.bytes));
        }
        written
    }

    fn write_range(&self, start: u64, length: u64, to: impl AsFd) -> Result<(), TransferError> {
        let copied = match &self.storage {
            Storage::Block(block) => {
                return write_all(to.as_fd(), block).map_err(TransferError::Writing);
            }
            Storage::Memory(file) => transfer::copy_range(file, start, length, to),
            Storage::File(file) => transfer::copy_range(file, start, length, to),
            Storage::Input(offset) => transfer::copy_range(self.from, offset + start, length, to),
        };
        copied.map(drop)
    }

    /// Returns the content as a file for a command: at its beginning, and read-only. `None` means
    /// that the standard input that the command inherits is such a file.
    pub(crate) fn to_read(&self) -> anyhow::Result<Option<OwnedFd>> {
        let reopened = match &self.storage {
            Storage::Input(_) if is_read_only(self.from) => return Ok(None),
            Storage::Input(_) => reopen(self.from),
            Storage::Block(block) => create_memfd()
                .and_then(|file| write_all(file.as_fd(), block).map(|()| file))
                .and_then(|file| seal(&file).and_then(|()| reopen_own(&file))),
            Storage::Memory(file) => seal(file).and_then(|()| reopen_own(file)),
            Storage::File(file) => make_read_only(file).and_then(|()| reopen_own(file)),
        };
        reopened.map(Some).context("could not reopen the buffered input")
    }

    /// Returns the path of the file that standard input is, if the content is that whole file and
    /// tmpx can open it by path: a descriptor may grant access that the path does not.
    pub(crate) fn own_path(&self) -> Option<PathBuf> {
        let Storage::Input(0) = self.storage else {
            return None;
        };
        let path = std::fs::read_link(proc_path(self.from)).ok()?;
        let metadata = std::fs::metadata(&path).ok()?;
        let stat = fstat(self.from).ok()?;
        let same = metadata.dev() == stat.st_dev && metadata.ino() == stat.st_ino;
        let readable = may_access(CWD, &path, Access::READ_OK).is_ok();
        (same && readable && path.is_absolute()).then_some(path)
    }

    /// Creates a read-only file with the content in a directory, and returns its path. An unnamed
    /// file on the same filesystem is linked; everything else is copied.
    pub(crate) fn name_in(
        &self,
        dir: &Dir,
        suffix: &OsStr,
        check_interrupt: Interrupt<'_>,
    ) -> anyhow::Result<PathBuf> {
        let mut name = OsString::from(NAME);
        name.push(suffix);
        if let Storage::File(file) = &self.storage
            && link_open_file(file, dir, &name).is_ok()
        {
            return Ok(dir.join(&name));
        }
        let could_not = |err| describe(err, dir.path());
        let copy = create_new(dir, &name, Mode::RUSR)
            .map_err(|err| could_not(TransferError::Writing(err)))?;
        let mut copied = 0;
        while copied < self.bytes {
            check_interrupt()?;
            let length = PORTION.min(self.bytes - copied);
            self.write_range(copied, length, &copy).map_err(could_not)?;
            copied += length;
        }
        Ok(dir.join(&name))
    }
}

/// The content while it is being read.
struct GrowingSpool<'a> {
    limit: u64,
    bytes: u64,
    storage: Option<Storage>,
    roll_over: OpenTmpFile<'a>,
    progress: &'a Progress,
}

impl GrowingSpool<'_> {
    /// Appends a piece. If memory is not available or runs out, the content moves to the disk.
    fn append(&mut self, piece: &[u8]) -> anyhow::Result<()> {
        let bytes = self.bytes + piece.len() as u64;
        if bytes > self.limit || !self.append_in_memory(piece) {
            let file = self.move_to_disk()?;
            write_all(file.as_fd(), piece)
                .map_err(|err| describe(TransferError::Writing(err), file.dir().path()))?;
            self.storage = Some(Storage::File(file));
        }
        self.bytes = bytes;
        self.progress.add(0, piece.len() as u64);
        Ok(())
    }

    fn append_in_memory(&mut self, piece: &[u8]) -> bool {
        if self.storage.is_none() {
            self.storage = create_memfd().ok().map(Storage::Memory);
        }
        let Some(Storage::Memory(file)) = &self.storage else {
            return false;
        };
        write_all(file.as_fd(), piece).is_ok()
    }

    fn move_to_disk(&mut self) -> anyhow::Result<TmpFile> {
        let file = (self.roll_over)()?;
        if let Some(Storage::Memory(memory)) = &self.storage {
            transfer::copy_range(memory, 0, self.bytes, &file)
                .map_err(|err| describe(err, file.dir().path()))?;
        }
        Ok(file)
    }
}

fn read(from: BorrowedFd<'_>, block: &mut Vec<u8>) -> anyhow::Result<usize> {
    transfer::read(from, block).context("could not read standard input")
}

/// Describes an error that occurred while standard input was copied to a file in `dir`.
fn describe(err: TransferError, dir: &Path) -> anyhow::Error {
    match err {
        TransferError::Reading(err) => {
            anyhow::Error::new(err).context("could not read standard input")
        }
        TransferError::Writing(err) => {
            let act = format!("could not write to a file in {}", dir.display());
            write_failed(act, dir, err)
        }
    }
}

/// Returns the offset of a regular file and the number of bytes after it. `None` for other files,
/// and for those whose content the kernel generates: files in /proc have size zero, files in /sys a
/// wrong size.
fn regular_file_range(from: BorrowedFd<'_>) -> Option<(u64, u64)> {
    let stat = fstat(from).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let flags = fcntl_getfl(from).ok()?;
    let offset = seek(from, SeekFrom::Current(0)).ok()?;
    let size = u64::try_from(stat.st_size).ok()?;
    let readable = !flags.contains(OFlags::WRONLY);
    (offset < size && readable && states_true_size(from)).then(|| (offset, size - offset))
}

/// Whether a command can get a read-only descriptor of a file. A caller that got a descriptor for
/// reading and writing may lack the right to open the file again.
fn can_be_reopened(file: BorrowedFd<'_>) -> bool {
    is_read_only(file) || reopen(file).is_ok()
}

fn is_read_only(file: BorrowedFd<'_>) -> bool {
    fcntl_getfl(file).is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDONLY)
}

/// Opens a file of ours again, or without /proc shares it, from its beginning.
fn reopen_own(file: impl AsFd) -> io::Result<OwnedFd> {
    match reopen(&file) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            let shared = file.as_fd().try_clone_to_owned()?;
            seek(&shared, SeekFrom::Start(0))?;
            Ok(shared)
        }
        opened => opened,
    }
}

/// Opens an open file again: read-only, and with an offset of its own.
fn reopen(file: impl AsFd) -> io::Result<OwnedFd> {
    Ok(open(proc_path(file), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

fn create_memfd() -> io::Result<OwnedFd> {
    Ok(memfd_create(c"tmpx", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?)
}

fn seal(memory: &OwnedFd) -> io::Result<()> {
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    Ok(fcntl_add_seals(memory, seals)?)
}

/// Protects a file against the command that reads it, where the mount lets files have modes.
fn make_read_only(file: impl AsFd) -> io::Result<()> {
    set_mode(file, Mode::RUSR.as_raw_mode()).map(drop)
}

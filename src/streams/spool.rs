//! A stream held until its end: in memory up to a limit, then in a file without a name.
//!
//! Memory is a block on the heap, then a memfd, so that what is held can be handed to a command as a
//! file wherever it is. What goes to a command is open for reading only, and a memfd is sealed:
//! nobody can change it. A regular file is not copied at all: it is there already, and can be read
//! from any place in it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{
    Access, AtFlags, CWD, FileType, FsWord, MemfdFlags, Mode, OFlags, SealFlags, SeekFrom,
    accessat, fchmod, fcntl_add_seals, fcntl_getfl, fstat, fstatfs, linkat, memfd_create, open,
    seek,
};

use crate::fs::disk_full::with_full_filesystem;
use crate::fs::rw::write_all;
use crate::fs::transfer::BLOCK;
use crate::fs::{Dir, Interrupt, TransferError, transfer};
use crate::lease::TmpFile;
use crate::lease::tmpfile::proc_path;

/// The name of what is held, where it needs one.
const NAME: &str = "stdin";

/// The filesystem of /sys (`SYSFS_MAGIC`, statfs(2)).
const SYSFS: FsWord = 0x6265_6572;

/// How much is copied before [`GoOn`] is asked again, in bytes.
const PORTION: u64 = 64 * 1024 * 1024;

/// What a stream brought.
#[derive(Debug)]
pub(crate) struct Spool<'a> {
    from: BorrowedFd<'a>,
    bytes: u64,
    held: Held,
}

/// Where it is.
#[derive(Debug)]
enum Held {
    /// In the file that it comes from, from this offset on.
    There(u64),
    /// On the heap.
    Block(Vec<u8>),
    /// In a memfd.
    Memory(OwnedFd),
    /// In a file without a name.
    Disk(TmpFile),
}

/// Makes a file without a name when memory does not do.
pub(crate) type OpenTmpFile<'a> = &'a mut dyn FnMut() -> anyhow::Result<TmpFile>;

impl<'a> Spool<'a> {
    /// Reads standard input, or what stands for it, to its end. `seekable` says that it must be a
    /// file in the end, whose first byte is the first one that was read.
    pub(crate) fn read(
        from: BorrowedFd<'a>,
        limit: u64,
        seekable: bool,
        roll: OpenTmpFile<'_>,
    ) -> anyhow::Result<Self> {
        if let Some((offset, bytes)) = regular_file_range(from)
            && (!seekable || offset == 0 && can_be_reopened(from))
        {
            return Ok(Self { from, bytes, held: Held::There(offset) });
        }
        transfer::enlarge_pipe(from);
        let mut block = Vec::with_capacity(BLOCK);
        let mut ended = false;
        while !ended && block.len() < block.capacity() {
            ended = read(from, &mut block)? == 0;
        }
        if ended && !seekable && block.len() as u64 <= limit {
            return Ok(Self { from, bytes: block.len() as u64, held: Held::Block(block) });
        }
        let mut growing = GrowingSpool { limit, bytes: 0, held: None, roll };
        growing.take(&block)?;
        while !ended {
            if let Some(Held::Disk(file)) = &growing.held {
                let rest = transfer::copy_to_end(from, file);
                growing.bytes += rest.map_err(|stuck| describe(stuck, file.place().path()))?;
                break;
            }
            block.clear();
            ended = read(from, &mut block)? == 0;
            growing.take(&block)?;
        }
        let GrowingSpool { bytes, held, .. } = growing;
        Ok(Self { from, bytes, held: held.unwrap_or(Held::Block(block)) })
    }

    /// How much there is.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where it is held, in one word.
    pub(crate) fn held_in(&self) -> &'static str {
        match &self.held {
            Held::There(_) => "stdin",
            Held::Block(_) | Held::Memory(_) => "memory",
            Held::Disk(_) => "file",
        }
    }

    /// The directory of the file without a name that it is in.
    pub(crate) fn place(&self) -> Option<&Dir> {
        match &self.held {
            Held::Disk(file) => Some(file.place()),
            _ => None,
        }
    }

    /// Writes all of it.
    pub(crate) fn write_to(&self, to: impl AsFd) -> Result<(), TransferError> {
        let written = self.write_part(0, self.bytes, to);
        if let Held::There(offset) = self.held {
            // Whoever reads on finds nothing more, as if it had been read.
            let _ = seek(self.from, SeekFrom::Start(offset + self.bytes));
        }
        written
    }

    fn write_part(&self, start: u64, length: u64, to: impl AsFd) -> Result<(), TransferError> {
        let poured = match &self.held {
            Held::Block(block) => {
                return write_all(to.as_fd(), block).map_err(TransferError::Writing);
            }
            Held::Memory(file) => transfer::copy_range(file, start, length, to),
            Held::Disk(file) => transfer::copy_range(file, start, length, to),
            Held::There(offset) => transfer::copy_range(self.from, offset + start, length, to),
        };
        poured.map(drop)
    }

    /// It as a file for a command: at its beginning, for reading only. `None` where what the command
    /// inherits is that already.
    pub(crate) fn to_read(&self) -> anyhow::Result<Option<OwnedFd>> {
        let reopened = match &self.held {
            Held::There(_) if is_read_only(self.from) => return Ok(None),
            Held::There(_) => reopen(self.from),
            Held::Block(block) => memory()
                .and_then(|file| write_all(file.as_fd(), block).map(|()| file))
                .and_then(|file| seal(&file).and_then(|()| reopen(&file))),
            Held::Memory(file) => seal(file).and_then(|()| reopen(file)),
            Held::Disk(file) => only_readable(file).and_then(|()| reopen(file)),
        };
        reopened.map(Some).context("could not open again what was read")
    }

    /// The path that it has already, where it was read from a file as a whole, and can be opened by
    /// us: a descriptor may give what its path does not.
    pub(crate) fn own_path(&self) -> Option<PathBuf> {
        let Held::There(0) = self.held else {
            return None;
        };
        let path = std::fs::read_link(proc_path(self.from)).ok()?;
        let there = std::fs::metadata(&path).ok()?;
        let stat = fstat(self.from).ok()?;
        let same = there.dev() == stat.st_dev && there.ino() == stat.st_ino;
        let opens = accessat(CWD, &path, Access::READ_OK, AtFlags::EACCESS).is_ok();
        (same && opens && path.is_absolute()).then_some(path)
    }

    /// Gives it a name in a directory, as a file for reading only, and returns its path. A file
    /// without a name that lies on the same filesystem is linked there, else it is copied.
    pub(crate) fn name_in(&self, dir: &Path, go_on: Interrupt<'_>) -> anyhow::Result<PathBuf> {
        let path = dir.join(NAME);
        if let Held::Disk(file) = &self.held
            && linkat(CWD, proc_path(file), CWD, &path, AtFlags::SYMLINK_FOLLOW).is_ok()
        {
            return Ok(path);
        }
        let copy = File::options().write(true).create_new(true).mode(0o400).open(&path);
        let copy = copy.map_err(|err| describe(TransferError::Writing(err), dir))?;
        let mut copied = 0;
        while copied < self.bytes {
            go_on()?;
            let length = PORTION.min(self.bytes - copied);
            self.write_part(copied, length, &copy).map_err(|stuck| describe(stuck, dir))?;
            copied += length;
        }
        Ok(path)
    }
}

/// What is being read.
struct GrowingSpool<'a> {
    limit: u64,
    bytes: u64,
    held: Option<Held>,
    roll: OpenTmpFile<'a>,
}

impl GrowingSpool<'_> {
    /// Takes another piece of what is not on disk yet. Memory that cannot be had, or no more of it, is
    /// no reason to fail.
    fn take(&mut self, piece: &[u8]) -> anyhow::Result<()> {
        let bytes = self.bytes + piece.len() as u64;
        if bytes > self.limit || !self.keep_in_memory(piece) {
            let file = self.roll_over()?;
            write_all(file.as_fd(), piece)
                .map_err(|err| describe(TransferError::Writing(err), file.place().path()))?;
            self.held = Some(Held::Disk(file));
        }
        self.bytes = bytes;
        Ok(())
    }

    fn keep_in_memory(&mut self, piece: &[u8]) -> bool {
        if self.held.is_none() {
            self.held = memory().ok().map(Held::Memory);
        }
        let Some(Held::Memory(file)) = &self.held else {
            return false;
        };
        write_all(file.as_fd(), piece).is_ok()
    }

    fn roll_over(&mut self) -> anyhow::Result<TmpFile> {
        let file = (self.roll)()?;
        if let Some(Held::Memory(memory)) = &self.held {
            transfer::copy_range(memory, 0, self.bytes, &file)
                .map_err(|stuck| describe(stuck, file.place().path()))?;
        }
        Ok(file)
    }
}

fn read(from: BorrowedFd<'_>, block: &mut Vec<u8>) -> anyhow::Result<usize> {
    transfer::read(from, block).context("could not read standard input")
}

/// An error on the way to a file in this directory.
fn describe(stuck: TransferError, dir: &Path) -> anyhow::Error {
    match stuck {
        TransferError::Reading(err) => {
            anyhow::Error::new(err).context("could not read standard input")
        }
        TransferError::Writing(err) => {
            let act = format!("could not write to a file in {}", dir.display());
            let act = with_full_filesystem(act, dir, &err);
            anyhow::Error::new(err).context(act)
        }
    }
}

/// Where a regular file stands, and how much of it is left. `None` for everything else, and for
/// what the kernel makes up as it is read: files in /proc have no size, and those in /sys a wrong one.
fn regular_file_range(from: BorrowedFd<'_>) -> Option<(u64, u64)> {
    let stat = fstat(from).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let flags = fcntl_getfl(from).ok()?;
    let offset = seek(from, SeekFrom::Current(0)).ok()?;
    let size = u64::try_from(stat.st_size).ok()?;
    let is_true = || fstatfs(from).is_ok_and(|fs| fs.f_type != SYSFS);
    let readable = !flags.contains(OFlags::WRONLY);
    (offset < size && readable && is_true()).then(|| (offset, size - offset))
}

/// Whether a command can have it for reading only. Who was given a descriptor for reading and
/// writing may not be allowed to open the file once more.
fn can_be_reopened(file: BorrowedFd<'_>) -> bool {
    is_read_only(file) || reopen(file).is_ok()
}

fn is_read_only(file: BorrowedFd<'_>) -> bool {
    fcntl_getfl(file).is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDONLY)
}

/// Opens a file anew: with an offset of its own, and for reading only.
fn reopen(file: impl AsFd) -> io::Result<OwnedFd> {
    Ok(open(proc_path(file), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

fn memory() -> io::Result<OwnedFd> {
    Ok(memfd_create(c"tmpx", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?)
}

fn seal(memory: &OwnedFd) -> io::Result<()> {
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    Ok(fcntl_add_seals(memory, seals)?)
}

fn only_readable(file: impl AsFd) -> io::Result<()> {
    Ok(fchmod(file, Mode::RUSR)?)
}

//! Standard input as a part of the key: read to its end, hashed, and given to the command.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::Context as _;
use rustix::fs::{MemfdFlags, Mode, OFlags, SeekFrom, memfd_create, open, seek};

use crate::cache::hash_to_end;
use crate::create::Scratch;
use crate::fs::TransferError;
use crate::fs::rw::write_all;
use crate::fs::transfer::copy_range;
use crate::lease::TmpFile;
use crate::streams::readable_stdin;
use crate::sys::proc_path;

/// The bytes that are held in memory. More are held in an unnamed file.
const MAX_MEMORY: u64 = 1 << 20;

/// A copy of standard input.
#[derive(Debug)]
pub(super) struct StdinCopy {
    copy: Copy,
    pub(super) hash: [u8; 32],
}

#[derive(Debug)]
enum Copy {
    Memory(OwnedFd),
    File(TmpFile),
}

impl Copy {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Memory(memory) => memory.as_fd(),
            Self::File(file) => file.as_fd(),
        }
    }
}

fn create_memory() -> rustix::io::Result<OwnedFd> {
    memfd_create("tmpx", MemfdFlags::CLOEXEC)
}

/// Copies the first bytes of one copy to a new one.
fn copy_to<T: AsFd>(from: impl AsFd, bytes: u64, to: T) -> anyhow::Result<T> {
    copy_range(from, 0, bytes, &to).map_err(TransferError::cause)?;
    Ok(to)
}

impl StdinCopy {
    /// Reads standard input to its end. Once a disk has refused it, memory holds all of it: the command
    /// has to run.
    pub(super) fn read(scratch: &mut Scratch<'_>) -> anyhow::Result<Self> {
        let mut copy = match create_memory() {
            Ok(memory) => Copy::Memory(memory),
            Err(_) => Copy::File(scratch.tmpfile(None)?),
        };
        let mut may_spill = true;
        let mut bytes = 0;
        let hash = hash_to_end(readable_stdin()?, |block| {
            let length = block.len() as u64;
            if let Copy::Memory(memory) = &copy
                && may_spill
                && bytes + length > MAX_MEMORY
            {
                match scratch.tmpfile(None).and_then(|file| copy_to(memory, bytes, file)) {
                    Ok(file) => copy = Copy::File(file),
                    Err(_) => may_spill = false,
                }
            }
            let mut written = write_all(copy.fd(), block);
            if let (Err(_), Copy::File(file)) = (&written, &copy)
                && let Ok(memory) = create_memory()
                && let Ok(memory) = copy_to(file, bytes, memory)
            {
                may_spill = false;
                copy = Copy::Memory(memory);
                written = write_all(copy.fd(), block);
            }
            bytes += length;
            written
        });
        Ok(Self { hash: hash.context("could not read standard input")?, copy })
    }

    /// Opens it for the command, at its beginning and to read only.
    pub(super) fn open(&self) -> anyhow::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = open(proc_path(self.copy.fd()), flags, Mode::empty());
        opened.or_else(|_| self.share()).context("could not read standard input again")
    }

    /// Without /proc, the command shares the descriptor. One command at a time reads from it.
    fn share(&self) -> io::Result<OwnedFd> {
        seek(self.copy.fd(), SeekFrom::Start(0))?;
        self.copy.fd().try_clone_to_owned()
    }
}

//! Standard input as a part of the key: read to its end, hashed, and given to the command.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

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

impl StdinCopy {
    /// Reads standard input to its end.
    pub(super) fn read(scratch: &mut Scratch<'_>) -> anyhow::Result<Self> {
        let mut copy = match memfd_create("tmpx", MemfdFlags::CLOEXEC) {
            Ok(memory) => Copy::Memory(memory),
            Err(_) => Copy::File(scratch.tmpfile(None)?),
        };
        let mut bytes = 0;
        let mut failure = None;
        let hash = hash_to_end(readable_stdin()?, |block| {
            let length = block.len() as u64;
            if let Copy::Memory(memory) = &copy
                && bytes + length > MAX_MEMORY
            {
                let moved = scratch.tmpfile(None).and_then(|file| {
                    copy_range(memory, 0, bytes, &file).map_err(TransferError::cause)?;
                    Ok(file)
                });
                match moved {
                    Ok(file) => copy = Copy::File(file),
                    Err(err) => {
                        failure = Some(err);
                        return Err(io::ErrorKind::StorageFull.into());
                    }
                }
            }
            bytes += length;
            write_all(copy.fd(), block)
        });
        match (hash, failure) {
            (_, Some(err)) => Err(err.context("could not hold standard input")),
            (hash, None) => Ok(Self { hash: hash.context("could not read standard input")?, copy }),
        }
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

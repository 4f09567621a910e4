//! The output of a command, held until its turn: in memory at first, then in an unnamed file.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

use anyhow::Context as _;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, read};
use rustix::pipe::SpliceFlags;

use crate::fs::TransferError;
use crate::fs::disk_full::write_failed;
use crate::fs::rw::{read_at, write_all};
use crate::fs::transfer::{Attempt, Receiver};
use crate::lease::TmpFile;

/// How much is held in memory, in bytes.
const MAX_MEMORY: usize = 64 * 1024;

/// What messages call it where it is read back.
pub(crate) const HELD_NAME: &str = "an output again";

/// Opens an unnamed file when memory does not suffice.
pub(crate) type OpenSpillFile<'a> = &'a mut dyn FnMut() -> anyhow::Result<TmpFile>;

/// What a command has written to its standard output.
#[derive(Debug, Default)]
pub(crate) struct Held {
    memory: Vec<u8>,
    file: Option<TmpFile>,
    receiver: Receiver,
    length: u64,
}

/// Where output is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HeldStore<'a> {
    Memory(&'a [u8]),
    File(BorrowedFd<'a>),
}

impl Held {
    /// How many bytes it has.
    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    /// Where it is.
    pub(crate) fn store(&self) -> HeldStore<'_> {
        match &self.file {
            Some(file) => HeldStore::File(file.as_fd()),
            None => HeldStore::Memory(&self.memory),
        }
    }

    /// Reads bytes of it.
    pub(crate) fn read_at<'a>(
        &'a self,
        buffer: &'a mut [u8],
        offset: u64,
    ) -> anyhow::Result<&'a [u8]> {
        match self.store() {
            HeldStore::File(file) => {
                read_at(file, buffer, offset).with_context(|| format!("could not read {HELD_NAME}"))
            }
            HeldStore::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(bytes.len()).min(bytes.len());
                let end = bytes.len().min(start + buffer.len());
                Ok(&bytes[start..end])
            }
        }
    }

    /// Takes what a pipe has now. True at its end.
    pub(crate) fn take(
        &mut self,
        pipe: BorrowedFd<'_>,
        open: OpenSpillFile<'_>,
    ) -> anyhow::Result<bool> {
        if self.file.is_some() {
            return self.move_to_file(pipe);
        }
        let room = MAX_MEMORY - self.memory.len().min(MAX_MEMORY - 1);
        self.memory.reserve(room);
        match read(pipe, spare_capacity(&mut self.memory)) {
            Ok(0) => return Ok(true),
            Ok(count) => self.length += count as u64,
            Err(Errno::INTR | Errno::AGAIN) => return Ok(false),
            Err(err) => return Err(io::Error::from(err)).context("could not read an output"),
        }
        if self.memory.len() >= MAX_MEMORY {
            let file = open()?;
            let written = write_all(file.as_fd(), &self.memory);
            written.map_err(|err| not_held(&file, err))?;
            self.memory = Vec::new();
            self.file = Some(file);
        }
        Ok(false)
    }

    fn move_to_file(&mut self, pipe: BorrowedFd<'_>) -> anyhow::Result<bool> {
        let Some(file) = &self.file else { return Ok(true) };
        match self.receiver.step(pipe, file, SpliceFlags::NONBLOCK) {
            Ok(Attempt::Moved(count)) => {
                self.length += count as u64;
                Ok(false)
            }
            Ok(Attempt::Blocked) => Ok(false),
            Ok(Attempt::End | Attempt::ReaderGone) => Ok(true),
            Err(TransferError::Writing(err)) => Err(not_held(file, err)),
            Err(TransferError::Reading(err)) => Err(err).context("could not read an output"),
        }
    }
}

fn not_held(file: &TmpFile, err: io::Error) -> anyhow::Error {
    let dir = file.dir().path();
    write_failed(format!("could not hold an output in {}", dir.display()), dir, err)
}

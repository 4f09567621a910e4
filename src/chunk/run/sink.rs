//! Writes outputs in order: to standard output as fast as its reader reads, or into a new file.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use rustix::fs::{FileType, fstat};

use crate::chunk::run::held::{HELD_NAME, Held, HeldStore};
use crate::chunk::run::merge::{Merger, OutPiece};
use crate::fs::TransferError;
use crate::fs::disk_full::stdout_failed;
use crate::fs::transfer::{Attempt, SMALL, send_once, write_once};
use crate::streams::Replacement;

/// How much is written from memory to a file at once, in bytes.
const MEMORY_TO_FILE: u64 = 1 << 20;

/// Where outputs go.
#[derive(Debug)]
pub(crate) enum SinkTarget {
    /// Standard output, and what it is.
    Stream(BorrowedFd<'static>, FileType),
    /// The new content of a file.
    File(Box<Replacement>),
}

impl SinkTarget {
    /// Standard output, which is this descriptor.
    pub(crate) fn stream(out: BorrowedFd<'static>) -> Self {
        let kind = fstat(out).map(|stat| FileType::from_raw_mode(stat.st_mode));
        Self::Stream(out, kind.unwrap_or(FileType::Unknown))
    }
}

/// Why outputs could not be written.
#[derive(Debug)]
pub(crate) enum SinkError {
    /// The reader of standard output has gone.
    ReaderGone,
    /// Any other reason.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for SinkError {
    fn from(err: anyhow::Error) -> Self {
        Self::Failed(err)
    }
}

/// Outputs on their way.
#[derive(Debug)]
pub(crate) struct Sink {
    target: SinkTarget,
    merger: Option<Merger>,
    pieces: VecDeque<OutPiece>,
    /// How much of the first piece has been written.
    done: u64,
    first_line: FirstLine,
}

impl Sink {
    /// Writes to this target.
    pub(crate) fn new(target: SinkTarget, merger: Option<Merger>) -> Self {
        Self { target, merger, pieces: VecDeque::new(), done: 0, first_line: FirstLine::default() }
    }

    /// Adds the next output.
    pub(crate) fn add(&mut self, number: u64, held: Held) -> anyhow::Result<()> {
        match &mut self.merger {
            Some(merger) => self.pieces.extend(merger.add(number, held)?),
            None if held.len() > 0 => {
                self.first_line.look_at(&held)?;
                let length = held.len();
                self.pieces.push_back(OutPiece::Held(Rc::new(held), 0, length));
            }
            None => {}
        }
        Ok(())
    }

    /// Adds what follows the last output.
    pub(crate) fn finish(&mut self) {
        if let Some(merger) = &self.merger {
            self.pieces.extend(merger.finish());
        }
    }

    /// Whether everything has been written.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Standard output, if that is where outputs go.
    pub(crate) fn out(&self) -> Option<BorrowedFd<'static>> {
        match self.target {
            SinkTarget::Stream(out, _) => Some(out),
            SinkTarget::File(_) => None,
        }
    }

    /// Whether it is standard output and has a reader that can go.
    pub(crate) fn has_reader(&self) -> bool {
        matches!(self.target, SinkTarget::Stream(_, FileType::Fifo | FileType::Socket))
    }

    /// Whether it is a file, which takes everything at once.
    pub(crate) fn target_is_file(&self) -> bool {
        matches!(self.target, SinkTarget::File(_))
    }

    /// Whether each output has begun with the same line.
    pub(crate) fn repeats_first_line(&self) -> bool {
        self.first_line.count > 1 && self.first_line.is_same
    }

    /// Returns the new content of the file.
    pub(crate) fn into_replacement(self) -> Option<Replacement> {
        match self.target {
            SinkTarget::File(replacement) => Some(*replacement),
            SinkTarget::Stream(..) => None,
        }
    }

    /// Writes some of what there is; to be called when standard output is writable.
    pub(crate) fn write(&mut self) -> Result<(), SinkError> {
        let Some(piece) = self.pieces.front() else { return Ok(()) };
        let length = match piece {
            OutPiece::Bytes(bytes) => bytes.len() as u64,
            OutPiece::Held(_, _, length) => *length,
        };
        match &self.target {
            SinkTarget::File(new) => {
                match piece {
                    OutPiece::Bytes(bytes) => new.write(bytes)?,
                    OutPiece::Held(held, start, length) => match held.store() {
                        HeldStore::File(file) => {
                            new.append_range(file, *start, *length, HELD_NAME)?;
                        }
                        HeldStore::Memory(bytes) => new.write(part(bytes, *start, *length))?,
                    },
                }
                self.done = length;
            }
            &SinkTarget::Stream(out, kind) => {
                let at_once =
                    if kind == FileType::RegularFile { MEMORY_TO_FILE } else { SMALL as u64 };
                let step = match piece {
                    OutPiece::Bytes(bytes) => write_once(out, part(bytes, self.done, at_once)),
                    OutPiece::Held(held, start, length) => match held.store() {
                        HeldStore::File(file) => {
                            let left = length - self.done;
                            // A socket, too, takes no more without waiting for sure.
                            let left =
                                if kind == FileType::Socket { left.min(at_once) } else { left };
                            let is_pipe = kind == FileType::Fifo;
                            send_once(file, start + self.done, left, out, is_pipe)
                        }
                        HeldStore::Memory(bytes) => {
                            let left = (length - self.done).min(at_once);
                            write_once(out, part(bytes, start + self.done, left))
                        }
                    },
                };
                match step {
                    Ok(Attempt::Moved(count)) => self.done += count as u64,
                    Ok(Attempt::Blocked) => return Ok(()),
                    Ok(Attempt::ReaderGone) => return Err(SinkError::ReaderGone),
                    // The unnamed file is ours alone; it does not shrink.
                    Ok(Attempt::End) => {
                        return Err(not_read(io::ErrorKind::UnexpectedEof.into()).into());
                    }
                    Err(TransferError::Reading(err)) => return Err(not_read(err).into()),
                    Err(TransferError::Writing(err)) => return Err(stdout_failed(out, err).into()),
                }
            }
        }
        if self.done >= length {
            self.pieces.pop_front();
            self.done = 0;
        }
        Ok(())
    }
}

fn part(bytes: &[u8], start: u64, length: u64) -> &[u8] {
    let start = usize::try_from(start).unwrap_or(bytes.len()).min(bytes.len());
    let length = usize::try_from(length).unwrap_or(bytes.len()).min(bytes.len() - start);
    &bytes[start..start + length]
}

fn not_read(err: io::Error) -> anyhow::Error {
    anyhow::Error::new(err).context(format!("could not read {HELD_NAME}"))
}

/// Notices that outputs begin with the same line.
#[derive(Debug, Default)]
struct FirstLine {
    line: Vec<u8>,
    count: u64,
    is_same: bool,
}

impl FirstLine {
    /// The longest line that is compared, in bytes.
    const MAX: usize = 4096;

    fn look_at(&mut self, held: &Held) -> anyhow::Result<()> {
        if self.count > 0 && !self.is_same {
            return Ok(());
        }
        let mut buffer = [0; Self::MAX];
        let start = held.read_at(&mut buffer, 0)?;
        let line = start.iter().position(|&byte| byte == b'\n').map(|end| &start[..end]);
        // An output of one line is a result, not a header.
        let is_header = line.is_some_and(|line| (line.len() as u64) + 1 < held.len());
        if self.count == 0 {
            self.line = line.unwrap_or_default().to_vec();
            self.is_same = is_header && !self.line.is_empty();
        } else {
            self.is_same = is_header && line == Some(&self.line[..]);
        }
        self.count += 1;
        Ok(())
    }
}

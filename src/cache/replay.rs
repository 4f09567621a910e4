//! Prints an entry: stdout and stderr in the order in which they appeared.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

use crate::cache::entry::CacheEntry;
use crate::cache::format::{OutputFrame, OutputStream, WORD};
use crate::fs::rw::{read_at, write_all};
use crate::fs::transfer::{BLOCK, TransferError, copy_range};

/// A frame of this size is sent by the kernel, without a copy.
const LARGE: u32 = 32 * 1024;

/// An output could not be printed.
#[derive(Debug)]
pub(crate) enum ReplayError {
    /// Standard output could not be written.
    Writing(io::Error),
    /// The entry could not be read again.
    Reading(io::Error),
}

/// The two streams of tmpx, and whether nothing is written to them any more.
struct Streams<'a> {
    fds: [BorrowedFd<'a>; 2],
    are_gone: [bool; 2],
}

impl Streams<'_> {
    fn check(&mut self, stream: OutputStream, written: io::Result<()>) -> Result<(), ReplayError> {
        match written {
            Ok(()) => Ok(()),
            // The command would not have noticed either: it had written everything by then. A stderr
            // that is closed or full takes nothing from stdout.
            Err(err) if err.kind() == io::ErrorKind::BrokenPipe || stream == OutputStream::Err => {
                self.are_gone[stream.index()] = true;
                Ok(())
            }
            Err(err) => Err(ReplayError::Writing(err)),
        }
    }

    fn write(&mut self, stream: OutputStream, bytes: &[u8]) -> Result<(), ReplayError> {
        if bytes.is_empty() || self.are_gone[stream.index()] {
            return Ok(());
        }
        self.check(stream, write_all(self.fds[stream.index()], bytes))
    }

    fn send(
        &mut self,
        stream: OutputStream,
        from: &CacheEntry,
        range: Range,
    ) -> Result<(), ReplayError> {
        if self.are_gone[stream.index()] {
            return Ok(());
        }
        let sent = copy_range(from.file.as_fd(), range.at, range.length, self.fds[stream.index()]);
        let sent = match sent {
            Ok(bytes) if bytes == range.length => Ok(()),
            Ok(_) => return Err(ReplayError::Reading(io::ErrorKind::UnexpectedEof.into())),
            Err(TransferError::Reading(err)) => return Err(ReplayError::Reading(err)),
            Err(TransferError::Writing(err)) => Err(err),
        };
        self.check(stream, sent)
    }
}

#[derive(Clone, Copy)]
struct Range {
    at: u64,
    length: u64,
}

impl CacheEntry {
    /// Prints the whole output to these two streams. The entry must be whole.
    pub(crate) fn replay(&self, fds: [BorrowedFd<'_>; 2]) -> Result<(), ReplayError> {
        let mut streams = Streams { fds, are_gone: [false; 2] };
        match &self.frames {
            Some(frames) => write_frames(frames, &mut streams).map(drop),
            None => self.replay_large(&mut streams),
        }
    }

    fn replay_large(&self, streams: &mut Streams<'_>) -> Result<(), ReplayError> {
        let mut block = vec![0; BLOCK];
        let mut at = self.header.frames_start();
        while at < self.size {
            // Reads the beginning of the frame first: the rest of a large one is not needed here.
            let word = read_at(&self.file, &mut block[..WORD], at).map_err(ReplayError::Reading)?;
            let frame =
                word.first_chunk().map(|word| OutputFrame::from_word(*word)).ok_or_else(cut)?;
            if frame.length >= LARGE {
                let range = Range { at: at + WORD as u64, length: frame.length.into() };
                streams.send(frame.stream, self, range)?;
                at = range.at + range.length;
                continue;
            }
            let bytes = read_at(&self.file, &mut block, at).map_err(ReplayError::Reading)?;
            match write_frames(bytes, streams)? {
                0 => return Err(cut()),
                done => at += done as u64,
            }
        }
        Ok(())
    }
}

fn cut() -> ReplayError {
    ReplayError::Reading(io::ErrorKind::UnexpectedEof.into())
}

/// Writes the whole frames at the beginning of some bytes; neighbors of one stream at once. Returns how
/// many bytes they have.
fn write_frames(bytes: &[u8], streams: &mut Streams<'_>) -> Result<usize, ReplayError> {
    let mut pending = Vec::new();
    let mut stream = OutputStream::Out;
    let mut done = 0;
    while let Some(word) = bytes[done..].first_chunk() {
        let frame = OutputFrame::from_word(*word);
        let start = done + WORD;
        let length = usize::try_from(frame.length).unwrap_or(usize::MAX);
        let Some(content) = bytes[start..].get(..length) else { break };
        if frame.stream != stream {
            streams.write(stream, &pending)?;
            pending.clear();
            stream = frame.stream;
        }
        let is_last = start + length == bytes.len();
        if is_last && pending.is_empty() {
            streams.write(stream, content)?;
        } else {
            pending.extend_from_slice(content);
        }
        done = start + length;
    }
    streams.write(stream, &pending)?;
    Ok(done)
}

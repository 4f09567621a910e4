//! What has been taken from the command and not been passed on yet, in order.
//!
//! While an output is kept, it waits in the entry's file, so a slow reader makes nobody wait and takes
//! no memory. An output that is not kept waits in one block, and the command waits too, as it would
//! without tmpx.

use std::io;
use std::os::fd::BorrowedFd;

use crate::cache::format::{OutputFrame, OutputStream, WORD};
use crate::cache::outlet::Outlets;
use crate::fs::rw::read_at;

/// Outputs on their way.
#[derive(Debug, Default)]
pub(super) struct Forward {
    /// Where the next frame in the file begins, or the rest of the current one.
    at: u64,
    /// Where the last frame ends.
    end: u64,
    /// The rest of a frame that has been begun.
    current: Option<(OutputStream, u64)>,
    /// What follows the frames.
    block: Option<(OutputStream, Vec<u8>)>,
    /// How much of it is done with.
    done: usize,
}

impl Forward {
    /// Passes on the frames of a file from here on.
    pub(super) fn from(start: u64) -> Self {
        Self { at: start, end: start, ..Self::default() }
    }

    /// The frames end here now. The last one has this stream and so many bytes.
    pub(super) fn extend(&mut self, end: u64, stream: OutputStream, length: u64) {
        if self.current.is_none() && self.at == self.end {
            self.at = end - length;
            self.current = (length > 0).then_some((stream, length));
        }
        self.end = end;
    }

    /// Adds a block after the frames. There must be none yet.
    pub(super) fn add_block(&mut self, stream: OutputStream, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.block = Some((stream, bytes.to_vec()));
            self.done = 0;
        }
    }

    /// Whether everything has been passed on.
    pub(super) fn is_empty(&self) -> bool {
        self.block.is_none() && self.are_frames_done()
    }

    /// Whether the file is not needed any more.
    fn are_frames_done(&self) -> bool {
        self.current.is_none() && self.at == self.end
    }

    /// How much of the frame that is written next is still in the file.
    pub(super) fn left_in_file(&self) -> u64 {
        self.current.map_or(0, |(_, left)| left)
    }

    /// Returns the stream that is written next.
    pub(super) fn next(
        &mut self,
        file: Option<BorrowedFd<'_>>,
    ) -> io::Result<Option<OutputStream>> {
        while self.current.is_none() && self.at < self.end {
            let mut word = [0; WORD];
            let file = file.ok_or(io::ErrorKind::NotFound)?;
            // Once more: a read that fails once may succeed.
            let read = read_at(file, &mut word, self.at).map(<[u8]>::len);
            if read.or_else(|_| read_at(file, &mut word, self.at).map(<[u8]>::len))? < WORD {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let frame = OutputFrame::from_word(word);
            self.at += WORD as u64;
            if frame.length > 0 {
                self.current = Some((frame.stream, frame.length.into()));
            }
        }
        let block = self.block.as_ref().map(|(stream, _)| *stream);
        Ok(self.current.map(|(stream, _)| stream).or(block))
    }

    /// Passes some of it on. Returns how much is done with.
    pub(super) fn pass(&mut self, file: Option<BorrowedFd<'_>>, outlets: &mut Outlets) -> u64 {
        if let (Some((stream, left)), Some(file)) = (self.current, file) {
            let outlet = outlets.of(stream);
            let done = if outlet.is_open() {
                (outlet.send(file, self.at, left) as u64).min(left)
            } else {
                left
            };
            self.at += done;
            self.current = (done < left).then_some((stream, left - done));
            return done;
        }
        let Some((stream, bytes)) = &self.block else { return 0 };
        let outlet = outlets.of(*stream);
        let left = &bytes[self.done..];
        let done = if outlet.is_open() { outlet.write(left) } else { left.len() };
        self.done += done;
        if self.done >= bytes.len() {
            self.block = None;
        }
        done as u64
    }
}

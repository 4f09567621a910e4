//! Writes a chunk: to a command's standard input as fast as it reads, or into a file.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;

use crate::chunk::plan::input::RecordInput;
use crate::chunk::plan::part::{Chunk, Data, Origin, Part};
use crate::chunk::run::convert::{Converter, JsonForm};
use crate::chunk::scan::error::{InputError, Malformed};
use crate::chunk::scan::format::RecordFormat;
use crate::fs::TransferError;
use crate::fs::disk_full::write_to_failed;
use crate::fs::transfer::{Attempt, send_once, write_once};

/// How much is converted at once, in bytes.
const CONVERT: usize = 64 * 1024;

/// The message for a failure to write it.
const COULD_NOT_WRITE: &str = "could not write the chunk";

/// How far writing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeedStep {
    /// There is more, and the reader takes no more now.
    Blocked,
    /// All has been written, or the reader wants no more.
    Done,
}

/// A chunk that is being written.
#[derive(Debug)]
pub(crate) struct Feed {
    pieces: VecDeque<Piece>,
    /// The files of which parts are sent as they are, by their numbers. A pipe holds references to their
    /// pages, so that the reader gets what a file has when it reads.
    sent: Vec<usize>,
    converter: Option<Converter>,
    /// What the converter made, and how much of it has been written.
    converted: (Vec<u8>, usize),
}

/// What is written next.
#[derive(Debug)]
enum Piece {
    /// These bytes, of which some have been written.
    Bytes(Vec<u8>, usize),
    /// A part of a file: its number, an offset, a length.
    File { number: usize, at: u64, length: u64 },
    /// A part that is converted: the part, and how much of it has been.
    Part(Part, u64),
}

impl Piece {
    /// The number of the file it lies in.
    fn file(&self) -> Option<usize> {
        match self {
            Self::File { number, .. }
            | Self::Part(Part { data: Data::File { number, .. }, .. }, _) => Some(*number),
            _ => None,
        }
    }
}

impl Feed {
    /// Writes a chunk, converted or as it is.
    pub(crate) fn new(chunk: Chunk, form: Option<JsonForm>) -> Self {
        let (pieces, sent) = (VecDeque::new(), Vec::new());
        let mut feed = Self { pieces, sent, converter: None, converted: (Vec::new(), 0) };
        match form {
            None => feed.as_it_is(chunk),
            Some(form) => {
                feed.converter = Some(Converter::new(form, &mut feed.converted.0));
                feed.pieces = chunk.parts.into_iter().map(|part| Piece::Part(part, 0)).collect();
            }
        }
        feed
    }

    fn as_it_is(&mut self, chunk: Chunk) {
        let is_json = chunk.head.format == RecordFormat::Json;
        let mut head = prefix(&chunk.head, chunk.number);
        if !is_json && !chunk.parts.is_empty() && !head.is_empty() && !head.ends_with(b"\n") {
            head.push(b'\n');
        }
        self.text(head);
        for part in chunk.parts {
            match part.data {
                Data::Memory(bytes) => self.text(bytes),
                Data::File { number, offset, length } => {
                    self.sent.push(number);
                    self.pieces.push_back(Piece::File { number, at: offset, length });
                }
            }
            self.text(part.separator.as_bytes().to_vec());
        }
        if is_json {
            self.text([b"]", &chunk.trail[..]].concat());
        }
    }

    fn text(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.pieces.push_back(Piece::Bytes(bytes, 0));
        }
    }

    /// Checks that no file changed whose pages the reader of a pipe had yet to read.
    pub(crate) fn check_sent(&self, inputs: &[RecordInput]) -> anyhow::Result<()> {
        self.sent.iter().try_for_each(|&number| inputs[number].check_unchanged())
    }

    /// Writes as much as a descriptor takes.
    pub(crate) fn write(
        &mut self,
        to: BorrowedFd<'_>,
        inputs: &[RecordInput],
    ) -> anyhow::Result<FeedStep> {
        loop {
            let (bytes, written) = &mut self.converted;
            if let Some(rest) = bytes.get(*written..)
                && !rest.is_empty()
            {
                match write_some(to, rest)? {
                    Ok(count) => *written += count,
                    Err(step) => return Ok(step),
                }
                continue;
            }
            bytes.clear();
            *written = 0;
            let Some(piece) = self.pieces.front_mut() else {
                match self.converter.take() {
                    Some(converter) => converter.finish(bytes),
                    None => return Ok(FeedStep::Done),
                }
                continue;
            };
            let is_done = match piece {
                Piece::Bytes(text, done) => match write_some(to, &text[*done..])? {
                    Ok(count) => {
                        *done += count;
                        *done == text.len()
                    }
                    Err(step) => return Ok(step),
                },
                Piece::File { number, at, length } => {
                    let input = &inputs[*number];
                    match send_some(to, input, *at, *length)? {
                        Ok(count) => {
                            *at += count as u64;
                            *length -= count as u64;
                            *length == 0
                        }
                        Err(step) => return Ok(step),
                    }
                }
                Piece::Part(part, done) => {
                    let Some(converter) = &mut self.converter else { return Ok(FeedStep::Done) };
                    if *done == 0 {
                        converter.begin_part(&part.origin, part.at);
                    }
                    convert_some(converter, part, done, inputs, bytes)?
                }
            };
            if is_done && let Some(number) = self.pieces.pop_front().and_then(|piece| piece.file())
            {
                // What has been written may not be what was planned.
                inputs[number].check_unchanged()?;
            }
        }
    }
}

/// What precedes the records of a chunk.
fn prefix(origin: &Origin, number: u64) -> Vec<u8> {
    match origin.format {
        RecordFormat::Json if number == 0 => [&origin.lead[..], b"["].concat(),
        RecordFormat::Json => b"[".to_vec(),
        _ => origin.header.clone(),
    }
}

/// Writes bytes once. Returns how far writing has come where it goes no further now.
fn write_some(to: BorrowedFd<'_>, bytes: &[u8]) -> anyhow::Result<Result<usize, FeedStep>> {
    match write_once(to, bytes) {
        Ok(step) => Ok(moved(step)),
        Err(err) => Err(write_to_failed(COULD_NOT_WRITE, to, err.cause())),
    }
}

/// Sends bytes of a file, in the kernel.
fn send_some(
    to: BorrowedFd<'_>,
    input: &RecordInput,
    at: u64,
    length: u64,
) -> anyhow::Result<Result<usize, FeedStep>> {
    match send_once(input, at, length, to, false) {
        Ok(Attempt::End) => Err(input.changed()),
        Ok(step) => Ok(moved(step)),
        Err(TransferError::Reading(err)) => Err(input.could_not_read(err)),
        Err(TransferError::Writing(err)) => Err(write_to_failed(COULD_NOT_WRITE, to, err)),
    }
}

fn moved(step: Attempt) -> Result<usize, FeedStep> {
    match step {
        Attempt::Moved(count) => Ok(count),
        Attempt::Blocked => Err(FeedStep::Blocked),
        // That the reader wants no more is its right.
        Attempt::End | Attempt::ReaderGone => Err(FeedStep::Done),
    }
}

/// Converts more of a part. True where that was all of it.
fn convert_some(
    converter: &mut Converter,
    part: &Part,
    done: &mut u64,
    inputs: &[RecordInput],
    out: &mut Vec<u8>,
) -> anyhow::Result<bool> {
    let length = part.data.len();
    let count = usize::try_from(length - *done).unwrap_or(CONVERT).min(CONVERT);
    let pushed = match &part.data {
        Data::Memory(bytes) => {
            let start = usize::try_from(*done).unwrap_or(bytes.len());
            converter.push(&bytes[start..start + count], out)
        }
        Data::File { number, offset, .. } => {
            let mut buffer = vec![0; count];
            let bytes = inputs[*number].read(&mut buffer, offset + *done)?;
            if bytes.len() < count {
                return Err(inputs[*number].changed());
            }
            converter.push(bytes, out)
        }
    };
    *done += count as u64;
    let is_done = *done == length;
    let ended = if is_done && pushed.is_ok() { converter.end_part(out) } else { Ok(()) };
    match pushed.and(ended) {
        Ok(()) => Ok(is_done),
        Err(what) => Err(malformed(part, what, inputs)),
    }
}

fn malformed(part: &Part, what: Malformed, inputs: &[RecordInput]) -> anyhow::Error {
    match &part.data {
        Data::File { number, .. } => inputs[*number].malformed(what),
        Data::Memory(bytes) => {
            let before = usize::try_from(what.at - part.at).unwrap_or(0).min(bytes.len());
            let line = part.line + crate::chunk::scan::parity::count_lines(&bytes[..before]);
            InputError::Malformed { name: part.origin.name.clone(), line, what }.into()
        }
    }
}

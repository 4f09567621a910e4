//! Cuts streams while they are read: one chunk is held, never the whole.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::rc::Rc;

use anyhow::Context as _;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;

use crate::chunk::plan::input::RecordInput;
use crate::chunk::plan::origin::Origins;
use crate::chunk::plan::part::{Chunk, Data, MAX_TRAIL, Origin, Part};
use crate::chunk::scan::cutter::{Cut, Cutter, Limit};
use crate::chunk::scan::error::{Fault, InputError, Malformed};
use crate::chunk::scan::format::RecordFormat;
use crate::chunk::scan::header::Head;
use crate::chunk::scan::index::READ;
use crate::chunk::scan::parity::count_lines;
use crate::chunk::scan::scanner::Scanner;

/// Streams that are cut while they are read.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The inputs that are not at their end; the first one is being read.
    inputs: VecDeque<RecordInput>,
    origins: Origins,
    reading: Reading,
    cutter: Cutter,
    /// Where the next byte lies in the joined inputs.
    at: u64,
    /// What the unfinished chunk has of earlier inputs.
    earlier: Vec<Part>,
    chunks: VecDeque<Chunk>,
    /// The next chunk's number, and that of its first record.
    next: (u64, u64),
    trail: Vec<u8>,
    has_failed: bool,
}

/// What is being read of the first input.
#[derive(Debug)]
enum Reading {
    /// Its header, of which this has been read.
    Head(Vec<u8>),
    /// Its records.
    Body(Body),
}

/// An input whose records are being read.
#[derive(Debug)]
struct Body {
    scanner: Scanner,
    /// The records of the unfinished chunk that have been read.
    part: Part,
    /// Where they begin in the joined inputs.
    start: u64,
    /// How much has to be added to an offset of the joined inputs to get that of this input.
    shift: u64,
    /// What follows the end of a JSON array, once that has been read.
    after: Option<AfterArray>,
}

/// The space after a JSON array.
#[derive(Debug)]
struct AfterArray {
    /// What has been read last.
    bytes: Vec<u8>,
    /// The offset in the input of what is read next, and its line.
    at: u64,
    line: u64,
}

impl Stream {
    /// Reads these inputs, one after the other.
    pub(crate) fn new(inputs: Vec<RecordInput>, limit: Limit, origins: Origins) -> Self {
        Self {
            inputs: inputs.into(),
            origins,
            reading: Reading::Head(Vec::new()),
            cutter: Cutter::new(limit),
            at: 0,
            earlier: Vec::new(),
            chunks: VecDeque::new(),
            next: (0, 0),
            trail: Vec::new(),
            has_failed: false,
        }
    }

    /// The input to read from next. `None` at the end.
    pub(crate) fn source(&self) -> Option<BorrowedFd<'_>> {
        self.inputs.front().map(|input| input.as_fd())
    }

    /// Takes a chunk that is complete.
    pub(crate) fn next_chunk(&mut self) -> Option<Chunk> {
        if self.has_chunk() { self.chunks.pop_front() } else { None }
    }

    /// Whether a chunk is complete.
    pub(crate) fn has_chunk(&self) -> bool {
        self.left() > 0
    }

    /// How many chunks are complete. The last chunk of JSON ends with the space after the array, so
    /// while an array is read, the newest chunk waits for the next one.
    pub(crate) fn left(&self) -> u64 {
        let is_json = |input: &RecordInput| input.dialect.format == RecordFormat::Json;
        let waits = !self.has_failed && self.inputs.iter().any(is_json);
        self.chunks.len().saturating_sub(usize::from(waits)) as u64
    }

    /// Reads once from the source, which waits unless that is readable.
    pub(crate) fn read(&mut self) -> anyhow::Result<()> {
        let result = self.read_once();
        self.has_failed |= result.is_err();
        result
    }

    fn read_once(&mut self) -> anyhow::Result<()> {
        let Some(input) = self.inputs.front() else { return Ok(()) };
        let buffer = match &mut self.reading {
            Reading::Body(Body { after: Some(after), .. }) => {
                after.bytes.clear();
                &mut after.bytes
            }
            Reading::Head(buffer)
            | Reading::Body(Body { part: Part { data: Data::Memory(buffer), .. }, .. }) => buffer,
            Reading::Body(_) => return Ok(()),
        };
        let seen = buffer.len();
        buffer.reserve(READ);
        match rustix::io::read(input, spare_capacity(buffer)) {
            Ok(0) => self.end_input(),
            Ok(_) => match &self.reading {
                Reading::Head(buffer) if Head::may_decide(input.dialect, buffer, seen) => {
                    self.read_head(false)
                }
                Reading::Head(_) => Ok(()),
                Reading::Body(_) => self.scan(seen),
            },
            Err(Errno::INTR | Errno::AGAIN) => Ok(()),
            Err(err) => Err(io::Error::from(err))
                .with_context(|| format!("could not read {}", input.name.display())),
        }
    }

    /// Begins with the records where the header is complete.
    fn read_head(&mut self, is_all: bool) -> anyhow::Result<()> {
        let (Reading::Head(buffer), Some(input)) = (&mut self.reading, self.inputs.front()) else {
            return Ok(());
        };
        let head = match Head::parse(input.dialect, buffer, is_all) {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(()),
            Err(err) => return Err(input.head_error(err, buffer)),
        };
        let origin = self.origins.add(input, &head, buffer)?;
        let scanner = Scanner::new(origin.format, origin.delimiter, self.at);
        let at = head.body as u64;
        let line = 1 + count_lines(&buffer[..head.body]);
        let data = Data::Memory(buffer.split_off(head.body));
        let part = Part { origin, at, line, data, separator: "" };
        let (start, shift) = (self.at, at.wrapping_sub(self.at));
        self.reading = Reading::Body(Body { scanner, part, start, shift, after: None });
        self.scan(0)
    }

    /// Scans what has been read after the first `seen` bytes, and completes chunks.
    fn scan(&mut self, seen: usize) -> anyhow::Result<()> {
        let Reading::Body(body) = &mut self.reading else { return Ok(()) };
        if let Some(after) = &mut body.after {
            let bytes = &after.bytes;
            let space = bytes.iter().position(|byte| !b" \t\r\n".contains(byte));
            let space = &bytes[..space.unwrap_or(bytes.len())];
            let room = MAX_TRAIL - self.trail.len();
            self.trail.extend_from_slice(&space[..space.len().min(room)]);
            let is_text = space.len() < bytes.len();
            after.at += space.len() as u64;
            after.line += count_lines(space);
            if is_text && let Some(input) = self.inputs.front() {
                let (name, line) = (input.name.clone(), after.line);
                let what = Fault::TextAfterArray.at(after.at);
                return Err(InputError::Malformed { name, line, what }.into());
            }
            return Ok(());
        }
        let Data::Memory(bytes) = &mut body.part.data else { return Ok(()) };
        let scanned = body.scanner.scan(&bytes[seen..], self.at, &mut self.cutter);
        self.at += (bytes.len() - seen) as u64;
        if let (Ok(()), Some(end)) = (&scanned, body.scanner.array_end()) {
            let beyond = usize::try_from(self.at - end).unwrap_or(0);
            let after = bytes.split_off(bytes.len() - beyond);
            let space = after.get(1..).unwrap_or_default();
            self.trail = space[..space.len().min(MAX_TRAIL)].to_vec();
            body.after = Some(AfterArray {
                bytes: Vec::new(),
                at: self.at.wrapping_add(body.shift),
                line: body.part.line + count_lines(bytes) + count_lines(space),
            });
            self.at = end;
        }
        // Chunks that are complete are good, whatever follows.
        self.complete_chunks();
        scanned.map_err(|what| self.malformed(what))
    }

    /// Ends the input that is being read, and begins with the next one.
    fn end_input(&mut self) -> anyhow::Result<()> {
        self.read_head(true)?;
        let Reading::Body(body) = &mut self.reading else { return Ok(()) };
        if let Err(what) = body.scanner.finish(self.at, &mut self.cutter)
            && !body.part.origin.is_empty
        {
            return Err(self.malformed(what));
        }
        if let Data::Memory(bytes) = &mut body.part.data {
            if body.scanner.is_empty_array() {
                bytes.clear();
                self.at = body.start;
            } else if self.inputs.len() > 1
                && body.part.origin.format != RecordFormat::Json
                && bytes.last().is_some_and(|&byte| byte != b'\n')
            {
                bytes.push(b'\n');
            }
        }
        self.cutter.end_input(self.at);
        self.complete_chunks();
        if let Reading::Body(body) = std::mem::replace(&mut self.reading, Reading::Head(Vec::new()))
            && body.part.data.len() > 0
        {
            self.earlier.push(body.part);
        }
        self.inputs.pop_front();
        if self.inputs.is_empty() { self.end() } else { Ok(()) }
    }

    /// Completes the last chunk.
    #[allow(clippy::unnecessary_wraps, reason = "reads like its caller")]
    fn end(&mut self) -> anyhow::Result<()> {
        self.cutter.finish(self.at);
        let cuts = self.cutter.take_cuts();
        let rows = cuts.last().map(|cut| cut.rows);
        if let Some(head) = self.origins.first().map(Rc::clone)
            && (rows.is_some() || self.next.0 == 0)
        {
            // Without a record this is a header alone, or an empty array.
            let parts = std::mem::take(&mut self.earlier);
            self.push(head, parts, rows.unwrap_or(0));
        }
        if let Some(last) = self.chunks.back_mut() {
            last.trail = std::mem::take(&mut self.trail);
        }
        Ok(())
    }

    /// Makes chunks of what has been cut.
    fn complete_chunks(&mut self) {
        for cut in self.cutter.take_cuts() {
            let Some(head) = self.origins.first().map(Rc::clone) else { return };
            let mut parts = std::mem::take(&mut self.earlier);
            if let Reading::Body(body) = &mut self.reading {
                parts.extend(body.split(cut, self.at));
            }
            self.push(head, parts, cut.rows);
        }
    }

    fn push(&mut self, head: Rc<Origin>, mut parts: Vec<Part>, rows: u64) {
        let count = parts.len();
        for part in parts.iter_mut().take(count.saturating_sub(1)) {
            if part.origin.format == RecordFormat::Json {
                part.separator = ",";
            }
        }
        let (number, first_row) = self.next;
        self.next = (number + 1, first_row + rows);
        self.chunks.push_back(Chunk { number, first_row, rows, head, parts, trail: Vec::new() });
    }

    /// Describes what is wrong at an offset of the joined inputs.
    fn malformed(&self, what: Malformed) -> anyhow::Error {
        let (Reading::Body(body), Some(input)) = (&self.reading, self.inputs.front()) else {
            return what.into();
        };
        let mut line = body.part.line;
        if let Data::Memory(bytes) = &body.part.data {
            let before = usize::try_from(what.at.saturating_sub(body.start)).unwrap_or(0);
            line += count_lines(&bytes[..before.min(bytes.len())]);
        }
        let name = input.name.clone();
        let what = what.moved(|at| at.wrapping_add(body.shift));
        InputError::Malformed { name, line, what }.into()
    }
}

impl Body {
    /// Splits off what belongs to a chunk that ends with this cut. The input has been read up to
    /// `read` of the joined inputs.
    fn split(&mut self, cut: Cut, read: u64) -> Option<Part> {
        let Data::Memory(bytes) = &mut self.part.data else { return None };
        if cut.end <= self.start {
            return None;
        }
        let is_end = cut.end == read;
        let count = if is_end {
            // A line end that was added does not count.
            bytes.len()
        } else {
            usize::try_from(cut.end - self.start).unwrap_or(bytes.len()).min(bytes.len())
        };
        let rest = bytes.split_off(count);
        let mut data = std::mem::replace(bytes, rest);
        let Part { at, line, .. } = self.part;
        self.part.at += cut.end - self.start;
        self.part.line += count_lines(&data);
        self.start = cut.end;
        let is_json = self.part.origin.format == RecordFormat::Json;
        if is_json && !(is_end && self.after.is_some()) {
            // The comma before the next chunk's first element.
            data.pop();
        }
        let origin = Rc::clone(&self.part.origin);
        Some(Part { origin, at, line, data: Data::Memory(data), separator: "" })
    }
}

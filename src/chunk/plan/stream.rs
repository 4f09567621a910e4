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
    /// Where the chunks end that are complete. One read may hold so many that each is made only when
    /// its turn comes.
    cuts: VecDeque<Cut>,
    /// The chunks before these: those that end with an input.
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
    origin: Rc<Origin>,
    /// What has been read, from the chunk on that is made next.
    bytes: Vec<u8>,
    /// How many of these bytes belong to chunks that have been made since the last read.
    used: usize,
    /// The offset in the input of what follows them, and its line.
    at: u64,
    line: u64,
    /// Where that lies in the joined inputs.
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
            cuts: VecDeque::new(),
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
        if !self.has_chunk() {
            return None;
        }
        if self.chunks.is_empty() {
            self.make_chunk();
        }
        self.chunks.pop_front()
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
        (self.chunks.len() + self.cuts.len()).saturating_sub(usize::from(waits)) as u64
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
            Reading::Head(buffer) => buffer,
            Reading::Body(body) => {
                body.bytes.drain(..std::mem::take(&mut body.used));
                &mut body.bytes
            }
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
        let bytes = buffer.split_off(head.body);
        let (start, shift) = (self.at, at.wrapping_sub(self.at));
        let (used, after) = (0, None);
        let body = Body { scanner, origin, bytes, used, at, line, start, shift, after };
        self.reading = Reading::Body(body);
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
        let bytes = &mut body.bytes;
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
                line: body.line + count_lines(bytes) + count_lines(space),
            });
            self.at = end;
        }
        // Chunks that are complete are good, whatever follows.
        self.cuts.extend(self.cutter.take_cuts());
        scanned.map_err(|what| self.malformed(what))
    }

    /// Ends the input that is being read, and begins with the next one.
    fn end_input(&mut self) -> anyhow::Result<()> {
        self.read_head(true)?;
        let Reading::Body(body) = &mut self.reading else { return Ok(()) };
        if let Err(what) = body.scanner.finish(self.at, &mut self.cutter)
            && !body.origin.is_empty
        {
            return Err(self.malformed(what));
        }
        if body.scanner.is_empty_array() {
            body.bytes.truncate(body.used);
            self.at = body.start;
        } else if self.inputs.len() > 1
            && body.origin.format != RecordFormat::Json
            && body.bytes.last().is_some_and(|&byte| byte != b'\n')
        {
            body.bytes.push(b'\n');
        }
        self.cutter.end_input(self.at);
        self.cuts.extend(self.cutter.take_cuts());
        while !self.cuts.is_empty() {
            self.make_chunk();
        }
        if let Reading::Body(body) = std::mem::replace(&mut self.reading, Reading::Head(Vec::new()))
        {
            self.earlier.extend(body.into_rest());
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

    /// Makes the next chunk that has been cut.
    fn make_chunk(&mut self) {
        let (Some(cut), Some(head)) = (self.cuts.pop_front(), self.origins.first()) else { return };
        let head = Rc::clone(head);
        let mut parts = std::mem::take(&mut self.earlier);
        if let Reading::Body(body) = &mut self.reading {
            parts.extend(body.split(cut, self.at));
        }
        self.push(head, parts, cut.rows);
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
        let bytes = &body.bytes[body.used..];
        let before = usize::try_from(what.at.saturating_sub(body.start)).unwrap_or(0);
        let line = body.line + count_lines(&bytes[..before.min(bytes.len())]);
        let name = input.name.clone();
        let what = what.moved(|at| at.wrapping_add(body.shift));
        InputError::Malformed { name, line, what }.into()
    }
}

impl Body {
    /// Splits off what belongs to a chunk that ends with this cut. The input has been read up to
    /// `read` of the joined inputs.
    fn split(&mut self, cut: Cut, read: u64) -> Option<Part> {
        if cut.end <= self.start {
            return None;
        }
        let left = self.bytes.len() - self.used;
        let is_end = cut.end == read;
        let count = if is_end {
            // A line end that was added does not count.
            left
        } else {
            usize::try_from(cut.end - self.start).unwrap_or(left).min(left)
        };
        let mut data = self.take(count);
        let Self { at, line, .. } = *self;
        self.at += cut.end - self.start;
        self.line += count_lines(&data);
        self.start = cut.end;
        let is_json = self.origin.format == RecordFormat::Json;
        if is_json && !(is_end && self.after.is_some()) {
            // The comma before the next chunk's first element.
            data.pop();
        }
        Some(self.part(at, line, data))
    }

    /// Takes the next bytes. The smaller part is copied, so that a chunk has no more memory than it needs,
    /// and that many small ones are not copied again and again.
    fn take(&mut self, count: usize) -> Vec<u8> {
        let end = self.used + count;
        if count <= self.bytes.len() - end {
            let data = self.bytes[self.used..end].to_vec();
            self.used = end;
            return data;
        }
        let rest = self.bytes[end..].to_vec();
        let mut data = std::mem::replace(&mut self.bytes, rest);
        data.truncate(end);
        data.drain(..std::mem::take(&mut self.used));
        data.shrink_to_fit();
        data
    }

    /// Returns what no chunk has yet.
    fn into_rest(mut self) -> Option<Part> {
        let (at, line) = (self.at, self.line);
        let data = self.take(self.bytes.len() - self.used);
        (!data.is_empty()).then(|| self.part(at, line, data))
    }

    fn part(&self, at: u64, line: u64, data: Vec<u8>) -> Part {
        let origin = Rc::clone(&self.origin);
        Part { origin, at, line, data: Data::Memory(data), separator: "" }
    }
}

//! Where files are cut, all of it known before the first command starts.

use std::ops::Range;
use std::rc::Rc;

use anyhow::Context as _;

use crate::chunk::plan::input::RecordInput;
use crate::chunk::plan::origin::Origins;
use crate::chunk::plan::part::{Chunk, Data, MAX_TRAIL, Origin, Part};
use crate::chunk::scan::cutter::{Cut, Cutter, Limit};
use crate::chunk::scan::error::Malformed;
use crate::chunk::scan::format::RecordFormat;
use crate::chunk::scan::index::{READ, Surveyed, survey};
use crate::chunk::scan::scanner::Scanner;

/// A file, and where its records lie.
#[derive(Debug)]
struct PlannedFile {
    origin: Rc<Origin>,
    /// Where the input begins in the file.
    start: u64,
    /// Its records, as offsets of the file.
    body: Range<u64>,
    /// Where the records begin in the joined inputs.
    base: u64,
    /// Whether the records end with a line end.
    ends_line: bool,
}

/// Files, and where they are cut.
#[derive(Debug)]
pub(crate) struct ChunkPlan {
    files: Vec<PlannedFile>,
    /// The first file that is not empty.
    head: Option<Rc<Origin>>,
    cuts: Vec<Cut>,
    /// The whitespace after the last JSON array.
    trail: Vec<u8>,
    /// The next chunk: its number, where it begins, and the number of its first record.
    next: (usize, u64, u64),
}

impl ChunkPlan {
    /// Plans where to cut these files.
    pub(crate) fn new(
        inputs: &[RecordInput],
        limit: Limit,
        origins: &mut Origins,
    ) -> anyhow::Result<Self> {
        let mut cutter = Cutter::new(limit);
        let mut heads = Vec::new();
        for input in inputs {
            let (head, bytes) = input.read_head()?;
            heads.push((origins.add(input, &head, &bytes)?, head));
        }
        let head = origins.first().map(Rc::clone);
        let mut plan =
            Self { files: Vec::new(), head, cuts: Vec::new(), trail: Vec::new(), next: (0, 0, 0) };
        let mut base = 0;
        for (input, (origin, head)) in inputs.iter().zip(heads) {
            let range = input.range();
            let body = range.start + head.body as u64..range.end;
            let (body, after) = find_records(input, &origin, body, base, &mut cutter)?;
            if let Some(after) = after {
                let length = usize::try_from(range.end - after).unwrap_or(MAX_TRAIL);
                plan.trail = vec![0; length.min(MAX_TRAIL)];
                input.read(&mut plan.trail, after)?;
            }
            let mut last = [0];
            let at_end = body.end.saturating_sub(1);
            let ends_line = body.is_empty() || input.read(&mut last, at_end)? == b"\n";
            input.check_unchanged()?;
            let length = body.end - body.start;
            plan.files.push(PlannedFile { origin, start: range.start, body, base, ends_line });
            base += length;
        }
        cutter.finish(base);
        plan.cuts = cutter.take_cuts();
        if plan.cuts.is_empty() && plan.head.is_some() {
            // A header alone, or an empty array.
            plan.cuts.push(Cut { end: 0, rows: 0 });
        }
        Ok(plan)
    }

    /// How many chunks there are.
    pub(crate) fn len(&self) -> u64 {
        self.cuts.len() as u64
    }

    /// How many of them have not been returned.
    pub(crate) fn left(&self) -> u64 {
        (self.cuts.len() - self.next.0) as u64
    }

    /// How many records all chunks have, and how many bytes.
    pub(crate) fn total(&self) -> (u64, u64) {
        let rows = self.cuts.iter().map(|cut| cut.rows).sum();
        (rows, self.cuts.last().map_or(0, |cut| cut.end))
    }

    /// Returns the next chunk.
    pub(crate) fn next_chunk(&mut self) -> Option<Chunk> {
        let (number, start, first_row) = self.next;
        let cut = *self.cuts.get(number)?;
        let is_last = number + 1 == self.cuts.len();
        self.next = (number + 1, cut.end, first_row + cut.rows);
        let head = Rc::clone(self.head.as_ref()?);
        Some(Chunk {
            number: number as u64,
            first_row,
            rows: cut.rows,
            head,
            parts: self.parts(start, cut.end),
            trail: if is_last { std::mem::take(&mut self.trail) } else { Vec::new() },
        })
    }

    /// The parts of files that make up a range of the joined inputs.
    fn parts(&self, start: u64, end: u64) -> Vec<Part> {
        let first = self.files.partition_point(|file| file.end() <= start);
        let files = self.files.iter().enumerate().skip(first);
        let files = files.take_while(|(_, file)| file.base < end);
        let mut parts: Vec<Part> = Vec::new();
        for (number, file) in files.filter(|(_, file)| !file.body.is_empty()) {
            let is_json = file.origin.format == RecordFormat::Json;
            let from = start.max(file.base);
            let to = end.min(file.end());
            let is_file_end = to == file.end();
            // The comma before the next chunk's first element.
            let comma = u64::from(is_json && !is_file_end);
            let is_last = number + 1 == self.files.len();
            let separator = if is_json && end > to {
                ","
            } else if !is_json && is_file_end && !file.ends_line && !is_last {
                "\n"
            } else {
                ""
            };
            let offset = file.body.start + (from - file.base);
            let at = offset - file.start;
            let data = Data::File { number, offset, length: to - from - comma };
            parts.push(Part { origin: Rc::clone(&file.origin), at, line: 0, data, separator });
        }
        parts
    }
}

impl PlannedFile {
    /// Where its records end in the joined inputs.
    fn end(&self) -> u64 {
        self.base + (self.body.end - self.body.start)
    }
}

/// Finds the records of a file, and returns where they lie, and where what follows a JSON array begins.
fn find_records(
    input: &RecordInput,
    origin: &Origin,
    body: Range<u64>,
    base: u64,
    cutter: &mut Cutter,
) -> anyhow::Result<(Range<u64>, Option<u64>)> {
    let format = origin.format;
    if origin.is_empty {
        return Ok((body, None));
    }
    if format != RecordFormat::Json {
        let delimiter = format.has_fields().then_some(origin.delimiter);
        let could_not = || format!("could not read {}", input.name.display());
        match survey(input, body.clone(), delimiter).with_context(could_not)? {
            Surveyed::Index(index) => {
                let is_whole = index.cut(base, cutter).with_context(could_not)?;
                return if is_whole { Ok((body, None)) } else { Err(input.changed()) };
            }
            Surveyed::NeedsScan => {}
            Surveyed::Shrunk => return Err(input.changed()),
        }
    }
    let scanner = Scanner::new(format, origin.delimiter, base);
    scan(input, body, base, scanner, cutter)
}

/// Finds the records by reading from the beginning to the end.
fn scan(
    input: &RecordInput,
    body: Range<u64>,
    base: u64,
    mut scanner: Scanner,
    cutter: &mut Cutter,
) -> anyhow::Result<(Range<u64>, Option<u64>)> {
    let before = body.start - input.range().start;
    let malformed = |what: Malformed| input.malformed(what.moved(|at| at - base + before));
    let mut buffer = vec![0; READ];
    let mut at = body.start;
    while at < body.end {
        let count = usize::try_from(body.end - at).unwrap_or(READ).min(READ);
        let bytes = input.read(&mut buffer[..count], at)?;
        if bytes.len() < count {
            return Err(input.changed());
        }
        scanner.scan(bytes, base + (at - body.start), cutter).map_err(malformed)?;
        at += count as u64;
    }
    let end = base + (body.end - body.start);
    scanner.finish(end, cutter).map_err(malformed)?;
    let Scanner::Json(array) = scanner else { return Ok((body, None)) };
    let end = body.start + (array.end().unwrap_or(end) - base);
    // An array without an element has no records, whatever lies between its brackets.
    let records = body.start..if array.is_empty() { body.start } else { end };
    Ok((records, Some(end + 1)))
}

//! The beginning of an input: byte order mark, delimiter, header.

use std::ops::Range;

use crate::chunk::scan::csv::{CsvScanner, FieldState};
use crate::chunk::scan::cutter::{Cutter, Limit};
use crate::chunk::scan::error::{Encoding, Fault, Malformed};
use crate::chunk::scan::fields::fields;
use crate::chunk::scan::format::RecordFormat;
use crate::chunk::scan::lines::LineScanner;
use crate::chunk::scan::scanner::Scanner;

/// The largest header that is held.
pub(crate) const MAX_HEADER: usize = 8 << 20;

/// How many bytes show the encoding.
const MIN_HEAD: usize = 6;

const JSON_SPACE: &[u8] = b" \t\r\n";

const BOM: &[u8] = b"\xef\xbb\xbf";

/// The delimiters that are looked for; of two that are equally frequent the first wins.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// How an input is to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    /// What its records are.
    pub format: RecordFormat,
    /// How many records are its header.
    pub header_rows: u64,
    /// The delimiter, where it is given.
    pub delimiter: Option<u8>,
}

impl Dialect {
    /// What is not given follows from the format.
    pub(crate) fn new(
        format: RecordFormat,
        header_rows: Option<u64>,
        delimiter: Option<u8>,
    ) -> Self {
        let tab = (format == RecordFormat::Tsv).then_some(b'\t');
        Self {
            format,
            header_rows: header_rows.unwrap_or(format.header_rows()),
            delimiter: delimiter.or(tab),
        }
    }
}

/// The beginning of an input.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// The bytes of the header.
    pub header: Range<usize>,
    /// Where the records begin.
    pub body: usize,
    /// What separates fields.
    pub delimiter: u8,
}

/// Why the beginning of an input cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HeadError {
    Malformed(Malformed),
    Encoded(Encoding),
}

impl From<Malformed> for HeadError {
    fn from(what: Malformed) -> Self {
        Self::Malformed(what)
    }
}

impl Head {
    /// Reads the beginning of an input of which these are the first bytes. `None` where it takes more
    /// of them to decide.
    pub(crate) fn parse(
        dialect: Dialect,
        bytes: &[u8],
        is_all: bool,
    ) -> Result<Option<Self>, HeadError> {
        if bytes.len() < MIN_HEAD && !is_all {
            return Ok(None);
        }
        if let Some(encoding) = Encoding::of(bytes) {
            return Err(HeadError::Encoded(encoding));
        }
        let start = if bytes.starts_with(BOM) { BOM.len() } else { 0 };
        let head = match dialect.format {
            RecordFormat::Json => json(bytes, start, is_all)?,
            RecordFormat::Csv | RecordFormat::Tsv => csv(dialect, bytes, start, is_all)?,
            RecordFormat::Ndjson | RecordFormat::Lines => lines(dialect, bytes, start, is_all),
        };
        let length = head.as_ref().map_or(bytes.len(), |head| head.body) - start;
        if length > MAX_HEADER {
            return Err(Fault::LongHeader.at(start as u64).into());
        }
        Ok(head)
    }

    /// Whether more bytes can decide what the first `seen` have not. Looking at all of them again for each
    /// read would take a time that is quadratic in the length of the header.
    pub(crate) fn may_decide(dialect: Dialect, bytes: &[u8], seen: usize) -> bool {
        // A line feed that ends a record decides it, and no chunk is complete before that.
        let new = &bytes[seen..];
        let can_end = match dialect.format {
            RecordFormat::Json => new.iter().any(|byte| !JSON_SPACE.contains(byte)),
            _ => new.contains(&b'\n'),
        };
        seen < MIN_HEAD || can_end || bytes.len() > MAX_HEADER
    }

    /// How many bytes to try after so many have not been enough.
    pub(crate) fn more_than(bytes: usize) -> usize {
        // With a byte order mark and the byte after the header it is known that there is more.
        (8 * bytes).min(BOM.len() + MAX_HEADER + 1)
    }

    /// Returns the fields of each header record.
    pub(crate) fn fields(&self, header: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut scanner = Scanner::Csv(CsvScanner::new(self.delimiter));
        let mut start = 0;
        let ends = record_ends(&mut scanner, header, 1, true);
        let records = ends.into_iter().map(|end| {
            let record = &header[start..end];
            start = end;
            fields(trim_blank_lines(record), self.delimiter)
        });
        records.collect()
    }
}

/// Removes blank lines around a record.
fn trim_blank_lines(mut record: &[u8]) -> &[u8] {
    while let Some(rest) = record.strip_prefix(b"\n").or_else(|| record.strip_prefix(b"\r\n")) {
        record = rest;
    }
    loop {
        let shorter = record.strip_suffix(b"\n").unwrap_or(record);
        let shorter = shorter.strip_suffix(b"\r").unwrap_or(shorter);
        if shorter.len() == record.len() || !shorter.ends_with(b"\n") {
            return record;
        }
        record = shorter;
    }
}

/// Returns where each `rows` records end, with the blank lines that follow.
fn record_ends(scanner: &mut Scanner, bytes: &[u8], rows: u64, is_all: bool) -> Vec<usize> {
    let mut cutter = Cutter::new(Limit::Rows(rows));
    // Only JSON can be malformed for its scanner.
    let _ = scanner.scan(bytes, 0, &mut cutter);
    if is_all {
        let _ = scanner.finish(bytes.len() as u64, &mut cutter);
        cutter.finish(bytes.len() as u64);
    }
    let ends = cutter.take_cuts().into_iter();
    ends.map(|cut| usize::try_from(cut.end).unwrap_or(bytes.len())).collect()
}

fn json(bytes: &[u8], start: usize, is_all: bool) -> Result<Option<Head>, Malformed> {
    let text = &bytes[start..];
    let at = match text.iter().position(|byte| !JSON_SPACE.contains(byte)) {
        Some(at) => start + at,
        None if text.is_empty() || !is_all => {
            let head = Head { header: start..start, body: start, delimiter: 0 };
            return Ok(is_all.then_some(head));
        }
        None => return Err(Fault::NotAnArray { found: "nothing" }.at(bytes.len() as u64)),
    };
    let found = match bytes[at] {
        b'[' => return Ok(Some(Head { header: start..start, body: at + 1, delimiter: 0 })),
        b'{' => "an object",
        b'"' => "a string",
        b'-' | b'0'..=b'9' => "a number",
        _ => "text",
    };
    Err(Fault::NotAnArray { found }.at(at as u64))
}

fn lines(dialect: Dialect, bytes: &[u8], start: usize, is_all: bool) -> Option<Head> {
    let mut body = start;
    if dialect.header_rows > 0 {
        let mut scanner = Scanner::Lines(LineScanner::new());
        let ends = record_ends(&mut scanner, &bytes[start..], dialect.header_rows, is_all);
        body = match ends.first() {
            Some(end) => start + end,
            None if is_all => start,
            None => return None,
        };
    }
    Some(Head { header: start..body, body, delimiter: 0 })
}

fn csv(
    dialect: Dialect,
    bytes: &[u8],
    start: usize,
    is_all: bool,
) -> Result<Option<Head>, Malformed> {
    let text = &bytes[start..];
    let candidates = dialect.delimiter.as_ref().map_or(&DELIMITERS[..], std::slice::from_ref);
    let is_enough = is_all || text.len() > MAX_HEADER;
    let rows = dialect.header_rows.max(1);
    let Some(guess) = DialectGuess::read(text, candidates, rows, is_enough) else {
        return Ok(None);
    };
    if let Some(at) = guess.lone_return {
        return Err(Fault::LoneReturns.at((start + at) as u64));
    }
    let delimiter = guess.delimiter;
    let mut body = start;
    if dialect.header_rows > 0 {
        let mut scanner = Scanner::Csv(CsvScanner::new(delimiter));
        let ends = record_ends(&mut scanner, text, dialect.header_rows, is_all);
        body = match ends.first() {
            Some(end) => start + end,
            None if is_all => start,
            None => {
                let is_too_long = text.len() > MAX_HEADER;
                return match scanner.open_quote() {
                    Some(at) if is_too_long => Err(Fault::OpenQuote.at(start as u64 + at)),
                    None if is_too_long => Err(Fault::LongHeader.at(start as u64)),
                    _ => Ok(None),
                };
            }
        };
        if is_all
            && body == bytes.len()
            && let Some(at) = scanner.open_quote()
        {
            return Err(Fault::OpenQuote.at(start as u64 + at));
        }
    }
    Ok(Some(Head { header: start..body, body, delimiter }))
}

/// What the header, or else the first record, says of the file.
struct DialectGuess {
    delimiter: u8,
    lone_return: Option<usize>,
}

impl DialectGuess {
    /// Reads so many records, where one of these candidates is the delimiter. A quote may open behind
    /// each of them. `None` where the records do not end, unless there are no more bytes.
    fn read(text: &[u8], candidates: &[u8], mut rows: u64, is_all: bool) -> Option<Self> {
        let mut counts = [0u64; DELIMITERS.len()];
        let mut state = FieldState::FieldStart;
        let mut is_blank = true;
        let mut first_return = None;
        let mut line_feeds = 0;
        for (at, &byte) in text.iter().enumerate() {
            let is_quoted = state == FieldState::Quoted;
            let index = candidates.iter().position(|&candidate| candidate == byte);
            // Whichever delimiter ends the field, this is none if it is no candidate.
            state = state.next(byte, index.map_or(b'\n', |_| byte));
            match byte {
                b'\n' => {
                    line_feeds += 1;
                    if !is_quoted && !is_blank {
                        rows -= 1;
                        is_blank = true;
                    }
                    if rows == 0 {
                        let delimiter = most_frequent(candidates, &counts);
                        return Some(Self { delimiter, lone_return: None });
                    }
                }
                b'\r' if !is_quoted => {
                    first_return.get_or_insert(at);
                }
                _ => {
                    is_blank = false;
                    if let Some(count) = index.and_then(|index| counts.get_mut(index))
                        && !is_quoted
                    {
                        *count += 1;
                    }
                }
            }
        }
        let lone_return = if line_feeds == 0 && !is_blank { first_return } else { None };
        is_all.then_some(Self { delimiter: most_frequent(candidates, &counts), lone_return })
    }
}

/// Returns the candidate with the highest count; of two that are equal, the first.
fn most_frequent(candidates: &[u8], counts: &[u64]) -> u8 {
    let counted = candidates.iter().zip(counts).rev();
    counted.max_by_key(|(_, count)| **count).map_or(b',', |(&candidate, _)| candidate)
}

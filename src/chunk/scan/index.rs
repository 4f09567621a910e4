//! How many records start in each block of a file, found on all cores.
//!
//! A plan needs two things of a file: how many records it has, and where the few of them start at
//! which it is cut. So the blocks are surveyed in parallel, and only those with a cut are read again.

use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{io, thread};

use crate::chunk::scan::csv::{CsvScanner, FieldState};
use crate::chunk::scan::cutter::Cutter;
use crate::chunk::scan::lines::LineScanner;
use crate::chunk::scan::parity::{Segment, Survey};
use crate::chunk::scan::scanner::Scanner;
use crate::fs::rw::read_at;
use crate::sys::simd;

/// How much is read at once, in bytes. Tests have many reads in little text.
pub(crate) const READ: usize = if cfg!(test) { 512 } else { 256 * 1024 };

/// How many threads survey a file. Each has a buffer, and so many read as fast as memory delivers.
const MAX_THREADS: u64 = 16;

/// The smallest block.
const MIN_BLOCK: u64 = if cfg!(test) { 128 } else { 64 * 1024 };

/// How many blocks a file has at most, so that the index takes 2 MiB at most.
const MAX_BLOCKS: u64 = 1 << 17;

/// A block of which the quotes before it are known.
#[derive(Clone, Copy, Debug)]
struct IndexedBlock {
    /// How many records start in it.
    records: u32,
    /// Whether it begins between quotes.
    is_quoted: bool,
}

/// The records of a file, by block.
#[derive(Debug)]
pub(crate) struct Index<'a> {
    file: BorrowedFd<'a>,
    body: Range<u64>,
    delimiter: Option<u8>,
    block: u64,
    blocks: Vec<IndexedBlock>,
}

/// What became of a survey.
#[derive(Debug)]
pub(crate) enum Surveyed<'a> {
    /// The records are known.
    Index(Index<'a>),
    /// The parity of quotes does not say where records end, or a quote is open at the end.
    NeedsScan,
    /// The file ended before it should.
    Shrunk,
}

/// Surveys the records of a file. `delimiter` is `None` where lines are records.
pub(crate) fn survey(
    file: &impl AsFd,
    body: Range<u64>,
    delimiter: Option<u8>,
) -> io::Result<Surveyed<'_>> {
    let file = file.as_fd();
    let length = body.end - body.start;
    let mut block = MIN_BLOCK;
    while length.div_ceil(block) > MAX_BLOCKS {
        block *= 2;
    }
    let surveyor = Surveyor { file, body: body.clone(), delimiter, block, next: AtomicU64::new(0) };
    let Some(parts) = surveyor.survey()? else { return Ok(Surveyed::Shrunk) };
    let mut blocks = Vec::with_capacity(parts.len());
    let mut is_quoted = false;
    for part in parts {
        let parity = usize::from(is_quoted);
        if part.is_inexact[parity] {
            return Ok(Surveyed::NeedsScan);
        }
        blocks.push(IndexedBlock { records: part.records[parity], is_quoted });
        is_quoted ^= part.is_odd;
    }
    if is_quoted {
        return Ok(Surveyed::NeedsScan);
    }
    Ok(Surveyed::Index(Index { file, body, delimiter, block, blocks }))
}

struct Surveyor<'a> {
    file: BorrowedFd<'a>,
    body: Range<u64>,
    delimiter: Option<u8>,
    block: u64,
    /// The next group of blocks that nobody surveys yet.
    next: AtomicU64,
}

impl Surveyor<'_> {
    /// How many bytes a thread surveys in one go.
    fn group(&self) -> u64 {
        self.block.max(4 * READ as u64)
    }

    /// Surveys all blocks. `None` where the file ends too early.
    fn survey(&self) -> io::Result<Option<Vec<Segment>>> {
        let length = self.body.end - self.body.start;
        let count = length.div_ceil(self.block);
        let groups = length.div_ceil(self.group());
        // Counting the cores reads the files of the cgroup, which costs more than a small file.
        let cores = || thread::available_parallelism().map_or(1, |count| count.get() as u64);
        let helpers = if groups > 1 { groups.min(cores()).min(MAX_THREADS) - 1 } else { 0 };
        let mut parts = vec![Segment::default(); usize::try_from(count).unwrap_or(0)];
        let results = thread::scope(|scope| {
            // Where a thread cannot be started, the others do its work.
            let helpers: Vec<_> = (0..helpers)
                .filter_map(|_| thread::Builder::new().spawn_scoped(scope, || self.work()).ok())
                .collect();
            let own = self.work();
            let mut results = vec![own];
            for helper in helpers {
                match helper.join() {
                    Ok(result) => results.push(result),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            results
        });
        for result in results {
            let Some(found) = result? else { return Ok(None) };
            for (index, part) in found {
                if let Some(place) = parts.get_mut(index) {
                    *place = place.join(part);
                }
            }
        }
        Ok(Some(parts))
    }

    /// Surveys groups until none is left.
    fn work(&self) -> io::Result<Option<Vec<(usize, Segment)>>> {
        let length = self.body.end - self.body.start;
        let mut buffer = vec![0; READ + 2];
        let mut found = Vec::new();
        loop {
            let group = self.next.fetch_add(1, Ordering::Relaxed);
            let start = group.saturating_mul(self.group());
            if start >= length {
                return Ok(Some(found));
            }
            let end = (start + self.group()).min(length);
            let mut at = start;
            while at < end {
                let count = (end - at).min(READ as u64);
                if !self.read(at, count, &mut buffer, &mut found)? {
                    return Ok(None);
                }
                at += count;
            }
        }
    }

    /// Surveys bytes of one read, which holds whole blocks or lies in one.
    fn read(
        &self,
        at: u64,
        count: u64,
        buffer: &mut [u8],
        found: &mut Vec<(usize, Segment)>,
    ) -> io::Result<bool> {
        let before = usize::from(at > 0);
        let after = usize::from(self.body.start + at + count < self.body.end);
        let count = usize::try_from(count).unwrap_or(READ);
        let offset = self.body.start + at - before as u64;
        let wanted = before + count + after;
        let bytes = read_at(self.file, &mut buffer[..wanted], offset)?;
        if bytes.len() < wanted {
            return Ok(false);
        }
        let step = usize::try_from(self.block).unwrap_or(READ).min(READ);
        for start in (0..count).step_by(step) {
            let from = before + start;
            let to = before + (start + step).min(count);
            let part = simd::run(Survey {
                bytes: &bytes[from..to],
                before: from.checked_sub(1).map(|at| bytes[at]),
                after: bytes.get(to).copied(),
                delimiter: self.delimiter,
            });
            let index = usize::try_from((at + start as u64) / self.block).unwrap_or(usize::MAX);
            match found.last_mut() {
                Some((last, whole)) if *last == index => *whole = whole.join(part),
                _ => found.push((index, part)),
            }
        }
        Ok(true)
    }
}

impl Index<'_> {
    /// Finds the cuts. The file's records begin at `base` of the joined inputs. False where the file
    /// ends too early.
    pub(crate) fn cut(&self, base: u64, cutter: &mut Cutter) -> io::Result<bool> {
        let length = self.body.end - self.body.start;
        let mut buffer = vec![0; READ + 2];
        // The last block with records that has not been read again.
        let mut skipped = None;
        for (index, block) in self.blocks.iter().enumerate() {
            let start = index as u64 * self.block;
            let end = (start + self.block).min(length);
            let count = u64::from(block.records);
            if count == 0 {
                continue;
            }
            if cutter.has_room(count, base + end) {
                cutter.skip(count);
                skipped = cutter.counts_bytes().then_some(index);
                continue;
            }
            if let Some(index) = skipped.take() {
                let Some(last) = self.last_record(index, base, &mut buffer)? else {
                    return Ok(false);
                };
                cutter.set_last(last);
            }
            if !self.scan(index, base, cutter, &mut buffer)? {
                return Ok(false);
            }
        }
        if let Some(index) = skipped {
            let Some(last) = self.last_record(index, base, &mut buffer)? else {
                return Ok(false);
            };
            cutter.set_last(last);
        }
        Ok(true)
    }

    /// Finds where the last record of a block starts.
    fn last_record(&self, index: usize, base: u64, buffer: &mut [u8]) -> io::Result<Option<u64>> {
        let mut cutter = Cutter::unlimited();
        let is_whole = self.scan(index, base, &mut cutter, buffer)?;
        Ok(is_whole.then(|| cutter.last()))
    }

    /// Scans one block.
    fn scan(
        &self,
        index: usize,
        base: u64,
        cutter: &mut Cutter,
        buffer: &mut [u8],
    ) -> io::Result<bool> {
        let length = self.body.end - self.body.start;
        let start = index as u64 * self.block;
        let end = (start + self.block).min(length);
        let mut scanner = None;
        let mut at = start;
        while at < end {
            let count = usize::try_from(end - at).unwrap_or(READ).min(READ);
            let before = usize::from(at > 0);
            let after = usize::from(at + (count as u64) < length);
            let wanted = before + count + after;
            let offset = self.body.start + at - before as u64;
            let bytes = read_at(self.file, &mut buffer[..wanted], offset)?;
            if bytes.len() < wanted {
                return Ok(false);
            }
            let previous = (before == 1).then(|| bytes[0]);
            let scanner =
                scanner.get_or_insert_with(|| self.scanner_at(self.blocks[index], previous));
            // CSV and lines are never malformed for their scanners.
            let _ = scanner.scan(&bytes[before..before + count], base + at, cutter);
            at += count as u64;
            if at == end
                && let Scanner::Csv(scanner) = scanner
            {
                scanner.settle(bytes.get(before + count).copied(), base + end, cutter);
            }
        }
        Ok(true)
    }

    fn scanner_at(&self, block: IndexedBlock, previous: Option<u8>) -> Scanner {
        let at_line_start = previous.is_none_or(|byte| byte == b'\n');
        let Some(delimiter) = self.delimiter else {
            return Scanner::Lines(LineScanner::resume(at_line_start));
        };
        let state = match previous {
            _ if block.is_quoted => FieldState::Quoted,
            Some(b'"') => FieldState::AfterQuote,
            None | Some(b'\n') => FieldState::FieldStart,
            Some(byte) if byte == delimiter => FieldState::FieldStart,
            Some(_) => FieldState::Unquoted,
        };
        let at_line_start = at_line_start && !block.is_quoted;
        Scanner::Csv(CsvScanner::resume(delimiter, state, at_line_start))
    }
}

//! Records of CSV and TSV: RFC 4180 as Python's csv module reads it.
//!
//! A quote opens only at the start of a field; elsewhere it is a character. What follows a closing
//! quote belongs to the field, unquoted. A line feed outside quotes ends a record, with the carriage
//! return before it. A line without a byte is blank: it belongs to the record before it.
//!
//! Whether a byte lies between quotes is the parity of the quotes before it, as long as each opening
//! quote follows a delimiter, a line end, a quote or the start. [`CsvScanner`] computes the parity of
//! 64 bytes at once, and reads one by one the blocks in which that does not hold.

#![allow(clippy::inline_always, reason = "a kernel is compiled once for each kind of block")]

use crate::chunk::scan::cutter::Cutter;
use crate::sys::simd::{Block, WIDTH};

/// Where in a field the next byte lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldState {
    /// It is the first one.
    FieldStart,
    /// Outside quotes.
    Unquoted,
    /// Between quotes.
    Quoted,
    /// After a quote that has closed, unless this byte is one too.
    AfterQuote,
}

impl FieldState {
    /// Follows one byte.
    #[inline(always)]
    pub(crate) fn next(self, byte: u8, delimiter: u8) -> Self {
        match (self, byte) {
            (Self::Quoted, b'"') => Self::AfterQuote,
            (Self::FieldStart | Self::AfterQuote, b'"') | (Self::Quoted, _) => Self::Quoted,
            (_, b'\n') => Self::FieldStart,
            (_, byte) if byte == delimiter => Self::FieldStart,
            _ => Self::Unquoted,
        }
    }
}

/// What precedes a byte that could be a record's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Other bytes of the record.
    Inside,
    /// The end of a line.
    Start,
    /// The end of a line and a carriage return, which may be a blank line.
    Return,
}

/// Finds where records start.
#[derive(Clone, Debug)]
pub(crate) struct CsvScanner {
    delimiter: u8,
    state: FieldState,
    line: Line,
    /// Where the last quote opened that is not preceded by another one.
    opened_at: u64,
}

impl CsvScanner {
    /// Begins at the start of a record.
    pub(crate) fn new(delimiter: u8) -> Self {
        Self { delimiter, state: FieldState::FieldStart, line: Line::Start, opened_at: 0 }
    }

    /// Begins where the bytes before have this state at their end and end a line or not. A record that
    /// starts with the byte before has been found already.
    pub(crate) fn resume(delimiter: u8, state: FieldState, at_line_start: bool) -> Self {
        let line = if at_line_start { Line::Start } else { Line::Inside };
        Self { delimiter, state, line, opened_at: 0 }
    }

    /// Where the open quote opened, if one is open.
    pub(crate) fn open_quote(&self) -> Option<u64> {
        (self.state == FieldState::Quoted).then_some(self.opened_at)
    }

    /// Scans the bytes at `base` of the joined inputs.
    #[inline(always)]
    pub(crate) fn scan<B: Block>(&mut self, bytes: &[u8], mut base: u64, cutter: &mut Cutter) {
        let (blocks, rest) = bytes.as_chunks::<WIDTH>();
        for block in blocks {
            self.block::<B>(block, base, cutter);
            base += WIDTH as u64;
        }
        for &byte in rest {
            self.byte(byte, base, cutter);
            base += 1;
        }
    }

    /// Decides whether a carriage return before `end` was a blank line, by the byte that follows.
    pub(crate) fn settle(&mut self, next: Option<u8>, end: u64, cutter: &mut Cutter) {
        if self.line == Line::Return && next != Some(b'\n') {
            cutter.records(end - 1, 1);
            self.line = Line::Inside;
        }
    }

    #[inline(always)]
    fn block<B: Block>(&mut self, bytes: &[u8; WIDTH], base: u64, cutter: &mut Cutter) {
        let block = B::load(bytes);
        let quotes = block.eq(b'"');
        let line_feeds = block.eq(b'\n');
        let was_quoted = if self.state == FieldState::Quoted { u64::MAX } else { 0 };
        let ends = if quotes == 0 {
            line_feeds & !was_quoted
        } else {
            let inside = B::prefix_xor(quotes) ^ was_quoted;
            let opening = quotes & inside;
            let closing = quotes & !inside;
            let delimiters = block.eq(self.delimiter);
            let may_open =
                self.state == FieldState::FieldStart || self.state == FieldState::AfterQuote;
            let may_follow = (delimiters | line_feeds | quotes) << 1 | u64::from(may_open);
            if opening & !may_follow != 0 {
                return bytes
                    .iter()
                    .zip(base..)
                    .for_each(|(&byte, at)| self.byte(byte, at, cutter));
            }
            let reopening = closing << 1 | u64::from(self.state == FieldState::AfterQuote);
            let first = opening & !reopening;
            if first != 0 {
                self.opened_at = base + u64::from(first.ilog2());
            }
            line_feeds & !inside
        };
        let is_quoted = (u64::from(quotes.count_ones()) ^ was_quoted) & 1 == 1;
        self.state = match bytes[WIDTH - 1] {
            _ if is_quoted => FieldState::Quoted,
            b'"' => FieldState::AfterQuote,
            byte if byte == b'\n' || byte == self.delimiter => FieldState::FieldStart,
            _ => FieldState::Unquoted,
        };
        self.lines::<B>(block, ends, line_feeds, base, cutter);
    }

    /// Finds the lines that are not blank. `ends` are the line feeds that end a record.
    #[inline(always)]
    fn lines<B: Block>(
        &mut self,
        block: B,
        ends: u64,
        line_feeds: u64,
        base: u64,
        cutter: &mut Cutter,
    ) {
        if self.line == Line::Return && line_feeds & 1 == 0 {
            cutter.records(base - 1, 1);
        }
        let starts = ends << 1 | u64::from(self.line == Line::Start);
        let mut records = starts & !line_feeds;
        self.line = if ends >> 63 == 1 { Line::Start } else { Line::Inside };
        if records != 0 {
            let returns = records & block.eq(b'\r');
            if returns != 0 {
                records &= !(returns & (line_feeds >> 1));
                if returns >> 63 == 1 {
                    records &= u64::MAX >> 1;
                    self.line = Line::Return;
                }
            }
        }
        cutter.records(base, records);
    }

    fn byte(&mut self, byte: u8, at: u64, cutter: &mut Cutter) {
        match (self.line, byte) {
            (Line::Start | Line::Return, b'\n') | (Line::Inside, _) => {}
            (Line::Start, b'\r') => {
                self.line = Line::Return;
                self.state = FieldState::Unquoted;
                return;
            }
            (Line::Start, _) => cutter.records(at, 1),
            (Line::Return, _) => cutter.records(at - 1, 1),
        }
        if byte == b'"' && self.state == FieldState::FieldStart {
            self.opened_at = at;
        }
        let was_quoted = self.state == FieldState::Quoted;
        self.state = self.state.next(byte, self.delimiter);
        let ends = byte == b'\n' && !was_quoted;
        self.line = if ends { Line::Start } else { Line::Inside };
    }
}

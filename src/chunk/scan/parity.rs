//! How many records start in a part of a file, whatever lies before it.
//!
//! The parity of the quotes before a part decides which of its bytes lie between quotes. It is not
//! known while parts are scanned in parallel, so both cases are counted. Parts are then joined from
//! the first one on, each with the parity that those before it have.

#![allow(clippy::inline_always, reason = "a kernel is compiled once for each kind of block")]

use crate::sys::simd::{self, Block, Kernel, WIDTH};

/// What a part of a file holds, for an even and an odd number of quotes before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Segment {
    /// How many records start in it.
    pub records: [u32; 2],
    /// Whether a quote opens where the parity would be wrong.
    pub is_inexact: [bool; 2],
    /// Whether it has an odd number of quotes.
    pub is_odd: bool,
}

impl Segment {
    /// Joins a part with the one that follows.
    pub(crate) fn join(self, next: Self) -> Self {
        let [even, odd] = if self.is_odd { [1, 0] } else { [0, 1] };
        Self {
            records: [self.records[0] + next.records[even], self.records[1] + next.records[odd]],
            is_inexact: [
                self.is_inexact[0] | next.is_inexact[even],
                self.is_inexact[1] | next.is_inexact[odd],
            ],
            is_odd: self.is_odd ^ next.is_odd,
        }
    }
}

/// Looks at a part of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Survey<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The byte before it, if the file does not begin with it.
    pub before: Option<u8>,
    /// The byte after it, if the file does not end with it.
    pub after: Option<u8>,
    /// What separates fields; `None` where lines are records.
    pub delimiter: Option<u8>,
}

impl Kernel for Survey<'_> {
    type Output = Segment;

    #[inline(always)]
    fn run<B: Block>(self) -> Segment {
        match self.delimiter {
            Some(delimiter) => self.quoted::<B>(delimiter),
            None => self.lines::<B>(),
        }
    }
}

impl Survey<'_> {
    #[inline(always)]
    fn lines<B: Block>(self) -> Segment {
        let mut line_ends = 0u32;
        let (blocks, rest) = self.bytes.as_chunks::<WIDTH>();
        for block in blocks {
            line_ends += B::load(block).eq(b'\n').count_ones();
        }
        line_ends += count(rest, b'\n');
        // A record starts after each line end, but not after the last byte of the part.
        let starts_here = u32::from(self.before.is_none_or(|byte| byte == b'\n'));
        let starts_later = u32::from(self.bytes.ends_with(b"\n"));
        Segment { records: [line_ends + starts_here - starts_later; 2], ..Segment::default() }
    }

    #[inline(always)]
    fn quoted<B: Block>(self, delimiter: u8) -> Segment {
        let mut part = Segment::default();
        let mut carry = Carry {
            quoted: 0,
            line_feed: u64::from(self.before.is_none_or(|byte| byte == b'\n')),
            opener: u64::from(
                self.before.is_none_or(|byte| byte == b'\n' || byte == delimiter || byte == b'"'),
            ),
        };
        let (blocks, rest) = self.bytes.as_chunks::<WIDTH>();
        let mut blocks = blocks.iter().peekable();
        while let Some(block) = blocks.next() {
            let next = blocks.peek().map(|next| next[0]).or(rest.first().copied()).or(self.after);
            carry.block::<B>(block, WIDTH, next, delimiter, &mut part);
        }
        if !rest.is_empty() {
            let mut block = [0; WIDTH];
            block[..rest.len()].copy_from_slice(rest);
            carry.block::<B>(&block, rest.len(), self.after, delimiter, &mut part);
        }
        part.is_odd = carry.quoted != 0;
        part
    }
}

/// What a block has to know of the one before it.
struct Carry {
    /// All ones if the parity is odd, where it was even at the beginning.
    quoted: u64,
    /// Whether it ended with a line feed.
    line_feed: u64,
    /// Whether it ended with a byte that a quote may follow in order to open.
    opener: u64,
}

impl Carry {
    #[inline(always)]
    fn block<B: Block>(
        &mut self,
        bytes: &[u8; WIDTH],
        length: usize,
        next: Option<u8>,
        delimiter: u8,
        part: &mut Segment,
    ) {
        let block = B::load(bytes);
        let quotes = block.eq(b'"');
        let line_feeds = block.eq(b'\n');
        let last = length - 1;
        let (inside, inside_before) = if quotes == 0 {
            (self.quoted, self.quoted)
        } else {
            let after = B::prefix_xor(quotes) ^ self.quoted;
            let openers = (line_feeds | quotes | block.eq(delimiter)) << 1 | self.opener;
            let wrong = quotes & !openers;
            part.is_inexact[0] |= wrong & after != 0;
            part.is_inexact[1] |= wrong & !after != 0;
            (after, after << 1 | self.quoted & 1)
        };
        let mut records = (line_feeds << 1 | self.line_feed) & !line_feeds;
        if records != 0 {
            if length < WIDTH {
                records &= (1 << length) - 1;
            }
            let returns = records & block.eq(b'\r');
            if returns != 0 {
                let followed = line_feeds >> 1 | u64::from(next == Some(b'\n')) << last;
                records &= !(returns & followed);
            }
            let odd = (records & inside_before).count_ones();
            part.records[0] += records.count_ones() - odd;
            part.records[1] += odd;
        }
        let last_byte = bytes[last];
        self.quoted = if inside >> last & 1 == 1 { u64::MAX } else { 0 };
        self.line_feed = u64::from(last_byte == b'\n');
        self.opener = u64::from(last_byte == b'\n' || last_byte == delimiter || last_byte == b'"');
    }
}

/// Counts line feeds.
pub(crate) fn count_lines(bytes: &[u8]) -> u64 {
    let chunks = bytes.chunks(1 << 20);
    let surveys =
        chunks.map(|bytes| Survey { bytes, before: Some(0), after: None, delimiter: None });
    let ends = surveys
        .map(|survey| simd::run(survey).records[0] + u32::from(survey.bytes.ends_with(b"\n")));
    ends.map(u64::from).sum()
}

fn count(bytes: &[u8], byte: u8) -> u32 {
    bytes.iter().map(|&other| u32::from(other == byte)).sum()
}

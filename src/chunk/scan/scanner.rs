//! The scanners of all formats as one, for whoever reads an input from its beginning to its end.

#![allow(clippy::inline_always, reason = "a kernel is compiled once for each kind of block")]

use crate::chunk::scan::csv::CsvScanner;
use crate::chunk::scan::cutter::Cutter;
use crate::chunk::scan::error::{Fault, Malformed};
use crate::chunk::scan::format::RecordFormat;
use crate::chunk::scan::json::JsonScanner;
use crate::chunk::scan::lines::LineScanner;
use crate::sys::simd::{self, Block, Kernel};

/// Finds where records start. Offsets are those of the joined inputs.
#[derive(Clone, Debug)]
pub(crate) enum Scanner {
    Csv(CsvScanner),
    Lines(LineScanner),
    Json(JsonScanner),
}

impl Scanner {
    /// Begins with the first record, at `start`.
    pub(crate) fn new(format: RecordFormat, delimiter: u8, start: u64) -> Self {
        match format {
            RecordFormat::Csv | RecordFormat::Tsv => Self::Csv(CsvScanner::new(delimiter)),
            RecordFormat::Ndjson | RecordFormat::Lines => Self::Lines(LineScanner::new()),
            RecordFormat::Json => Self::Json(JsonScanner::new(start)),
        }
    }

    /// Scans the next bytes, which are at `base`.
    pub(crate) fn scan(
        &mut self,
        bytes: &[u8],
        base: u64,
        cutter: &mut Cutter,
    ) -> Result<(), Malformed> {
        simd::run(Scan { scanner: self, bytes, base, cutter })
    }

    /// Ends the last record, where the input ends.
    pub(crate) fn finish(&mut self, end: u64, cutter: &mut Cutter) -> Result<(), Malformed> {
        match self {
            Self::Csv(scanner) => {
                scanner.settle(None, end, cutter);
                match scanner.open_quote() {
                    Some(at) => Err(Fault::OpenQuote.at(at)),
                    None => Ok(()),
                }
            }
            Self::Lines(_) => Ok(()),
            Self::Json(scanner) => scanner.finish(end),
        }
    }

    /// Where the quote that is open opened.
    pub(crate) fn open_quote(&self) -> Option<u64> {
        match self {
            Self::Csv(scanner) => scanner.open_quote(),
            _ => None,
        }
    }

    /// Whether this is a JSON array without an element so far.
    pub(crate) fn is_empty_array(&self) -> bool {
        matches!(self, Self::Json(scanner) if scanner.is_empty())
    }

    /// Where the closing bracket of a JSON array is, once it has been reached.
    pub(crate) fn array_end(&self) -> Option<u64> {
        match self {
            Self::Json(scanner) => scanner.end(),
            _ => None,
        }
    }
}

pub(crate) struct Scan<'a> {
    pub(crate) scanner: &'a mut Scanner,
    pub(crate) bytes: &'a [u8],
    pub(crate) base: u64,
    pub(crate) cutter: &'a mut Cutter,
}

impl Kernel for Scan<'_> {
    type Output = Result<(), Malformed>;

    #[inline(always)]
    fn run<B: Block>(self) -> Self::Output {
        match self.scanner {
            Scanner::Csv(scanner) => scanner.scan::<B>(self.bytes, self.base, self.cutter),
            Scanner::Lines(scanner) => scanner.scan::<B>(self.bytes, self.base, self.cutter),
            Scanner::Json(scanner) => {
                return scanner.scan::<B>(self.bytes, self.base, self.cutter);
            }
        }
        Ok(())
    }
}

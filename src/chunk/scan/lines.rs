//! Records that are lines.

#![allow(clippy::inline_always, reason = "a kernel is compiled once for each kind of block")]

use crate::chunk::scan::cutter::Cutter;
use crate::sys::simd::{Block, WIDTH};

/// Finds where lines start.
#[derive(Clone, Debug)]
pub(crate) struct LineScanner {
    at_line_start: bool,
}

impl LineScanner {
    /// Begins at the start of a line.
    pub(crate) fn new() -> Self {
        Self { at_line_start: true }
    }

    /// Begins in the middle.
    pub(crate) fn resume(at_line_start: bool) -> Self {
        Self { at_line_start }
    }

    /// Scans the bytes at `base` of the joined inputs.
    #[inline(always)]
    pub(crate) fn scan<B: Block>(&mut self, bytes: &[u8], mut base: u64, cutter: &mut Cutter) {
        let (blocks, rest) = bytes.as_chunks::<WIDTH>();
        for block in blocks {
            let ends = B::load(block).eq(b'\n');
            cutter.records(base, ends << 1 | u64::from(self.at_line_start));
            self.at_line_start = ends >> 63 == 1;
            base += WIDTH as u64;
        }
        for &byte in rest {
            if self.at_line_start {
                cutter.records(base, 1);
            }
            self.at_line_start = byte == b'\n';
            base += 1;
        }
    }
}

//! Turns the places where records start into cuts between chunks.

#![allow(clippy::inline_always, reason = "a kernel is compiled once for each kind of block")]

/// How large a chunk may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// A number of records.
    Rows(u64),
    /// A number of bytes, which only a record that is larger exceeds.
    Bytes(u64),
}

/// The end of a chunk, which is where the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Its offset.
    pub end: u64,
    /// The number of records in the chunk.
    pub rows: u64,
}

/// Decides where to cut. Offsets are those of the joined inputs, without headers.
#[derive(Debug)]
pub(crate) struct Cutter {
    limit: Limit,
    /// Where the chunk begins.
    start: u64,
    /// Where its last record starts.
    last: u64,
    /// How many records have started in it.
    rows: u64,
    cuts: Vec<Cut>,
}

impl Cutter {
    /// Begins the first chunk, at offset 0.
    pub(crate) fn new(limit: Limit) -> Self {
        Self { limit, start: 0, last: 0, rows: 0, cuts: Vec::new() }
    }

    /// Only notes where records start.
    pub(crate) fn unlimited() -> Self {
        Self::new(Limit::Rows(u64::MAX))
    }

    /// Takes the cuts made so far.
    pub(crate) fn take_cuts(&mut self) -> Vec<Cut> {
        std::mem::take(&mut self.cuts)
    }

    /// Notes that records start at `base` plus each bit of a set.
    #[inline(always)]
    pub(crate) fn records(&mut self, base: u64, mut set: u64) {
        if set == 0 {
            return;
        }
        let count = u64::from(set.count_ones());
        let last = base + u64::from(set.ilog2());
        let fits = match self.limit {
            Limit::Rows(limit) => self.rows + count <= limit,
            Limit::Bytes(limit) => last - self.start <= limit,
        };
        if fits {
            self.rows += count;
            self.last = last;
            return;
        }
        while set != 0 {
            self.record(base + u64::from(set.trailing_zeros()));
            set &= set - 1;
        }
    }

    fn record(&mut self, at: u64) {
        self.close_before(at);
        if let Limit::Rows(limit) = self.limit
            && self.rows == limit
        {
            self.cut(at, self.rows);
            self.rows = 0;
        }
        self.rows += 1;
        self.last = at;
    }

    /// Cuts so that what ends at `end` does not exceed the limit of bytes, if it can be helped.
    fn close_before(&mut self, end: u64) {
        let Limit::Bytes(limit) = self.limit else { return };
        if self.rows > 1 && end - self.start > limit {
            self.cut(self.last, self.rows - 1);
            self.rows = 1;
        }
        if self.rows > 0 && end - self.start > limit {
            self.cut(end, self.rows);
            self.rows = 0;
        }
    }

    /// Makes the cuts that do not depend on what follows the end of an input.
    pub(crate) fn end_input(&mut self, end: u64) {
        self.close_before(end);
    }

    /// Ends the last chunk, where the inputs end. Without a byte there is none.
    pub(crate) fn finish(&mut self, end: u64) {
        self.close_before(end);
        if end > self.start {
            self.cut(end, self.rows);
            self.rows = 0;
        }
    }

    /// Whether no cut can fall into bytes up to `end` in which `count` records start.
    pub(crate) fn has_room(&self, count: u64, end: u64) -> bool {
        match self.limit {
            Limit::Rows(limit) => self.rows + count <= limit,
            Limit::Bytes(limit) => end - self.start <= limit,
        }
    }

    /// Whether it must know where the last record starts.
    pub(crate) fn counts_bytes(&self) -> bool {
        matches!(self.limit, Limit::Bytes(_))
    }

    /// Notes that records start in bytes for which there is room. Where the last one starts must be
    /// noted before the next call of [`records`](Self::records).
    pub(crate) fn skip(&mut self, count: u64) {
        self.rows += count;
    }

    /// Notes where the last record starts.
    pub(crate) fn set_last(&mut self, last: u64) {
        self.last = last;
    }

    /// Where the last record starts.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    #[cold]
    fn cut(&mut self, end: u64, rows: u64) {
        self.cuts.push(Cut { end, rows });
        self.start = end;
    }
}

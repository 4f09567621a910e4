//! Joins the outputs of commands under one header, or in one array.

use std::rc::Rc;

use crate::chunk::run::held::Held;
use crate::chunk::scan::cutter::Cutter;
use crate::chunk::scan::error::Malformed;
use crate::chunk::scan::format::RecordFormat;
use crate::chunk::scan::header::{Dialect, Head, HeadError};
use crate::chunk::scan::index::READ;
use crate::chunk::scan::scanner::Scanner;

/// How outputs are joined.
#[derive(Debug)]
pub(crate) struct Merger {
    dialect: Dialect,
    /// The header of the first output that has bytes.
    header: Option<Vec<Vec<Vec<u8>>>>,
    /// Whether an output, or an element of a JSON array, has been written.
    any: bool,
}

/// Why an output cannot be joined to those before it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MergeError {
    /// Its header is another one.
    #[error("the output of chunk {number} has another header than those before it")]
    HeadersDiffer { number: u64 },
    /// It is not of the format.
    #[error("the output of chunk {number} is no {}: byte {}: {what}", format.name(), what.at + 1)]
    Malformed { number: u64, format: RecordFormat, what: Malformed },
    /// It is packed, or in another encoding.
    #[error("the output of chunk {number} is no {}", format.name())]
    OtherFormat { number: u64, format: RecordFormat },
}

/// A piece of the joined outputs.
#[derive(Debug)]
pub(crate) enum OutPiece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A part of an output: an offset and a length.
    Held(Rc<Held>, u64, u64),
}

impl Merger {
    /// Joins outputs of a format, whose header has this many records and whose fields have this
    /// delimiter.
    pub(crate) fn new(
        format: RecordFormat,
        header_rows: Option<u64>,
        delimiter: Option<u8>,
    ) -> Self {
        Self { dialect: Dialect::new(format, header_rows, delimiter), header: None, any: false }
    }

    /// Returns what is written for the next output.
    pub(crate) fn add(&mut self, number: u64, held: Held) -> anyhow::Result<Vec<OutPiece>> {
        if held.len() == 0 {
            return Ok(Vec::new());
        }
        match self.dialect.format {
            RecordFormat::Json => self.array(number, held),
            _ => self.records(number, held),
        }
    }

    /// Returns what is written after the last output.
    pub(crate) fn finish(&self) -> Vec<OutPiece> {
        match self.dialect.format {
            RecordFormat::Json if self.any => vec![OutPiece::Bytes(b"]\n".to_vec())],
            RecordFormat::Json => vec![OutPiece::Bytes(b"[]\n".to_vec())],
            _ => Vec::new(),
        }
    }

    fn read_head(&self, number: u64, output: &Held) -> anyhow::Result<(Head, Vec<u8>)> {
        let format = self.dialect.format;
        let mut wanted = 16 * 1024;
        loop {
            let mut buffer = vec![0; wanted];
            let start = output.read_at(&mut buffer, 0)?.to_vec();
            let is_all = start.len() as u64 == output.len();
            match Head::parse(self.dialect, &start, is_all) {
                Ok(Some(found)) => return Ok((found, start)),
                Ok(None) => wanted = Head::more_than(wanted),
                Err(HeadError::Malformed(what)) => {
                    return Err(MergeError::Malformed { number, format, what }.into());
                }
                Err(HeadError::Encoded(_)) => {
                    return Err(MergeError::OtherFormat { number, format }.into());
                }
            }
        }
    }

    fn records(&mut self, number: u64, output: Held) -> anyhow::Result<Vec<OutPiece>> {
        let (head, bytes) = self.read_head(number, &output)?;
        let mut start = head.header.start;
        if self.dialect.format.has_fields() && self.dialect.header_rows > 0 {
            let header = head.fields(&bytes[head.header.clone()]);
            match &self.header {
                None => self.header = Some(header),
                Some(first) if *first == header => start = head.body,
                Some(_) => return Err(MergeError::HeadersDiffer { number }.into()),
            }
        }
        let start = if self.any { start as u64 } else { 0 };
        self.any = true;
        let length = output.len();
        if start == length {
            // A header alone, which has been written already.
            return Ok(Vec::new());
        }
        let mut last = [0];
        let ends_line = output.read_at(&mut last, length - 1)? == b"\n";
        let mut pieces = vec![OutPiece::Held(Rc::new(output), start, length - start)];
        if !ends_line {
            pieces.push(OutPiece::Bytes(b"\n".to_vec()));
        }
        Ok(pieces)
    }

    fn array(&mut self, number: u64, output: Held) -> anyhow::Result<Vec<OutPiece>> {
        let (head, _) = self.read_head(number, &output)?;
        let format = self.dialect.format;
        let malformed = |what| MergeError::Malformed { number, format, what };
        let mut cutter = Cutter::unlimited();
        let start = head.body as u64;
        let mut scanner = Scanner::new(format, 0, start);
        let mut buffer = vec![0; READ];
        let mut at = start;
        while at < output.len() {
            let bytes = output.read_at(&mut buffer, at)?;
            scanner.scan(bytes, at, &mut cutter).map_err(malformed)?;
            at += bytes.len() as u64;
        }
        scanner.finish(at, &mut cutter).map_err(malformed)?;
        let end = scanner.array_end().unwrap_or(at);
        if scanner.is_empty_array() {
            return Ok(Vec::new());
        }
        let before = if self.any { b"," } else { b"[" };
        self.any = true;
        Ok(vec![
            OutPiece::Bytes(before.to_vec()),
            OutPiece::Held(Rc::new(output), start, end - start),
        ])
    }
}

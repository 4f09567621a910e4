//! Chunks, and the parts of inputs that they are made of.

use std::path::PathBuf;
use std::rc::Rc;

use crate::chunk::scan::format::RecordFormat;

/// How much space after the last JSON array is kept, in bytes. There can be any amount of it.
pub(crate) const MAX_TRAIL: usize = 64 * 1024;

/// What has to be known of an input in order to write its records.
#[derive(Debug)]
pub(crate) struct Origin {
    /// What messages call it.
    pub name: PathBuf,
    /// What its records are.
    pub format: RecordFormat,
    /// What separates fields.
    pub delimiter: u8,
    /// The bytes of its header.
    pub header: Vec<u8>,
    /// The names of its columns, where records become objects.
    pub columns: Vec<Vec<u8>>,
    /// The whitespace before a JSON array.
    pub lead: Vec<u8>,
    /// Whether the input has no bytes, or those of a byte order mark only.
    pub is_empty: bool,
}

/// A part of an input: whole records.
#[derive(Debug)]
pub(crate) struct Part {
    /// The input.
    pub origin: Rc<Origin>,
    /// Its offset in the input, for messages.
    pub at: u64,
    /// The number of its first line, where that is known.
    pub line: u64,
    /// Its bytes.
    pub data: Data,
    /// What separates it from the records after it, where the input has nothing there.
    pub separator: &'static str,
}

/// Where bytes are.
#[derive(Debug)]
pub(crate) enum Data {
    /// In memory.
    Memory(Vec<u8>),
    /// In a file, by its number and an offset. An input that is standard input may begin within its file.
    File { number: usize, offset: u64, length: u64 },
}

impl Data {
    /// How many they are.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }
}

/// A chunk.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Its number, from 0.
    pub number: u64,
    /// The number of its first record, from 0.
    pub first_row: u64,
    /// How many records it has.
    pub rows: u64,
    /// The header that precedes its records: that of the first input.
    pub head: Rc<Origin>,
    /// Its records.
    pub parts: Vec<Part>,
    /// The whitespace after a JSON array, in the last chunk.
    pub trail: Vec<u8>,
}

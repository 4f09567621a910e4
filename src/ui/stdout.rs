//! Prints results on stdout.
//!
//! Results go straight to descriptor 1. Rust's own `stdout` reports success when the descriptor is
//! closed, but tmpx must notice: it removes a resource whose path it could not print.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde::Serialize;

use crate::fs::rw::write_all;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A path as raw bytes, then a newline.
    Lines,
    /// A path as raw bytes, then NUL.
    Null,
    /// A JSON object, then a newline (NDJSON).
    Json,
}

impl Format {
    /// Returns the format that `--json` and `--null` select.
    pub(crate) fn from_flags(json: bool, null: bool) -> Self {
        match (json, null) {
            (true, _) => Self::Json,
            (false, true) => Self::Null,
            (false, false) => Self::Lines,
        }
    }
}

/// A buffer of results for stdout.
#[derive(Debug)]
pub(crate) struct Output {
    format: Format,
    block: Vec<u8>,
}

/// The buffer is written when it holds this many bytes: the capacity of a pipe.
const BLOCK: usize = 64 * 1024;

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, block: Vec::new() }
    }

    /// Adds a result: its path, or the JSON object that `json` returns.
    pub(crate) fn result<J: Serialize>(
        &mut self,
        path: &Path,
        json: impl FnOnce() -> J,
    ) -> io::Result<()> {
        match self.format {
            Format::Json => return self.object(&json()),
            Format::Lines => self.path(path, b'\n'),
            Format::Null => self.path(path, 0),
        }
        self.flush_when_full()
    }

    /// Adds a JSON object.
    pub(crate) fn object(&mut self, object: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.block, object)?;
        self.block.push(b'\n');
        self.flush_when_full()
    }

    /// Adds text as it is.
    pub(crate) fn text(&mut self, text: &[u8]) -> io::Result<()> {
        self.block.extend_from_slice(text);
        self.flush_when_full()
    }

    fn path(&mut self, path: &Path, end: u8) {
        self.block.extend_from_slice(path.as_os_str().as_bytes());
        self.block.push(end);
    }

    fn flush_when_full(&mut self) -> io::Result<()> {
        if self.block.len() < BLOCK { Ok(()) } else { self.flush() }
    }

    /// Flushes the buffer; results are delivered only once this returns.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        write_all(rustix::stdio::stdout(), &self.block)?;
        self.block.clear();
        Ok(())
    }
}

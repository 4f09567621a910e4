//! Prints results on stdout.
//!
//! Results go straight to descriptor 1. Rust's own `stdout` reports success when the descriptor is
//! closed, but tmpx must notice: it removes a resource whose path it could not print.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde::Serialize;

use rustix::stdio::stdout;
use rustix::termios::isatty;

use crate::fs::rw::write_all;
use crate::ui::sanitize::{for_terminal, json_for_terminal};

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
        let start = self.block.len();
        serde_json::to_writer(&mut self.block, object)?;
        self.block.push(b'\n');
        let sanitized = json_for_terminal(&self.block[start..]).filter(|_| isatty(stdout()));
        if let Some(sanitized) = sanitized {
            self.block.truncate(start);
            self.block.extend(sanitized);
        }
        self.flush_when_full()
    }

    /// Adds lines of text. A terminal gets no character that it would obey.
    pub(crate) fn text(&mut self, text: &[u8]) -> io::Result<()> {
        self.sanitized(text, &['\n', '\t']);
        self.flush_when_full()
    }

    /// Adds a path: its own bytes, since other programs read them; but not to a terminal.
    fn path(&mut self, path: &Path, end: u8) {
        self.sanitized(path.as_os_str().as_bytes(), &[]);
        self.block.push(end);
    }

    fn sanitized(&mut self, bytes: &[u8], kept: &[char]) {
        match for_terminal(bytes, kept) {
            Some(sanitized) if isatty(stdout()) => self.block.extend(sanitized),
            _ => self.block.extend_from_slice(bytes),
        }
    }

    fn flush_when_full(&mut self) -> io::Result<()> {
        if self.block.len() < BLOCK { Ok(()) } else { self.flush() }
    }

    /// Flushes the buffer; results are delivered only once this returns.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        write_all(stdout(), &self.block)?;
        self.block.clear();
        Ok(())
    }
}

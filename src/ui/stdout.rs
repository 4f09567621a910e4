//! What tmpx says: results on stdout, notes on stderr.
//!
//! Results go straight to descriptor 1. Rust's own `stdout` takes a closed descriptor for success,
//! and here a result that nobody was told of must be taken back.

use std::fmt::Display;
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

/// Results on their way to stdout, in blocks.
#[derive(Debug)]
pub(crate) struct Output {
    format: Format,
    block: Vec<u8>,
}

/// When a block is written, in bytes: what a pipe takes at once.
const BLOCK: usize = 64 * 1024;

impl Output {
    /// Results in this format.
    pub(crate) fn new(format: Format) -> Self {
        Self { format, block: Vec::new() }
    }

    /// Adds a result: its path, or what `json` makes of it.
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

    /// Writes what is still in hand. Results are told only when this has returned.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        write_all(rustix::stdio::stdout(), &self.block)?;
        self.block.clear();
        Ok(())
    }
}

/// The format that a command's OUTPUT flags ask for.
pub(crate) fn format(json: bool, null: bool) -> Format {
    match (json, null) {
        (true, _) => Format::Json,
        (false, true) => Format::Null,
        (false, false) => Format::Lines,
    }
}

/// Says something on stderr, as one write: lines of several processes do not mix. A stderr that is
/// closed or full is no reason to fail.
pub(crate) fn print_note(message: impl Display) {
    write_stderr(format!("tmpx: {}\n", sanitize(&message.to_string())));
}

/// Names a remedy on stderr.
pub(crate) fn print_hint(remedy: impl Display) {
    write_stderr(format!("hint: {}\n", sanitize(&remedy.to_string())));
}

/// Text with its control characters written out: a name must not speak to the terminal.
pub(crate) fn sanitize(text: &str) -> String {
    let plain = |character: char| !character.is_control();
    if text.chars().all(plain) {
        return text.to_owned();
    }
    let mut printable = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if plain(character) {
            printable.push(character);
        } else {
            printable.extend(character.escape_default());
        }
    }
    printable
}

/// Writes text to stderr as it is.
pub(crate) fn write_stderr(text: impl AsRef<[u8]>) {
    let _ = write_all(rustix::stdio::stderr(), text.as_ref());
}

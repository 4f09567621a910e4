//! The error messages of mktemp.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;

use crate::commands::errors;
use crate::os::{Charset, Env};
use crate::ui::gnu_quote::quoted;
use crate::ui::write_stderr;
use crate::values::message::{render, strerror};

/// An error message in the words of GNU mktemp.
#[derive(Debug)]
pub(super) struct Diagnostic {
    text: Vec<u8>,
    /// Whether the message refers to `--help`.
    suggests_help: bool,
    /// Whether `--quiet` suppresses it, as it does if nothing could be created or printed.
    quiet_suppresses: bool,
}

impl Diagnostic {
    pub(super) fn new(text: impl Into<Vec<u8>>) -> Self {
        Self { text: text.into(), suggests_help: false, quiet_suppresses: false }
    }

    pub(super) fn usage(text: impl Into<Vec<u8>>) -> Self {
        Self { suggests_help: true, ..Self::new(text) }
    }

    /// Returns a message that consists of `before`, the quoted name, and `after`.
    pub(super) fn of_name(before: &str, name: impl AsRef<OsStr>, after: &str) -> Self {
        let charset = Charset::of(&Env::process(Vec::new()));
        let name = quoted(name.as_ref().as_bytes(), charset);
        Self::new([before.as_bytes(), &name, after.as_bytes()].concat())
    }

    /// An entry of this kind could not be created.
    pub(super) fn creation(kind: &str, template: impl AsRef<OsStr>, err: &io::Error) -> Self {
        let before = format!("failed to create {kind} via template ");
        let after = format!(": {}", strerror(err));
        Self::of_name(&before, template, &after).quiet_suppresses()
    }

    pub(super) fn write(err: &io::Error) -> Self {
        Self::new(format!("write error: {}", strerror(err)))
    }

    /// The lease failed. GNU mktemp has no words for that.
    pub(super) fn of_lease(err: impl Into<anyhow::Error>) -> Self {
        let err = err.into();
        let diagnostic = Self::new(render(&err));
        match errors::hint(&err) {
            Some(hint) => diagnostic.with_hint(&hint),
            None => diagnostic,
        }
    }

    pub(super) fn with_hint(mut self, hint: &str) -> Self {
        self.text.extend_from_slice(b"\nhint: ");
        self.text.extend_from_slice(hint.as_bytes());
        self
    }

    pub(super) fn quiet_suppresses(self) -> Self {
        Self { quiet_suppresses: true, ..self }
    }

    /// Prints the message, unless `quiet` is set and suppresses it.
    pub(super) fn print(&self, quiet: bool) {
        if quiet && self.quiet_suppresses {
            return;
        }
        let help: &[u8] =
            if self.suggests_help { b"Try 'mktemp --help' for more information.\n" } else { b"" };
        write_stderr([b"mktemp: ", &self.text[..], b"\n", help].concat());
    }
}

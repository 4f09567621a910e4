//! What mktemp has to say when it cannot do what it was asked for.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::{fmt, io};

use crate::sys::LocaleCharset;
use crate::ui::gnu_quote::quoted;
use crate::ui::write_stderr;
use crate::values::error::{hint_of, render, strerror};

/// A message for stderr, in GNU's words.
#[derive(Debug)]
pub(super) struct Diagnostic {
    text: Vec<u8>,
    /// Whether the help would help.
    points_at_help: bool,
    /// Whether it is what `--quiet` is about: nothing could be made, or nobody be told of it.
    hushable: bool,
}

impl Diagnostic {
    pub(super) fn new(text: impl Into<Vec<u8>>) -> Self {
        Self { text: text.into(), points_at_help: false, hushable: false }
    }

    pub(super) fn usage(text: impl Into<Vec<u8>>) -> Self {
        Self { points_at_help: true, ..Self::new(text) }
    }

    /// `before`, the name in quotation marks, `after`.
    pub(super) fn of_name(before: &str, name: impl AsRef<OsStr>, after: &str) -> Self {
        let charset = LocaleCharset::of_the_environment();
        let name = quoted(name.as_ref().as_bytes(), &charset);
        Self::new([before.as_bytes(), &name, after.as_bytes()].concat())
    }

    /// A thing of that kind could not be made by that template.
    pub(super) fn creation(what: &str, template: impl AsRef<OsStr>, err: &io::Error) -> Self {
        let before = format!("failed to create {what} via template ");
        let after = format!(": {}", strerror(err));
        Self::of_name(&before, template, &after).quiet_suppresses()
    }

    pub(super) fn write(err: &io::Error) -> Self {
        Self::new(format!("write error: {}", strerror(err)))
    }

    /// What GNU mktemp has no words for: a lease that could not be had.
    pub(super) fn of_lease(err: &anyhow::Error) -> Self {
        let hint = hint_of(err).map(|hint| format!("\nhint: {hint}"));
        Self::new(render(err) + &hint.unwrap_or_default())
    }

    pub(super) fn quiet_suppresses(self) -> Self {
        Self { hushable: true, ..self }
    }

    /// Says it, unless `--quiet` was given and is about it.
    pub(super) fn print(&self, quiet: bool) {
        if quiet && self.hushable {
            return;
        }
        let help: &[u8] =
            if self.points_at_help { b"Try 'mktemp --help' for more information.\n" } else { b"" };
        write_stderr([b"mktemp: ", &self.text[..], b"\n", help].concat());
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text))
    }
}

impl std::error::Error for Diagnostic {}

//! Talks to the user: results and JSON on stdout, messages and progress on stderr, quoting for both.

mod chunk_progress;
pub(crate) mod gnu_quote;
mod help;
mod json;
mod messages;
mod printable;
mod progress;
mod sanitize;
pub(crate) mod sh_quote;
mod stdout;
pub(crate) use chunk_progress::ChunkProgress;
pub(crate) use help::{print_help, print_help_on_stderr};
pub(crate) use json::{
    CacheReport, CacheRow, ChunkReport, CleanupRow, CreatedRow, ExecReport, GettempdirRow, ListRow,
    ReplaceReport, SpoolReport,
};
pub(crate) use messages::{print_hint, print_note, print_note_on_terminal, write_stderr};
pub(crate) use progress::{ProgressLine, with_progress};
pub(crate) use sanitize::sanitize;
pub(crate) use stdout::{Format, Output};

//! Streams into files: `spool` buffers standard input, `replace` replaces a file's content atomically.

mod guard;
pub(crate) mod input;
pub(crate) mod replace;
mod source;
pub(crate) mod spool;
pub(crate) mod target;
pub(crate) use input::Input;
pub(crate) use replace::{OnChange, Replacement};
pub(crate) use source::{STDIN_NAME, Source, readable_stdin};
pub(crate) use spool::Spool;
pub(crate) use target::{ReplaceError, Target, check_rename_over};

//! Streams into files: `spool` buffers standard input, `replace` replaces a file's content atomically.

mod guard;
pub(crate) mod input;
mod open_input;
pub(crate) mod replace;
pub(crate) mod spool;
pub(crate) mod target;
pub(crate) use input::Input;
pub(crate) use open_input::{OpenInput, STDIN_NAME, readable_stdin};
pub(crate) use replace::{NoOldContent, Replacement};
pub(crate) use spool::Spool;
pub(crate) use target::{OnChange, ReplaceError, Target, check_rename_over, stands_for_stdout};

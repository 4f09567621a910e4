//! Presents failures: prints an error and its hint, and chooses the exit status.
//!
//! The core reports what failed with types of its own; it gives no hint, names no option and chooses
//! no exit status. All three are chosen here, by looking at the types in an error's chain, and
//! nowhere else. Each file holds the advice for the error types of one folder.

mod advice;
mod cache;
mod chunk;
mod create;
mod invalid_use;
mod lease;
mod process;
mod report;
mod streams;
mod system;
mod workspace;

pub(crate) use invalid_use::{InvalidUse, MisplacedWord};
pub(crate) use process::InputAsCommand;
pub(crate) use report::{NOT_ROLLED_BACK, hint, print_error, report, report_clap_error, status_of};
pub(crate) use workspace::NotKept;

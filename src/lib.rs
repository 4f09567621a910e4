//! tmpx: temporary files, directories and workspaces for the shell that cannot leak.
//!
//! The library is the program; the binary only calls [`run`]. ARCHITECTURE.md describes the layers
//! that the modules form.

#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::exit,
        clippy::dbg_macro,
        clippy::print_stdout,
        clippy::print_stderr
    )
)]

mod cache;
mod chunk;
mod cli;
mod commands;
mod create;
mod fs;
mod lease;
mod os;
mod process;
mod reclaim;
mod remove;
mod streams;
mod sys;
mod ui;
mod values;
mod workspace;

pub use crate::sys::Start;
#[doc(hidden)]
pub use crate::sys::enter;
pub use crate::values::Status;

/// Runs tmpx and returns its exit status. All errors have been printed when this returns.
pub fn run(start: Start) -> Status {
    commands::run(start)
}

/// The types that the tests of this package use. They are not a public interface.
#[doc(hidden)]
pub mod testing {
    pub use crate::cli::{CliArgs, full_command};
    pub use crate::fs::{Dir, EntryId};
    pub use crate::remove::{Removal, Root};
}

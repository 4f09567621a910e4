//! tmpx: temporary files, directories and workspaces for the shell that cannot leak.
//!
//! The library is the program; the binary only calls [`run`]. ARCHITECTURE.md describes the floors
//! that the modules stand on.

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

/// Runs tmpx and returns how it ended. Everything that went wrong has been told by then.
pub fn run(start: Start) -> Status {
    let context = crate::commands::Context {
        args: start.args,
        env: crate::os::env::Env::Process,
        signals: start.signals,
    };
    if let Some(store) = crate::reclaim::reaper::store_of(&context.args) {
        return crate::reclaim::reaper::run(store);
    }
    // Before clap is touched: mktemp's command line is not clap's, and its callers are in a hurry.
    if let Some(args) = crate::commands::mktemp::handler::arguments(&context.args) {
        return crate::commands::mktemp::handler::run(args, &context);
    }
    let parsed = match crate::cli::command::parse(&context.args) {
        Ok(parsed) => parsed,
        Err(err) => return crate::commands::context::report_clap_error(&err, &context.args),
    };
    let broken = parsed.command.runs_a_command();
    crate::commands::context::dispatch(parsed.command, &context).unwrap_or_else(|err| {
        crate::ui::stdout::print_note(crate::values::error::render(&err));
        if let Some(hint) = crate::values::error::hint_of(&err) {
            crate::ui::stdout::print_hint(hint);
        }
        let usual = if broken { Status::TmpxFailed } else { Status::Failed };
        crate::values::error::status_of(&err).unwrap_or(usual)
    })
}

/// What the tests of this package use. It promises nothing to anybody else.
#[doc(hidden)]
pub mod testing {
    pub use crate::cli::CliArgs;
    pub use crate::fs::{Dir, Identity};
    pub use crate::remove::{Removal, Root};
}

//! Prints errors, and finds the advice on them.

use std::ffi::OsString;

use clap::error::ErrorKind;

use crate::cli::{UsageError, with_example};
use crate::commands::errors::advice::{Advice, Adviser};
use crate::commands::errors::{
    cache, chunk, create, invalid_use, lease, process, streams, system, workspace,
};
use crate::create::NotRolledBack;
use crate::ui::{print_help, print_help_on_stderr, print_hint, print_note};
use crate::values::Status;
use crate::values::message::{render, strerror};

/// One function per folder that defines error types.
const ADVISERS: [Adviser; 9] = [
    cache::advice,
    chunk::advice,
    invalid_use::advice,
    create::advice,
    lease::advice,
    process::advice,
    streams::advice,
    workspace::advice,
    system::advice,
];

/// The remedy if resources of a failed run are left.
pub(crate) const NOT_ROLLED_BACK: &str =
    "some of the new resources are left; 'tmpx cleanup' removes them";

/// Prints an error and its hint, and returns the exit status: `default` unless the error has one of
/// its own.
pub(crate) fn report(err: &anyhow::Error, default: Status) -> Status {
    print_error(err);
    status_of(err).unwrap_or(default)
}

/// Prints an error and its hint. On its own, this is for errors that do not end the run.
pub(crate) fn print_error(err: &anyhow::Error) {
    print_note(render(err));
    if let Some(hint) = hint(err) {
        print_hint(hint);
    }
}

/// Returns the remedy for an error, if there is one.
pub(crate) fn hint(err: &anyhow::Error) -> Option<String> {
    advice(err).hint
}

/// Returns the exit status of an error that has one of its own.
pub(crate) fn status_of(err: &anyhow::Error) -> Option<Status> {
    advice(err).status
}

/// Collects the advice on all causes of an error. The outermost hint and status win.
fn advice(err: &anyhow::Error) -> Advice {
    if let Some(NotRolledBack(cause)) = err.downcast_ref() {
        return Advice { hint: Some(NOT_ROLLED_BACK.to_owned()), ..advice(cause) };
    }
    let known =
        err.chain().flat_map(|cause| ADVISERS.iter().filter_map(move |adviser| adviser(cause)));
    known.fold(Advice::default(), Advice::or)
}

/// Prints clap's answer, and returns the exit status: help and version go to stdout as they are, an
/// error becomes one line and its hints.
pub(crate) fn report_clap_error(err: &clap::Error, args: &[OsString]) -> Status {
    match err.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = err.render().to_string();
            let is_help = err.kind() == ErrorKind::DisplayHelp;
            match print_help(&if is_help { with_example(text, args) } else { text }) {
                Ok(()) => Status::Success,
                Err(err) => {
                    print_note(format_args!("could not write to stdout: {}", strerror(&err)));
                    Status::Failed
                }
            }
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            print_help_on_stderr(&err.render().to_string());
            Status::Usage
        }
        _ => {
            let UsageError { message, hint } = UsageError::new(err, args);
            print_note(message);
            hint.iter().for_each(print_hint);
            Status::Usage
        }
    }
}

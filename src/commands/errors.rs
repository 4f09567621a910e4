//! Presents a failure: its line, its hints and its exit status.
//!
//! The floors below report what failed with types of their own. They name no option, give no hint
//! and choose no exit status: all three are chosen here, by looking at the types in an error's chain.
//! A handler adds what it was doing as context and passes the error on.

use std::ffi::OsString;

use clap::error::ErrorKind;

use crate::cli::UsageError;
use crate::commands::advice::Advice;
use crate::commands::start_hints;
use crate::process::{Interrupted, ReserveError};
use crate::ui::{Format, Output, print_hint, print_note, write_stderr};
use crate::values::Status;
use crate::values::error::{self, hint_of, render, strerror};

/// Command lines that clap accepts and a handler refuses.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidUse {
    #[error("there is no command after --")]
    NoCommand,
    #[error("the report would take the place of the new content")]
    ReportReplacesContent,
    #[error("--report: stdout is the command's own; name a file")]
    ReportToStdout,
}

/// Prints an error and its hint, and returns the status that tmpx exits with. `default` is the
/// status of errors that have none of their own.
pub(crate) fn report(err: &anyhow::Error, default: Status) -> Status {
    let advice = advice(err);
    print_note(render(err));
    if let Some(hint) = advice.hint {
        print_hint(hint);
    }
    advice.status.unwrap_or(default)
}

/// Returns the status that an error asks for, if it asks for one.
pub(super) fn status_of(err: &anyhow::Error) -> Option<Status> {
    advice(err).status
}

/// Chooses the hint and the status of an error.
fn advice(err: &anyhow::Error) -> Advice {
    for cause in err.chain() {
        if cause.is::<InvalidUse>() {
            return Advice::status(Status::Usage);
        }
        if let Some(interrupted) = cause.downcast_ref::<Interrupted>() {
            return Advice::status(Status::Signal(interrupted.signal));
        }
        if let Some(advice) = start_hints::advice(cause) {
            return advice;
        }
        if let Some(ReserveError::BeyondLimit(_)) = cause.downcast_ref() {
            let hint = Some("'ulimit -n' prints the limit".to_owned());
            return Advice { hint, status: Some(Status::Usage) };
        }
    }
    Advice { hint: hint_of(err).map(str::to_owned), status: error::status_of(err) }
}

/// Prints what clap has to say: help and version as they are, an error as one line and hints.
pub(crate) fn report_clap_error(err: &clap::Error, args: &[OsString]) -> Status {
    match err.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let mut out = Output::new(Format::Lines);
            let text = err.render().to_string();
            match out.text(text.as_bytes()).and_then(|()| out.flush()) {
                Ok(()) => Status::Success,
                Err(err) => {
                    print_note(format_args!("could not write to stdout: {}", strerror(&err)));
                    Status::Failed
                }
            }
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            write_stderr(err.render().to_string());
            Status::Usage
        }
        _ => {
            let UsageError { message, hints } = UsageError::new(err, args);
            print_note(message);
            hints.iter().for_each(print_hint);
            Status::Usage
        }
    }
}

//! Command lines that clap accepts and a handler refuses.

use std::error::Error;

use crate::commands::errors::advice::Advice;

/// Why a handler refuses a command line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidUse {
    #[error("no command after --")]
    NoCommand,
    #[error("--report: FILE and the report are the same file")]
    ReportReplacesContent,
    #[error("--report: stdout belongs to the command")]
    ReportToStdout,
}

pub(super) fn advice(cause: &(dyn Error + 'static)) -> Option<Advice> {
    let hint = match cause.downcast_ref()? {
        InvalidUse::ReportToStdout => "name a file, as in --report report.json",
        InvalidUse::NoCommand | InvalidUse::ReportReplacesContent => return Some(Advice::usage()),
    };
    Some(Advice::usage().and_hint(hint))
}

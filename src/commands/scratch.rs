//! What `exec`, `spool` and `replace` share: scratch that is removed at the end, and a report.

use std::os::fd::BorrowedFd;
use std::path::Path;

use anyhow::Context as _;
use rustix::stdio::{stderr, stdout};
use rustix::termios::isatty;
use serde::Serialize;

use crate::commands::context::Context;
use crate::commands::errors::{InvalidUse, print_error};
use crate::create::{Scratch, Transaction};
use crate::lease::Lease;
use crate::reclaim::release;
use crate::streams::{Target, replace};
use crate::ui::{print_note, print_note_on_terminal, with_progress};
use crate::values::Status;

/// Runs `act`, and then removes all scratch, whether or not it succeeds.
pub(super) fn with_scratch<T>(
    context: &Context,
    act: impl FnOnce(&mut Scratch<'_>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut scratch = Scratch::new(&context.env, |warning| print_note(warning));
    let result = act(&mut scratch);
    if let Some(transaction) = scratch.into_transaction() {
        remove_scratch(&transaction);
        context.finish(transaction);
    }
    result
}

/// Removes the resources of a transaction. Reports what could not be removed, which does not change
/// the exit status.
pub(super) fn remove_scratch(transaction: &Transaction) {
    let released = with_progress(true, |line| release(transaction.lease(), Some(&line.progress)));
    match released {
        Ok(failures) => {
            for (path, why) in failures {
                print_note(format_args!("could not remove {}: {why}", path.display()));
            }
        }
        Err(err) => print_error(&err.context("could not remove the temporary resources")),
    }
}

/// Says on a terminal that tmpx reads what the user types: a forgotten redirection looks like a command that
/// hangs.
pub(super) fn note_typed_input(input: BorrowedFd<'_>) {
    if isatty(input) {
        print_note_on_terminal("reads standard input from the terminal; Ctrl-D ends it");
    }
}

/// Finds the file for a report. It must not be a file that tmpx or its command prints to: what they
/// have printed would go with the old file.
pub(super) fn find_report(file: &Path) -> anyhow::Result<Target> {
    let report = Target::find(file).context("--report")?;
    let streams = [(stdout(), "standard output"), (stderr(), "standard error")];
    match streams.into_iter().find(|(stream, _)| report.is_open_as(stream)) {
        Some((_, name)) => Err(InvalidUse::ReportReplacesStream(name).into()),
        None => Ok(report),
    }
}

/// Writes a report to `file`, if the user asked for one, as one line of JSON. Returns the exit status:
/// `status`, or a failure if that is success and the report could not be written.
pub(super) fn write_report<'a>(
    file: Option<&Path>,
    report: &impl Serialize,
    status: Status,
    lease: impl FnOnce() -> anyhow::Result<&'a mut Lease>,
) -> Status {
    let Some(file) = file else { return status };
    match lease().and_then(|lease| write_json(file, report, lease)) {
        Ok(()) => status,
        Err(err) => {
            print_error(&err);
            match status {
                Status::Success => Status::Failed,
                Status::Command(0) => Status::TmpxFailed,
                other => other,
            }
        }
    }
}

fn write_json(file: &Path, report: &impl Serialize, lease: &mut Lease) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    replace::write_whole(file, &line, lease)
}

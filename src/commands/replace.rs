//! `tmpx replace`: replace the content of a file atomically, from standard input or a command.

use std::ffi::OsString;

use crate::cli::ReplaceArgs;
use crate::commands::context::Context;
use crate::commands::errors::InvalidUse;
use crate::commands::scratch::{find_report, note_typed_input, with_scratch, write_report};
use crate::create::Scratch;
use crate::os::CurrentDir;
use crate::process::{self, Command, check_interrupt, has_placeholder, replace_placeholder};
use crate::streams::{OnChange, Replacement, STDIN_NAME, Target, readable_stdin};
use crate::sys::SignalQueue;
use crate::ui::{ReplaceReport, print_note};
use crate::values::{PathField, Status};

pub(super) fn run(args: ReplaceArgs, context: &Context) -> anyhow::Result<Status> {
    let target = Target::find(&args.file)?;
    let path = target.path();
    if let Some(report) = &args.report
        && find_report(report)?.leads_through(target.dir(), target.name())
    {
        return Err(InvalidUse::ReportReplacesContent.into());
    }
    with_scratch(context, |scratch| {
        let on_change = match (args.append, args.command.is_empty()) {
            (true, _) => OnChange::Append,
            (false, true) => OnChange::Replace,
            (false, false) => OnChange::Fail,
        };
        let input = args.command.is_empty().then(readable_stdin).transpose()?;
        let new = Replacement::begin(target, on_change, scratch.lease()?)?;
        input.into_iter().for_each(note_typed_input);
        let (status, bytes) = match input {
            Some(input) => (Status::Success, new.fill(input, STDIN_NAME)?),
            None => fill_from_command(&new, args.command, &args.placeholder, context, scratch)?,
        };
        let lease = scratch.lease()?;
        let succeeded = matches!(status, Status::Success | Status::Command(0));
        let replaced = succeeded && !(args.no_empty && bytes == 0);
        if replaced {
            // Putting the file in place takes no time, so finish it rather than leave work for a
            // cleanup: signals wait.
            let _signals = SignalQueue::open(context.signals);
            new.commit(args.sync, lease)?.iter().for_each(print_note);
        }
        let report = ReplaceReport {
            path: PathField::of(&path),
            bytes,
            replaced,
            status: status.of_command(),
        };
        Ok(write_report(args.report.as_deref(), &report, status, || Ok(lease)))
    })
}

/// Runs a command whose output becomes the new content, with a copy of the old content in place of
/// the placeholder. Returns its status and the size of the output.
fn fill_from_command(
    new: &Replacement,
    mut words: Vec<OsString>,
    placeholder: &str,
    context: &Context,
    scratch: &mut Scratch<'_>,
) -> anyhow::Result<(Status, u64)> {
    let cwd = CurrentDir::current();
    let signals = SignalQueue::open(context.signals);
    let mut copy = None;
    if has_placeholder(&words, placeholder) {
        let dir = scratch.dir(None, None)?;
        let old = copy.insert(new.copy_old_to(dir, &|| Ok(check_interrupt(&signals)?))?);
        replace_placeholder(&mut words, placeholder, &old.path());
    }
    let command = Command::new(words, &context.env, &cwd);
    check_interrupt(&signals)?;
    let fill = |output| new.fill(output, "the command's output");
    let (status, bytes) = process::run_capturing(command, signals, fill)?;
    let bytes = bytes?;
    if let Some(copy) = copy.filter(|_| status == Status::Command(0)) {
        new.check_copy(&copy)?;
    }
    Ok((status, bytes))
}

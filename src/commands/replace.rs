//! `tmpx replace`: put standard input in the place of a file, whole or not at all.

use std::ffi::OsString;

use anyhow::Context as _;
use rustix::stdio::stdin;

use crate::cli::ReplaceArgs;
use crate::commands::context::Context;
use crate::commands::errors::InvalidUse;
use crate::create::Scratch;
use crate::process::{self, Command, check_interrupt};
use crate::streams::{Replacement, Target};
use crate::sys::SignalQueue;
use crate::ui::{ReplaceReport, print_note};
use crate::values::{PathField, Status};

pub(super) fn run(args: ReplaceArgs, context: &Context) -> anyhow::Result<Status> {
    let target = Target::find(&args.file)?;
    let path = target.path();
    if let Some(report) = &args.report
        && Target::find(report)?.path() == path
    {
        return Err(InvalidUse::ReportReplacesContent.into());
    }
    Scratch::with(&context.env, &context.args, |scratch| {
        let lease = &mut scratch.transaction()?.lease;
        let new = Replacement::begin(target, args.append, lease)?;
        let (status, bytes) = if args.command.is_empty() {
            (Status::Success, new.fill(stdin(), "standard input")?)
        } else {
            produce(&new, args.command, context)?
        };
        let succeeded = matches!(status, Status::Success | Status::Command(0));
        let replaced = succeeded && !(args.no_empty && bytes == 0);
        if replaced {
            // What is begun here takes no time, and is better done than left to a cleanup.
            let _signals_wait = SignalQueue::open(context.signals);
            new.commit(args.sync, lease)?.iter().for_each(print_note);
        }
        let report = ReplaceReport {
            path: PathField::of(&path),
            bytes,
            replaced,
            status: status.of_command(),
        };
        Ok(scratch.report(args.report.as_deref(), &report, status))
    })
}

/// Runs the command, and takes its output.
fn produce(
    new: &Replacement,
    words: Vec<OsString>,
    context: &Context,
) -> anyhow::Result<(Status, u64)> {
    let cwd = std::env::current_dir().context("could not find the working directory")?;
    let command = Command::new(words, &context.env, &cwd);
    let signals = SignalQueue::open(context.signals);
    check_interrupt(&signals)?;
    let take = |output| new.fill(output, "the command's output");
    let (status, taken) = process::run_capturing(command, signals, take)?;
    Ok((status, taken?))
}

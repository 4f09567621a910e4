//! `tmpx replace`: put standard input in the place of a file, whole or not at all.

use std::ffi::OsString;

use anyhow::Context as _;
use rustix::stdio::stdin;

use crate::cli::command::Replace;
use crate::commands::context::Context;
pub(crate) use crate::commands::context::go_on;
use crate::create::scratch::Passing;
use crate::create::transaction::Making;
use crate::process::command as exec;
use crate::process::command::Command;
use crate::streams::replace::Replacement;
use crate::streams::target::Target;
use crate::ui::json::NewContent;
use crate::ui::stdout::note;
use crate::values::encoding::PathKey;
use crate::values::error::{Status, usage};

pub(super) fn run(args: Replace, context: &Context) -> anyhow::Result<Status> {
    let target = Target::find(&args.file)?;
    let path = target.path();
    if let Some(report) = &args.report
        && Target::find(report)?.path() == path
    {
        return Err(usage("the report would take the place of the new content"));
    }
    Passing::with(&context.env, &context.args, |passing| {
        let Making { lease, entropy, .. } = passing.making()?;
        let new = Replacement::begin(target, args.append, lease, entropy)?;
        let (status, bytes) = if args.command.is_empty() {
            (Status::Done, new.fill(stdin(), "standard input")?)
        } else {
            produce(&new, args.command, context)?
        };
        let succeeded = matches!(status, Status::Done | Status::Command(0));
        let replaced = succeeded && !(args.no_empty && bytes == 0);
        if replaced {
            // What is begun here takes no time, and is better done than left to a cleanup.
            let _signals_wait = exec::queue(context.signals);
            new.commit(args.sync, lease, entropy)?.iter().for_each(note);
        }
        let report =
            NewContent { path: PathKey::of(&path), bytes, replaced, status: status.of_command() };
        Ok(passing.report(args.report.as_deref(), &report, status))
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
    let signals = exec::queue(context.signals);
    go_on(&signals)?;
    let take = |output| new.fill(output, "the command's output");
    let (status, taken) = exec::run_into(command, signals, take)?;
    Ok((status, taken?))
}

//! `tmpx spool`: hold standard input until its end, then pass it on.

use std::ffi::OsString;
use std::io;

use anyhow::Context as _;
use rustix::stdio::{stdin, stdout};

use crate::cli::SpoolArgs;
use crate::commands::context::Context;
use crate::create::Scratch;
use crate::fs::TransferError;
use crate::fs::disk_full::with_full_filesystem_of;
use crate::process::{self, Command, check_interrupt};
use crate::streams::{Spool, Target};
use crate::sys::SignalQueue;
use crate::ui::SpoolReport;
use crate::values::{PathField, Status};

pub(super) fn run(args: SpoolArgs, context: &Context) -> anyhow::Result<Status> {
    if let Some(report) = &args.report {
        Target::find(report)?;
    }
    Scratch::with(&context.env, &context.args, |scratch| {
        let runs = !args.command.is_empty();
        let dir = args.dir.as_deref();
        let spool = Spool::read(stdin(), args.max_size.0, runs, &mut || scratch.tmpfile(dir))?;
        let status = if runs {
            feed(&spool, args.command, &args.stands_for_path, dir, context, scratch)?
        } else {
            pass_on(&spool, context)?
        };
        let report = SpoolReport {
            bytes: spool.bytes(),
            held_in: spool.held_in(),
            rolled_over: spool.place().is_some(),
            dir: spool.place().map(|place| PathField::of(place.path())),
            status: status.of_command(),
        };
        Ok(scratch.report(args.report.as_deref(), &report, status))
    })
}

/// Writes all of it to stdout. A reader that is gone ends tmpx as it ends every filter.
fn pass_on(spool: &Spool<'_>, context: &Context) -> anyhow::Result<Status> {
    match spool.write_to(stdout()) {
        Ok(()) => Ok(Status::Success),
        Err(TransferError::Writing(err))
            if err.kind() == io::ErrorKind::BrokenPipe
                && !context.signals.ignore_broken_pipes() =>
        {
            Ok(Status::Signal(libc::SIGPIPE))
        }
        Err(TransferError::Writing(err)) => {
            let act =
                with_full_filesystem_of("could not write to stdout".to_owned(), stdout(), &err);
            Err(err).context(act)
        }
        Err(TransferError::Reading(err)) => Err(err).context("could not read standard input"),
    }
}

/// Runs a command with it as standard input.
fn feed(
    spool: &Spool<'_>,
    mut words: Vec<OsString>,
    stands_for_path: &str,
    dir: Option<&std::path::Path>,
    context: &Context,
    scratch: &mut Scratch<'_>,
) -> anyhow::Result<Status> {
    let input = spool.to_read()?;
    // From here on there may be something to remove, so a signal goes to the command, not to us.
    let signals = SignalQueue::open(context.signals);
    if words.iter().skip(1).any(|word| word == stands_for_path) {
        let path = if let Some(path) = spool.own_path() {
            path
        } else {
            let dir = scratch.dir(spool.place(), dir)?;
            spool.name_in(&dir, &|| Ok(check_interrupt(&signals)?))?
        };
        let places = words.iter_mut().skip(1).filter(|word| *word == stands_for_path);
        places.for_each(|word| path.as_os_str().clone_into(word));
    }
    let cwd = std::env::current_dir().context("could not find the working directory")?;
    let mut command = Command::new(words, &context.env, &cwd);
    if let Some(input) = input {
        command.pass_fd(input, 0);
    }
    check_interrupt(&signals)?;
    process::run(command, &signals).map(|outcome| outcome.status)
}

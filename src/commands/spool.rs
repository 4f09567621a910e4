//! `tmpx spool`: hold standard input until its end, then pass it on.

use std::ffi::OsString;
use std::io;

use anyhow::Context as _;
use rustix::stdio::{stdin, stdout};

use crate::cli::command as cli;
use crate::commands::context::Context;
pub(crate) use crate::commands::context::go_on;
use crate::create::scratch::Passing;
use crate::fs::disk_full::blamed_by_file;
use crate::fs::transfer::Stuck;
use crate::process::command as exec;
use crate::process::command::{Command, Limits};
use crate::streams::spool::Spool;
use crate::streams::target::Target;
use crate::ui::json::Spooled;
use crate::values::encoding::PathKey;
use crate::values::error::Status;

pub(super) fn run(args: cli::Spool, context: &Context) -> anyhow::Result<Status> {
    if let Some(report) = &args.report {
        Target::find(report)?;
    }
    Passing::with(&context.env, &context.args, |passing| {
        let runs = !args.command.is_empty();
        let dir = args.dir.as_deref();
        let spool = Spool::read(stdin(), args.max_size.0, runs, &mut || passing.unnamed(dir))?;
        let status = if runs {
            feed(&spool, args.command, &args.stands_for_path, dir, context, passing)?
        } else {
            pass_on(&spool, context)?
        };
        let report = Spooled {
            bytes: spool.bytes(),
            held_in: spool.held_in(),
            rolled_over: spool.place().is_some(),
            dir: spool.place().map(|place| PathKey::of(place.path())),
            status: status.of_command(),
        };
        Ok(passing.report(args.report.as_deref(), &report, status))
    })
}

/// Writes all of it to stdout. A reader that is gone ends tmpx as it ends every filter.
fn pass_on(spool: &Spool<'_>, context: &Context) -> anyhow::Result<Status> {
    match spool.write_to(stdout()) {
        Ok(()) => Ok(Status::Done),
        Err(Stuck::Writing(err))
            if err.kind() == io::ErrorKind::BrokenPipe
                && !context.signals.ignore_broken_pipes() =>
        {
            Ok(Status::Signal(libc::SIGPIPE))
        }
        Err(Stuck::Writing(err)) => {
            let act = blamed_by_file("could not write to stdout".to_owned(), stdout(), &err);
            Err(err).context(act)
        }
        Err(Stuck::Reading(err)) => Err(err).context("could not read standard input"),
    }
}

/// Runs a command with it as standard input.
fn feed(
    spool: &Spool<'_>,
    mut words: Vec<OsString>,
    stands_for_path: &str,
    dir: Option<&std::path::Path>,
    context: &Context,
    passing: &mut Passing<'_>,
) -> anyhow::Result<Status> {
    let input = spool.to_read()?;
    // From here on there may be something to remove, so a signal goes to the command, not to us.
    let signals = exec::queue(context.signals);
    if words.iter().skip(1).any(|word| word == stands_for_path) {
        let path = if let Some(path) = spool.own_path() {
            path
        } else {
            let dir = passing.dir(spool.place(), dir)?;
            spool.name_in(&dir, &|| go_on(&signals))?
        };
        let places = words.iter_mut().skip(1).filter(|word| *word == stands_for_path);
        places.for_each(|word| path.as_os_str().clone_into(word));
    }
    let cwd = std::env::current_dir().context("could not find the working directory")?;
    let mut command = Command::new(words, &context.env, &cwd);
    if let Some(input) = input {
        command.give(input, 0);
    }
    go_on(&signals)?;
    exec::run(command, &signals, Limits::NONE).map(|ran| ran.status)
}

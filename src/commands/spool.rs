//! `tmpx spool`: buffer standard input to its end, then pass it on.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::Context as _;
use rustix::stdio::stdout;
use rustix::termios::isatty;

use crate::cli::SpoolArgs;
use crate::commands::context::Context;
use crate::commands::errors::InvalidUse;
use crate::commands::scratch::{find_report, note_typed_input, with_scratch, write_report};
use crate::create::Scratch;
use crate::fs::TransferError;
use crate::fs::disk_full::stdout_failed;
use crate::os::CurrentDir;
use crate::process::{self, Command, check_interrupt, has_placeholder, replace_placeholder};
use crate::streams::{Spool, readable_stdin};
use crate::sys::SignalQueue;
use crate::ui::{SpoolReport, with_progress};
use crate::values::{Affix, PathField, Status};

pub(super) fn run(args: SpoolArgs, context: &Context) -> anyhow::Result<Status> {
    if let Some(report) = &args.report {
        find_report(report)?;
    }
    let has_placeholder = has_placeholder(&args.command, &args.placeholder);
    if args.suffix.is_some() && !has_placeholder {
        return Err(InvalidUse::SuffixWithoutPlaceholder(args.placeholder).into());
    }
    with_scratch(context, |scratch| {
        let has_command = !args.command.is_empty();
        let dir = args.dir.as_deref();
        let mut roll_over = || scratch.tmpfile(dir);
        let input = readable_stdin()?;
        note_typed_input(input);
        // Where somebody types, a line of ours would be in the way.
        let spool = with_progress(!isatty(input), |line| {
            let limit = args.max_size.0;
            Spool::read(input, limit, has_command, &mut roll_over, &line.progress)
        })?;
        let status = if has_command {
            let file =
                FileArgument { placeholder: &args.placeholder, suffix: args.suffix.as_ref() };
            run_command(&spool, args.command, &file, dir, context, scratch)?
        } else {
            write_to_stdout(&spool, context)?
        };
        let report = SpoolReport {
            bytes: spool.bytes(),
            held_in: spool.held_in(),
            rolled_over: spool.dir().is_some(),
            dir: spool.dir().map(|dir| PathField::of(dir.path())),
            status: status.of_command(),
        };
        Ok(write_report(args.report.as_deref(), &report, status, || scratch.lease()))
    })
}

/// Writes the content to stdout. If the reader has closed the pipe, tmpx dies of SIGPIPE, as every
/// filter does.
fn write_to_stdout(spool: &Spool<'_>, context: &Context) -> anyhow::Result<Status> {
    match spool.write_to(stdout()) {
        Ok(()) => Ok(Status::Success),
        Err(TransferError::Writing(err))
            if err.kind() == io::ErrorKind::BrokenPipe
                && !context.signals.ignore_broken_pipes() =>
        {
            Ok(Status::Signal(libc::SIGPIPE))
        }
        Err(TransferError::Writing(err)) => Err(stdout_failed(stdout(), err)),
        Err(TransferError::Reading(err)) => Err(err).context("could not read standard input"),
    }
}

/// The argument that the path of the content replaces, and how the name of that file ends.
struct FileArgument<'a> {
    placeholder: &'a str,
    suffix: Option<&'a Affix>,
}

/// Runs a command with the content as standard input, and its path in place of the placeholder.
fn run_command(
    spool: &Spool<'_>,
    mut words: Vec<OsString>,
    file: &FileArgument<'_>,
    dir: Option<&Path>,
    context: &Context,
    scratch: &mut Scratch<'_>,
) -> anyhow::Result<Status> {
    let input = spool.to_read()?;
    // From here on there may be scratch to remove, so a signal must not end tmpx: it is queued for
    // the command.
    let signals = SignalQueue::open(context.signals);
    let placeholder = file.placeholder;
    if has_placeholder(&words, placeholder) {
        let suffix = file.suffix.map(Affix::as_os_str).unwrap_or_default();
        let own = spool
            .own_path()
            .filter(|path| path.as_os_str().as_bytes().ends_with(suffix.as_bytes()));
        let path = if let Some(path) = own {
            path
        } else {
            let dir = scratch.dir(spool.dir(), dir)?;
            spool.name_in(&dir, suffix, &|| Ok(check_interrupt(&signals)?))?
        };
        replace_placeholder(&mut words, placeholder, &path);
    }
    let cwd = CurrentDir::current();
    let mut command = Command::new(words, &context.env, &cwd);
    if let Some(input) = input {
        command.pass_fd(input, 0);
    }
    check_interrupt(&signals)?;
    process::run(command, &signals).map(|outcome| outcome.status)
}

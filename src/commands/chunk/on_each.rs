//! `tmpx chunk` with a command: runs it on each chunk and passes the outputs on.

use std::rc::Rc;
use std::thread::available_parallelism;

use anyhow::Context as _;
use rustix::process::Rlimit;
use rustix::stdio::stdout;

use crate::chunk::{
    Cause, CommandSpec, Merger, PLACEHOLDER, Place, RecordFormat, RunOutcome, Runner, Sink,
    SinkTarget, Supply,
};
use crate::cli::ChunkArgs;
use crate::commands::context::Context;
use crate::commands::errors::{print_error, report, status_of};
use crate::commands::scratch::{with_scratch, write_report};
use crate::create::Scratch;
use crate::os::CurrentDir;
use crate::process::{Children, check_interrupt, has_placeholder};
use crate::streams::{OnChange, Replacement, Target};
use crate::sys::SignalQueue;
use crate::ui::{ChunkProgress, ChunkReport, print_hint, print_note};
use crate::values::Status;

pub(super) fn run(
    args: &ChunkArgs,
    supply: Supply,
    output: Option<Target>,
    format: RecordFormat,
    fd_limit: Option<Rlimit>,
    context: &Context,
) -> anyhow::Result<Status> {
    with_scratch(context, |scratch| {
        // From here on there may be scratch to remove, so a signal must not end tmpx.
        let signals = SignalQueue::open(context.signals);
        let cwd = CurrentDir::current();
        let target = match output {
            Some(target) => SinkTarget::File(Box::new(Replacement::begin(
                target,
                OnChange::Replace,
                scratch.lease()?,
            )?)),
            None => SinkTarget::stream(stdout()),
        };
        let merger = args.merge.map(|merged| merger(merged.unwrap_or(format), format, args));
        let dir = args.dir.as_deref();
        let by_path = has_placeholder(&args.command, PLACEHOLDER);
        let files = by_path.then(|| scratch.dir(None, dir)).transpose()?;
        let files = files.map(|dir| (Rc::new(dir), format.suffix()));
        check_interrupt(&signals)?;
        let progress = ChunkProgress::new(&source(args), supply.total(), args.output.is_none());
        let mut report_progress = |tally: &_| progress.show(tally);
        let outcome = Runner {
            spec: CommandSpec {
                words: &args.command,
                env: &context.env,
                cwd: &cwd,
                fd_limit,
                form: args.to,
                files,
            },
            supply,
            children: Children::new(signals)?,
            sink: Sink::new(target, merger),
            jobs: jobs(args),
            tmpfile: &mut || scratch.tmpfile(dir),
            progress: progress.is_visible().then_some(&mut report_progress as _),
        }
        .run();
        progress.finish();
        Ok(finish(outcome, args, format, scratch, context))
    })
}

/// Joins outputs of the format `merged`. The delimiter of the chunks is that of outputs of their format.
fn merger(merged: RecordFormat, format: RecordFormat, args: &ChunkArgs) -> Merger {
    let delimiter = args.delimiter.filter(|_| merged == format);
    Merger::new(merged, args.header, delimiter)
}

/// What the line that shows the progress calls the input.
fn source(args: &ChunkArgs) -> String {
    match &args.inputs[..] {
        [] => "standard input".to_owned(),
        [file] => file.display().to_string(),
        files => format!("{} files", files.len()),
    }
}

/// The number of commands that run at once: `available_parallelism` respects affinity and quotas.
fn jobs(args: &ChunkArgs) -> usize {
    let cores = || available_parallelism().map_or(1, usize::from);
    args.jobs.map_or_else(cores, |jobs| usize::try_from(jobs).unwrap_or(usize::MAX))
}

/// Commits the output, or prints why there is none, and writes the report.
fn finish(
    outcome: RunOutcome,
    args: &ChunkArgs,
    format: RecordFormat,
    scratch: &mut Scratch<'_>,
    context: &Context,
) -> Status {
    let tally = outcome.tally;
    let decides = outcome.interrupt.is_none() && !outcome.reader_gone;
    let failed = outcome.failure.as_ref().filter(|_| decides).map(|(place, _)| place.clone());
    if args.merge.is_none() && format.has_fields() && outcome.sink.repeats_first_line() {
        print_hint("each output begins with the same line; --merge prints it once");
    }
    let concluded = conclude(outcome, scratch, context);
    let status = concluded.unwrap_or_else(|err| report(&err, Status::TmpxFailed));
    let failed = failed.map(|place| (place, status));
    let report = ChunkReport::new(tally, status, failed.as_ref());
    write_report(args.report.as_deref(), &report, status, || scratch.lease())
}

/// Returns the status of a run, and commits the output of one that has succeeded.
fn conclude(
    outcome: RunOutcome,
    scratch: &mut Scratch<'_>,
    context: &Context,
) -> anyhow::Result<Status> {
    let RunOutcome { failure, error, interrupt, reader_gone, sink, .. } = outcome;
    if let Some(signal) = interrupt {
        return Ok(Status::Signal(signal));
    }
    if reader_gone && !context.signals.ignore_broken_pipes() {
        return Ok(Status::Signal(libc::SIGPIPE));
    }
    if reader_gone {
        let err = std::io::Error::from_raw_os_error(libc::EPIPE);
        return Err(err).context("could not write to stdout");
    }
    if let Some((place, cause)) = failure {
        return Ok(report_failure(&place, cause));
    }
    if let Some(err) = error {
        return Err(err);
    }
    if let Some(replacement) = sink.into_replacement() {
        replacement.commit(false, scratch.lease()?)?.iter().for_each(print_note);
    }
    Ok(Status::Command(0))
}

/// Says which chunk failed, and returns its status.
fn report_failure(place: &Place, cause: Cause) -> Status {
    let chunk = describe(place);
    match cause {
        Cause::Status(Status::Command(code)) => {
            print_note(format_args!("{chunk} exited with status {code}"));
            Status::Command(code)
        }
        Cause::Status(Status::Signal(signal)) => {
            print_note(format_args!("{chunk} was ended by signal {signal}"));
            Status::Signal(signal)
        }
        Cause::Status(status) => status,
        Cause::Error(err) => {
            let status = status_of(&err).unwrap_or(Status::TmpxFailed);
            print_error(&err.context(format!("{chunk} failed")));
            status
        }
    }
}

/// Names a chunk by its number, from 0 as in `TMPX_CHUNK`, and its rows and bytes, from 1.
fn describe(place: &Place) -> String {
    let Place { number, first_row, rows, name, at, bytes } = place;
    let name = name.display();
    if *rows == 0 {
        // A header alone, or an empty array.
        return format!("chunk {number} (no rows, {name})");
    }
    let (first, last, byte) = (first_row + 1, first_row + rows, at + 1);
    format!("chunk {number} (rows {first} to {last}, {name} from byte {byte}, {bytes} bytes)")
}

//! `tmpx exec`: run a command in a workspace that is gone when it ends.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::cli::{ExecArgs, KeepPolicy};
use crate::commands::context::Context;
use crate::commands::errors::{InputAsCommand, InvalidUse, print_error, status_of};
use crate::create::Transaction;
use crate::create::scratch::{remove_scratch, status_without_report, write_report};
use crate::fs::Dir;
use crate::lease::{
    CreateOptions, Kind, LeaseSpec, Lifetime, LifetimeOptions, NameRule, TmpFile, spec,
};
use crate::process::{
    Child, Command, ExitOutcome, Limits, Orphan, Orphans, StartError, check_interrupt, reserve_fds,
};
use crate::reclaim::reaper;
use crate::streams::Target;
use crate::sys::SignalQueue;
use crate::ui::{ExecReport, print_hint, print_note};
use crate::values::error::usage;
use crate::values::{ErrorExt as _, OsJson, PathField, Span, Status, Template, WorkspaceField};
use crate::workspace::{Layout, Pattern, SaveError, Snapshot, Workspace, plan, private_tmp, save};

pub(crate) fn run(args: ExecArgs, context: &Context) -> anyhow::Result<Status> {
    // Before anything else is opened.
    let reserved = reserve_fds(&args.run.anon_fds)?;
    let job = Job::plan(args, context)?;
    let wish = LifetimeOptions {
        session: job.args.run.session.clone(),
        keep: true,
        ..LifetimeOptions::default()
    };
    let terms = spec::resolve(wish, &context.env, &context.args, &mut |text| print_note(text))?;
    let terms = LeaseSpec { lifetime: Lifetime::Command, ..terms };
    let mut transaction = Transaction::new(terms, &context.env)?;
    let signals = SignalQueue::open(context.signals);
    let stragglers = Orphans::adopt();
    let mut mount_namespace = None;
    let status = transaction.or_rollback(|transaction| {
        let (place, workspace) = job.create_workspace(transaction, &signals)?;
        let before = job.snapshot(&workspace)?;
        transaction.lease.commit()?;
        transaction.take_warnings().iter().for_each(print_note);
        let command = job.command(context, &workspace, &place, transaction)?;
        check_interrupt(&signals)?;
        let outcome = Child::start(command, &signals)
            .map_err(|err| job.explain_start_error(err))
            .and_then(|child| child.wait(&signals, job.limits));
        match outcome {
            Ok(ran) => {
                mount_namespace = ran.mount_namespace;
                Ok(job.finish(ran, &workspace, &before, transaction, &signals))
            }
            Err(err) => {
                let status = status_of(&err).unwrap_or(Status::TmpxFailed);
                let _ = job.report(status, None, &workspace, &[], false, transaction);
                Err(err)
            }
        }
    })?;
    let left = stragglers.remaining();
    // The command has ended: what goes wrong here must not mask how.
    if let (Some(namespace), true, Ok(hidden)) =
        (mount_namespace, left.is_empty(), private_tmp::hidden())
    {
        let hidden: Vec<PathBuf> = hidden.into_iter().map(|(path, _)| path).collect();
        transaction.forget_resources_in(namespace, &hidden);
    }
    for Orphan { pid, name } in left.iter().filter(|orphan| orphan.name != reaper::NAME) {
        print_note(format_args!("still running: {} (process {pid})", name.display()));
    }
    drop(reserved);
    transaction.finish(&context.env);
    Ok(status)
}

/// What is to be done around the command.
struct Job {
    args: ExecArgs,
    cwd: PathBuf,
    layout: Layout,
    patterns: Vec<Pattern>,
    limits: Limits,
}

impl Job {
    /// Checks everything that can be checked before anything is made.
    fn plan(mut args: ExecArgs, context: &Context) -> anyhow::Result<Self> {
        if args.command.is_empty() {
            if context.args.last().is_some_and(|word| word == "--") {
                return Err(InvalidUse::NoCommand.into());
            }
            args.command.push(context.env.get("SHELL").unwrap_or_else(|| "/bin/sh".into()));
        }
        let outputs = args.run.outputs.iter().map(|spec| Pattern::parse(spec, true));
        let always = args.run.outputs_always.iter().map(|spec| Pattern::parse(spec, false));
        let cwd = std::env::current_dir().context("could not find the working directory")?;
        if args.run.private_tmp {
            refuse_hidden(&args, &cwd)?;
        }
        if let Some(report) = &args.run.report {
            if report == Path::new("-") {
                return Err(InvalidUse::ReportToStdout.into());
            }
            Target::find(report)?;
        }
        Ok(Self {
            layout: Layout::plan(&args.layout.mkdir, &args.layout.inputs)?,
            patterns: outputs.chain(always).collect::<anyhow::Result<_>>()?,
            limits: Limits {
                // As for timeout(1).
                timeout: args.run.timeout.map(|Span(time)| time).filter(|time| !time.is_zero()),
                kill_after: args.run.kill_after.0,
            },
            cwd,
            args,
        })
    }

    /// Makes the workspace and lays it out.
    fn create_workspace(
        &self,
        transaction: &mut Transaction,
        signals: &SignalQueue,
    ) -> anyhow::Result<(Dir, Workspace)> {
        let ExecArgs { place: wish, .. } = &self.args;
        let template = Template::new(wish.prefix.as_ref(), wish.suffix.as_ref());
        let wanted = CreateOptions {
            kind: Kind::Dir,
            name: NameRule::Random(template),
            mode: None,
            keep_open: true,
        };
        let (place, created) = transaction.create_one(wish.dir.as_deref(), &wanted)?;
        transaction.lease.inherit_lock().context("could not keep the lock")?;
        let workspace = Workspace::of(&place, created)?;
        let private_tmp = self.args.run.private_tmp;
        workspace
            .populate(&self.layout, wish.mode, private_tmp, &|| Ok(check_interrupt(signals)?))?;
        Ok((place, workspace))
    }

    /// The command, with all that it is to find.
    fn command<'a>(
        &'a self,
        context: &'a Context,
        workspace: &'a Workspace,
        place: &Dir,
        transaction: &mut Transaction,
    ) -> anyhow::Result<Command<'a>> {
        let run = &self.args.run;
        let mut command = Command::new(self.args.command.clone(), &context.env, &self.cwd);
        if run.here {
            workspace.set_env(&mut command);
        } else {
            workspace.run_inside(&mut command, &self.cwd);
        }
        if run.private_tmp {
            workspace.isolate_tmp(&mut command, &self.cwd, run.here)?;
        }
        for &number in &run.anon_fds {
            command.pass_fd(anonymous_file(place, transaction)?, number);
        }
        Ok(command)
    }

    fn snapshot(&self, workspace: &Workspace) -> anyhow::Result<Snapshot> {
        if self.patterns.is_empty() {
            Ok(Snapshot::default())
        } else {
            Ok(Snapshot::look(&workspace.dir()?))
        }
    }

    /// Saves the outputs and reports, then keeps the workspace or clears it away. Whatever fails here
    /// is told and masks no status that the command ended with.
    fn finish(
        &self,
        ran: ExitOutcome,
        workspace: &Workspace,
        before: &Snapshot,
        transaction: &mut Transaction,
        signals: &SignalQueue,
    ) -> Status {
        let mut status = ran.status;
        if let (Status::TimedOut, Some(timeout)) = (status, self.limits.timeout) {
            let killed = ran.info.status.signal() == Some(libc::SIGKILL);
            let how = if killed { " and was killed" } else { "" };
            print_note(format_args!(
                "timed out after {}{how}",
                humantime::format_duration(timeout)
            ));
        }
        let wish = self.args.run.keep;
        let mut keep = match wish {
            Some(KeepPolicy::Always) => true,
            Some(KeepPolicy::OnFailure) => status != Status::Command(0),
            None => false,
        };
        let saved =
            self.save(status, workspace, before, transaction, signals).unwrap_or_else(|unsaved| {
                print_error(&unsaved.cause);
                keep |= unsaved.would_be_lost || wish.is_some();
                if status == Status::Command(0) {
                    status = status_of(&unsaved.cause).unwrap_or(Status::TmpxFailed);
                }
                Vec::new()
            });
        let status = self.report(status, Some(ran), workspace, &saved, keep, transaction);
        let done =
            if keep { keep_workspace(workspace, transaction) } else { remove_scratch(transaction) };
        if let Err(err) = done {
            print_error(&err);
        }
        status
    }

    /// Saves outputs, and tells what is there now.
    fn save(
        &self,
        ended: Status,
        workspace: &Workspace,
        before: &Snapshot,
        transaction: &mut Transaction,
        signals: &SignalQueue,
    ) -> Result<Vec<PathBuf>, SaveError> {
        let succeeded = ended == Status::Command(0);
        let patterns: Vec<&Pattern> =
            self.patterns.iter().filter(|pattern| succeeded || !pattern.required).collect();
        if patterns.is_empty() {
            return Ok(Vec::new());
        }
        let root = workspace.dir().map_err(anyhow::Error::from)?;
        let plan = plan::plan(&patterns, root, before, &self.cwd)?;
        Ok(save::save(&plan, &mut transaction.lease, &|| Ok(check_interrupt(signals)?))?)
    }

    /// Recognizes a further input that stands where the command belongs.
    fn explain_start_error(&self, err: StartError) -> anyhow::Error {
        let is_file = self.args.command.first().is_some_and(|name| self.cwd.join(name).is_file());
        if is_file && !self.args.layout.inputs.is_empty() && self.args.command.len() > 1 {
            return InputAsCommand(err).into();
        }
        err.into()
    }

    /// Writes the report, if one is wanted. `status` is what tmpx ends with.
    fn report(
        &self,
        status: Status,
        ran: Option<ExitOutcome>,
        workspace: &Workspace,
        saved: &[PathBuf],
        kept: bool,
        transaction: &mut Transaction,
    ) -> Status {
        let Some(file) = &self.args.run.report else {
            return status;
        };
        let ended = ran.map(|ran| ran.info);
        let words: Vec<OsJson> = self.args.command.iter().cloned().map(OsJson).collect();
        let report = ExecReport {
            command: &words,
            workspace: WorkspaceField::of(workspace.path()),
            status: ended.and_then(|ended| ended.status.code()),
            signal: ended.and_then(|ended| ended.status.signal()),
            timed_out: ran.is_some_and(|ran| ran.status == Status::TimedOut),
            exit: status.code(),
            wall_ms: milliseconds(ran.map(|ran| ran.wall)),
            user_ms: milliseconds(ended.map(|ended| ended.user)),
            system_ms: milliseconds(ended.map(|ended| ended.system)),
            peak_memory_bytes: ended.map_or(0, |ended| ended.peak_memory),
            outputs: saved.iter().map(|path| PathField::of(path)).collect(),
            kept,
        };
        match write_report(file, &report, transaction) {
            Ok(()) => status,
            Err(err) => status_without_report(&err, status),
        }
    }
}

/// Refuses what a command with a /tmp of its own could not see.
fn refuse_hidden(args: &ExecArgs, cwd: &Path) -> anyhow::Result<()> {
    if args.run.here && private_tmp::hides(cwd) {
        return Err(usage("--here: with --private-tmp this directory is not seen"));
    }
    let program = args.command.first().map(Path::new).filter(|name| name.components().count() > 1);
    match program {
        Some(program) if private_tmp::hides(cwd.join(program).parent().unwrap_or(cwd)) => {
            let program = program.display();
            Err(usage(format!("{program}: with --private-tmp its directory is not seen")))
                .hint(format!("a shell in the workspace finds a copy: --in {program} -- sh -c …"))
        }
        _ => Ok(()),
    }
}

fn milliseconds(time: Option<Duration>) -> u64 {
    u64::try_from(time.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// A file that is gone when nobody has it open any more.
fn anonymous_file(place: &Dir, transaction: &mut Transaction) -> anyhow::Result<OwnedFd> {
    let file = TmpFile::create(&mut transaction.lease, place.try_clone()?, 0o600)?;
    Ok(file.as_fd().try_clone_to_owned()?)
}

/// Gives the workspace over to the user.
fn keep_workspace(workspace: &Workspace, transaction: &mut Transaction) -> anyhow::Result<()> {
    let path: &Path = workspace.path();
    transaction
        .lease
        .change_lifetime(Lifetime::Manual)
        .hint("it goes with the next 'tmpx cleanup'")
        .with_context(|| format!("could not keep {}", path.display()))?;
    if path.exists() {
        print_note(format_args!("kept {}", path.display()));
        print_hint("'tmpx cleanup' takes it with --all or by its path");
    }
    Ok(())
}

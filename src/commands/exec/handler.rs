//! `tmpx exec`: run a command in a workspace that is gone when it ends.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::cli::command::{Exec, Keep};
use crate::commands::context::Context;
pub(crate) use crate::commands::context::go_on;
use crate::create::scratch::{clear_away, tell, unreported, write_report};
use crate::create::transaction::Making;
use crate::fs::dir::Place;
use crate::lease::entry::{Naming, Wanted};
use crate::lease::record::{Kind, Lifetime};
use crate::lease::spec as terms;
use crate::lease::spec::Wish;
use crate::lease::tmpfile::Unnamed;
use crate::lease::writer::Terms;
use crate::process::command as exec;
use crate::process::command::{Command, Limits, Ran, Stragglers};
use crate::reclaim::reaper;
use crate::streams::target::Target;
use crate::sys::start::SignalQueue;
use crate::ui::json::Executed;
use crate::ui::stdout::{hint, note};
use crate::values::duration::Span;
use crate::values::encoding::{PathKey, Raw, WorkspaceKey};
use crate::values::error::{Status, Tell as _, status_of, usage};
use crate::values::template::Template;
use crate::workspace::dir::Workspace;
use crate::workspace::layout::Layout;
use crate::workspace::plan::{Before, Pattern, Unsaved};
use crate::workspace::{plan as outputs, private_tmp as private, save as saving};

pub(crate) fn run(args: Exec, context: &Context) -> anyhow::Result<Status> {
    // Before anything else is opened.
    let reserved = exec::reserve(&args.run.anon_fds)?;
    let job = Job::plan(args, context)?;
    let wish = Wish { session: job.args.run.session.clone(), keep: true, ..Wish::default() };
    let terms = terms::settle(wish, &context.env, &context.args, &mut |text| note(text))?;
    let terms = Terms { lifetime: Lifetime::Command, ..terms };
    let mut making = Making::new(terms, &context.env)?;
    let signals = exec::queue(context.signals);
    let stragglers = Stragglers::adopt();
    let mut mount_namespace = None;
    let status = making.attempt(|making| {
        let (place, workspace) = job.make_workspace(making, &signals)?;
        let before = job.look_before(&workspace)?;
        making.lease.give()?;
        making.take_notes().iter().for_each(note);
        let command = job.command(context, &workspace, &place, making)?;
        go_on(&signals)?;
        match exec::run(command, &signals, job.limits) {
            Ok(ran) => {
                mount_namespace = ran.mount_namespace;
                Ok(job.finish(ran, &workspace, &before, making, &signals))
            }
            Err(err) => {
                let status = status_of(&err).unwrap_or(Status::Broken);
                let _ = job.report(status, None, &workspace, &[], false, making);
                job.advise(err, &workspace)
            }
        }
    })?;
    let left = stragglers.left();
    // The command has ended: what goes wrong here must not mask how.
    if let (Some(namespace), true, Ok(hidden)) =
        (mount_namespace, left.is_empty(), private::hidden())
    {
        let hidden: Vec<PathBuf> = hidden.into_iter().map(|(path, _)| path).collect();
        making.forget(namespace, &hidden);
    }
    for (pid, name) in left.iter().filter(|(_, name)| name != reaper::NAME) {
        note(format_args!("still running: {} (process {pid})", Path::new(name).display()));
    }
    drop(reserved);
    making.conclude(&context.env);
    Ok(status)
}

/// What is to be done around the command.
struct Job {
    args: Exec,
    cwd: PathBuf,
    layout: Layout,
    patterns: Vec<Pattern>,
    limits: Limits,
}

impl Job {
    /// Checks everything that can be checked before anything is made.
    fn plan(mut args: Exec, context: &Context) -> anyhow::Result<Self> {
        if args.command.is_empty() {
            if context.args.last().is_some_and(|word| word == "--") {
                return Err(usage("there is no command after --"));
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
                return Err(usage("--report: stdout is the command's own; name a file"));
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
    fn make_workspace(
        &self,
        making: &mut Making,
        signals: &SignalQueue,
    ) -> anyhow::Result<(Place, Workspace)> {
        let Exec { place: wish, .. } = &self.args;
        let template = Template::new(wish.prefix.as_ref(), wish.suffix.as_ref());
        let wanted = Wanted { kind: Kind::Dir, name: Naming::Random(template), mode: None };
        let (place, made) = making.first(wish.dir.as_deref(), &wanted, 1, &mut |_| Ok(()))?;
        making.lease.bequeath_lock().context("could not keep the lock")?;
        let workspace = Workspace::of(&place, &made)?;
        let private_tmp = self.args.run.private_tmp;
        workspace.lay_out(&self.layout, wish.mode, private_tmp, &|| go_on(signals))?;
        Ok((place, workspace))
    }

    /// The command, with all that it is to find.
    fn command<'a>(
        &'a self,
        context: &'a Context,
        workspace: &'a Workspace,
        place: &Place,
        making: &mut Making,
    ) -> anyhow::Result<Command<'a>> {
        let run = &self.args.run;
        let mut command = Command::new(self.args.command.clone(), &context.env, &self.cwd);
        if run.here {
            workspace.announce(&mut command);
        } else {
            workspace.take_in(&mut command, &self.cwd);
        }
        if run.private_tmp {
            workspace.hide_tmp(&mut command, &self.cwd, run.here)?;
        }
        for &number in &run.anon_fds {
            command.give(unnamed(place, making)?, number);
        }
        Ok(command)
    }

    fn look_before(&self, workspace: &Workspace) -> anyhow::Result<Before> {
        if self.patterns.is_empty() {
            Ok(Before::default())
        } else {
            Ok(Before::look(&workspace.place()?))
        }
    }

    /// Saves the outputs and reports, then keeps the workspace or clears it away. Whatever fails here
    /// is told and masks no status that the command ended with.
    fn finish(
        &self,
        ran: Ran,
        workspace: &Workspace,
        before: &Before,
        making: &mut Making,
        signals: &SignalQueue,
    ) -> Status {
        let mut status = ran.status;
        if let (Status::TimedOut, Some(timeout)) = (status, self.limits.timeout) {
            let killed = ran.ended.status.signal() == Some(libc::SIGKILL);
            let how = if killed { " and was killed" } else { "" };
            note(format_args!("timed out after {}{how}", humantime::format_duration(timeout)));
        }
        let wish = self.args.run.keep;
        let mut keep = match wish {
            Some(Keep::Always) => true,
            Some(Keep::OnFailure) => status != Status::Command(0),
            None => false,
        };
        let saved =
            self.save(status, workspace, before, making, signals).unwrap_or_else(|unsaved| {
                tell(&unsaved.cause);
                keep |= unsaved.would_be_lost || wish.is_some();
                if status == Status::Command(0) {
                    status = status_of(&unsaved.cause).unwrap_or(Status::Broken);
                }
                Vec::new()
            });
        let status = self.report(status, Some(ran), workspace, &saved, keep, making);
        let done = if keep { keep_it(workspace, making) } else { clear_away(making) };
        if let Err(err) = done {
            tell(&err);
        }
        status
    }

    /// Saves outputs, and tells what is there now.
    fn save(
        &self,
        ended: Status,
        workspace: &Workspace,
        before: &Before,
        making: &mut Making,
        signals: &SignalQueue,
    ) -> Result<Vec<PathBuf>, Unsaved> {
        let succeeded = ended == Status::Command(0);
        let patterns: Vec<&Pattern> =
            self.patterns.iter().filter(|pattern| succeeded || !pattern.required).collect();
        if patterns.is_empty() {
            return Ok(Vec::new());
        }
        let root = workspace.place().map_err(anyhow::Error::from)?;
        let plan = outputs::plan(&patterns, root, before, &self.cwd)?;
        let Making { lease, entropy, .. } = making;
        Ok(saving::save(&plan, lease, entropy, &|| go_on(signals))?)
    }

    /// Says what may have been meant where the command could not be started.
    fn advise(&self, err: anyhow::Error, workspace: &Workspace) -> anyhow::Result<Status> {
        let Some(name) = self.args.command.first().map(Path::new) else { return Err(err) };
        let there = self.cwd.join(name).is_file();
        if there && !self.args.layout.inputs.is_empty() && self.args.command.len() > 1 {
            let hint = "--in takes one file, and is given again for each: --in A --in B";
            return Err(err).hint(hint);
        }
        if !there && name.components().count() > 1 && workspace.path().join(name).is_file() {
            let name = name.display();
            return Err(err).hint(format!(
                "it is looked for where you are; for the one in the workspace: sh -c {name}"
            ));
        }
        Err(err)
    }

    /// Writes the report, if one is wanted. `status` is what tmpx ends with.
    fn report(
        &self,
        status: Status,
        ran: Option<Ran>,
        workspace: &Workspace,
        saved: &[PathBuf],
        kept: bool,
        making: &mut Making,
    ) -> Status {
        let Some(file) = &self.args.run.report else {
            return status;
        };
        let ended = ran.map(|ran| ran.ended);
        let words: Vec<Raw> = self.args.command.iter().cloned().map(Raw).collect();
        let report = Executed {
            command: &words,
            workspace: WorkspaceKey::of(workspace.path()),
            status: ended.and_then(|ended| ended.status.code()),
            signal: ended.and_then(|ended| ended.status.signal()),
            timed_out: ran.is_some_and(|ran| ran.status == Status::TimedOut),
            exit: status.code(),
            wall_ms: milliseconds(ran.map(|ran| ran.wall)),
            user_ms: milliseconds(ended.map(|ended| ended.user)),
            system_ms: milliseconds(ended.map(|ended| ended.system)),
            peak_memory_bytes: ended.map_or(0, |ended| ended.peak_memory),
            outputs: saved.iter().map(|path| PathKey::of(path)).collect(),
            kept,
        };
        match write_report(file, &report, making) {
            Ok(()) => status,
            Err(err) => unreported(&err, status),
        }
    }
}

/// Refuses what a command with a /tmp of its own could not see.
fn refuse_hidden(args: &Exec, cwd: &Path) -> anyhow::Result<()> {
    if args.run.here && private::hides(cwd) {
        return Err(usage("--here: with --private-tmp this directory is not seen"));
    }
    let program = args.command.first().map(Path::new).filter(|name| name.components().count() > 1);
    match program {
        Some(program) if private::hides(cwd.join(program).parent().unwrap_or(cwd)) => {
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
fn unnamed(place: &Place, making: &mut Making) -> anyhow::Result<OwnedFd> {
    let Making { lease, entropy, .. } = making;
    let file = Unnamed::make(lease, entropy, place.try_clone()?, 0o600)?;
    Ok(file.as_fd().try_clone_to_owned()?)
}

/// Gives the workspace over to the user.
fn keep_it(workspace: &Workspace, making: &mut Making) -> anyhow::Result<()> {
    let path: &Path = workspace.path();
    making
        .lease
        .change_lifetime(Lifetime::Manual, &mut making.entropy)
        .hint("it goes with the next 'tmpx cleanup'")
        .with_context(|| format!("could not keep {}", path.display()))?;
    if path.exists() {
        note(format_args!("kept {}", path.display()));
        hint("'tmpx cleanup' takes it with --all or by its path");
    }
    Ok(())
}

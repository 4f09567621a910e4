//! Carries a planned run out: creates the workspace, runs the command, and finishes with outputs,
//! report and workspace.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::KeepPolicy;
use crate::commands::context::Context;
use crate::commands::errors::{NotKept, print_error, status_of};
use crate::commands::exec::job::Job;
use crate::commands::scratch::{remove_scratch, write_report};
use crate::create::Transaction;
use crate::fs::Dir;
use crate::lease::{CreateOptions, Kind, Lifetime, NameRule, TmpFile};
use crate::os::{Env, Mounts};
use crate::process::{Child, Command, ExitOutcome, Orphans, check_interrupt};
use crate::streams::Target;
use crate::sys::SignalQueue;
use crate::ui::{
    ExecReport, print_hint, print_note, print_note_on_terminal, sh_quote, with_progress,
};
use crate::values::{OsJson, PathField, Status, Template, WorkspaceField};
use crate::workspace::{
    Pattern, Plan, PlanError, ShadowedMatches, Snapshot, TEMP_DIR, Workspace, private_tmp, save,
};

/// A run whose workspace exists.
pub(super) struct Run<'a> {
    job: &'a Job,
    transaction: &'a mut Transaction,
    signals: &'a SignalQueue,
    /// The directory that the workspace is in.
    parent: Dir,
    workspace: Workspace,
    /// The workspace before the command runs.
    snapshot: Snapshot,
}

/// How a run ended.
pub(super) struct Ended {
    /// The status that tmpx exits with.
    pub(super) status: Status,
    /// The workspace, which may be removed.
    pub(super) workspace: PathBuf,
    /// The mounts of the command, if it had some of its own.
    pub(super) mounts: Option<Mounts>,
}

/// Why outputs were not saved.
struct Unsaved {
    cause: anyhow::Error,
    /// Whether that is due to a pattern that matches nothing, perhaps because of a typo.
    is_no_match: bool,
}

/// What was saved.
#[derive(Default)]
struct Saved {
    paths: Vec<PathBuf>,
    /// Whether the workspace has more that a pattern may have meant.
    has_rest: bool,
}

/// How long a workspace is kept if the caller may have meant something else than what was saved.
const DAY: Duration = Duration::from_hours(24);

impl<'a> Run<'a> {
    /// Creates the workspace and commits its lease.
    pub(super) fn prepare(
        job: &'a Job,
        transaction: &'a mut Transaction,
        signals: &'a SignalQueue,
        env: &Env,
    ) -> anyhow::Result<Self> {
        let (parent, workspace) = create_workspace(job, transaction, signals, env)?;
        // Only a wildcard asks which files are unchanged.
        let snapshot = if job.patterns.iter().any(Pattern::may_have_wildcard) {
            Snapshot::record(workspace.dir())
        } else {
            Snapshot::default()
        };
        transaction.lease_mut().commit()?;
        transaction.take_warnings().iter().for_each(print_note);
        Ok(Self { job, transaction, signals, parent, workspace, snapshot })
    }

    /// Runs the command to its end.
    pub(super) fn execute(
        &mut self,
        context: &Context,
        orphans: &Orphans,
    ) -> anyhow::Result<ExitOutcome> {
        let files = self.anonymous_files()?;
        let command = self.command(files, context)?;
        check_interrupt(self.signals)?;
        if self.job.is_scratch_shell {
            let path = self.workspace.path().display();
            print_note(format_args!("scratch shell in {path}; 'exit' ends it"));
        }
        let outcome = Child::start(command, self.signals)
            .map_err(|err| self.job.explain(err))
            .and_then(|child| {
                // Without it, the lock alone keeps the workspace if tmpx is killed.
                if let Some(process) = child.process() {
                    let private_tmp = child.mounts().and_then(private_tmp::record);
                    let _ = self.transaction.lease_mut().record_command(process, private_tmp);
                }
                child.wait(self.signals, self.job.limits, orphans.earlier())
            });
        outcome.inspect_err(|err| {
            let status = status_of(err).unwrap_or(Status::TmpxFailed);
            self.report(status, None, &[], false);
        })
    }

    /// Opens the unnamed files of `--anon-fd`.
    fn anonymous_files(&mut self) -> anyhow::Result<Vec<(OwnedFd, i32)>> {
        let Self { job, transaction, parent, .. } = self;
        let open = |&number: &i32| {
            let file = TmpFile::create(transaction.lease_mut(), parent.try_clone()?, 0o600)?;
            Ok((file.as_fd().try_clone_to_owned()?, number))
        };
        job.args.run.anon_fds.iter().map(open).collect()
    }

    fn command<'b>(
        &'b self,
        files: Vec<(OwnedFd, i32)>,
        context: &'b Context,
    ) -> anyhow::Result<Command<'b>> {
        let Job { args, cwd, .. } = self.job;
        let mut command = Command::new(args.command.clone(), &context.env, cwd);
        if args.run.here {
            self.workspace.set_env(&mut command);
        } else {
            self.workspace.run_inside(&mut command, cwd.path());
        }
        if args.run.private_tmp {
            let here = args.run.here.then(|| cwd.require()).transpose()?;
            self.workspace.isolate_tmp(&mut command, here)?;
        }
        for (file, number) in files {
            command.pass_fd(file, number);
        }
        Ok(command)
    }

    /// Saves the outputs, writes the report, and keeps or removes the workspace. Reports every
    /// failure; none hides the status of a command that failed itself.
    pub(super) fn finish(mut self, outcome: ExitOutcome) -> Ended {
        self.print_timeout(&outcome);
        let policy = self.job.args.run.keep;
        let mut status = outcome.status;
        let mut keep = match policy {
            Some(KeepPolicy::Always) => Some(Lifetime::Manual),
            Some(KeepPolicy::OnFailure) if status != Status::Command(0) => Some(Lifetime::Manual),
            Some(KeepPolicy::OnFailure) | None => None,
        };
        let saved = self.save_outputs(status).unwrap_or_else(|unsaved| {
            print_error(&unsaved.cause);
            // Removing the workspace would lose what the caller asked for.
            keep = Some(if unsaved.is_no_match && policy.is_none() {
                self.transaction.lease().for_another(DAY)
            } else {
                Lifetime::Manual
            });
            if status == Status::Command(0) {
                status = status_of(&unsaved.cause).unwrap_or(Status::TmpxFailed);
            }
            Saved::default()
        });
        if saved.has_rest {
            keep.get_or_insert_with(|| self.transaction.lease().for_another(DAY));
        }
        self.print_saved(&saved.paths);
        let status = self.report(status, Some(outcome), &saved.paths, keep.is_some());
        match keep.map(|lifetime| self.keep_workspace(lifetime)) {
            None => remove_scratch(self.transaction),
            Some(Ok(())) => {}
            Some(Err(err)) => print_error(&err.into()),
        }
        let workspace = self.workspace.path().to_owned();
        Ended { status, workspace, mounts: outcome.mounts }
    }

    /// Tells a person at a terminal where the outputs are.
    fn print_saved(&self, saved: &[PathBuf]) {
        const SHOWN: usize = 3;
        if saved.is_empty() {
            return;
        }
        let cwd = self.job.cwd.path();
        let name = |path: &PathBuf| {
            let below = cwd.and_then(|cwd| path.strip_prefix(cwd).ok());
            below.unwrap_or(path).display().to_string()
        };
        let names: Vec<String> = saved.iter().take(SHOWN).map(name).collect();
        let names = names.join(", ");
        match saved.len().saturating_sub(SHOWN) {
            0 => print_note_on_terminal(format_args!("saved {names}")),
            more => print_note_on_terminal(format_args!("saved {names} and {more} more")),
        }
    }

    fn print_timeout(&self, outcome: &ExitOutcome) {
        if let (Status::TimedOut, Some(timeout)) = (outcome.status, self.job.limits.timeout) {
            let was_killed = outcome.info.status.signal() == Some(libc::SIGKILL);
            let killed = if was_killed { " and was killed" } else { "" };
            let timeout = humantime::format_duration(timeout);
            print_note(format_args!("timed out after {timeout}{killed}"));
        }
    }

    /// Saves the outputs that the command's status calls for.
    fn save_outputs(&mut self, status: Status) -> Result<Saved, Unsaved> {
        let succeeded = status == Status::Command(0);
        let patterns = self.job.patterns.iter();
        let patterns: Vec<&Pattern> =
            patterns.filter(|pattern| succeeded || !pattern.on_success()).collect();
        if patterns.is_empty() {
            return Ok(Saved::default());
        }
        // Without a path of the caller's directory, all targets are absolute.
        let cwd = self.job.cwd.path().unwrap_or(Path::new(""));
        let mut plan = Plan::new(&patterns, self.workspace.dir(), &self.snapshot, cwd)?;
        let check_interrupt = || Ok(check_interrupt(self.signals)?);
        let mut skipped = plan.take_skipped();
        // If it cannot be found, the report will say why.
        let report = self.job.args.run.report.as_deref().and_then(|file| Target::find(file).ok());
        let lease = self.transaction.lease_mut();
        let saved = save::save(&plan, report.as_ref(), lease, &mut skipped, &check_interrupt);
        skipped.lines().for_each(print_note);
        let paths = saved.map_err(|cause| Unsaved { cause, is_no_match: false })?;
        let shadowed = plan.take_shadowed();
        for ShadowedMatches { spec, on_success, files } in &shadowed {
            let option = if *on_success { "--out" } else { "--out-always" };
            let spec = spec.display();
            print_note(format_args!(
                "{option} {spec}: saved the file of this name; as a pattern, this also matches {files}"
            ));
        }
        Ok(Saved { paths, has_rest: !shadowed.is_empty() })
    }

    /// Writes the report, if `--report` asks for one. Returns the status that tmpx exits with.
    fn report(
        &mut self,
        status: Status,
        outcome: Option<ExitOutcome>,
        saved: &[PathBuf],
        kept: bool,
    ) -> Status {
        let Some(file) = &self.job.args.run.report else {
            return status;
        };
        let info = outcome.map(|outcome| outcome.info);
        let words: Vec<OsJson> = self.job.args.command.iter().cloned().map(OsJson).collect();
        let report = ExecReport {
            command: &words,
            workspace: WorkspaceField::of(self.workspace.path()),
            status: info.and_then(|info| info.status.code()),
            signal: info.and_then(|info| info.status.signal()),
            timed_out: outcome.is_some_and(|outcome| outcome.status == Status::TimedOut),
            exit: status.code(),
            wall_ms: milliseconds(outcome.map(|outcome| outcome.wall)),
            user_ms: milliseconds(info.map(|info| info.user)),
            system_ms: milliseconds(info.map(|info| info.system)),
            peak_memory_bytes: info.map_or(0, |info| info.peak_memory),
            outputs: saved.iter().map(|path| PathField::of(path)).collect(),
            kept,
        };
        write_report(Some(file), &report, status, || Ok(self.transaction.lease_mut()))
    }

    /// Lets the workspace outlive tmpx, and prints its path.
    fn keep_workspace(&mut self, lifetime: Lifetime) -> Result<(), NotKept> {
        let path = self.workspace.path();
        let term = if lifetime == Lifetime::Manual { "" } else { " for a day" };
        self.transaction
            .lease_mut()
            .change_lifetime(lifetime)
            .map_err(|cause| NotKept { path: path.to_owned(), cause })?;
        // Only a command that has removed it leaves nothing to report.
        if path.try_exists().unwrap_or(true) {
            print_note(format_args!("kept {}{term}", path.display()));
            let word = sh_quote::quote(path.as_os_str());
            print_hint(format_args!("remove it with: tmpx cleanup {}", word.display()));
        }
        Ok(())
    }
}

impl From<PlanError> for Unsaved {
    fn from(err: PlanError) -> Self {
        let spec = match &err {
            PlanError::NoMatch { spec, .. } => Some(spec.clone()),
            _ => None,
        };
        let is_no_match = spec.is_some();
        let cause = anyhow::Error::new(err);
        let cause = match spec {
            Some(spec) => cause.context(format!("--out {}", spec.display())),
            None => cause,
        };
        Self { cause, is_no_match }
    }
}

fn create_workspace(
    job: &Job,
    transaction: &mut Transaction,
    signals: &SignalQueue,
    env: &Env,
) -> anyhow::Result<(Dir, Workspace)> {
    let has_default_name = job.args.place.is_default();
    let (dir, name) = job.args.place.clone().resolve(None)?;
    let name = match name {
        NameRule::Random(_) if has_default_name && is_in_workspace(env) => {
            NameRule::Random(Template::without_affixes())
        }
        name => name,
    };
    let options = CreateOptions { kind: Kind::Dir, name, mode: None, keep_open: true };
    let (parent, created) = transaction.create_one(dir.as_deref(), &options)?;
    transaction.lease_mut().inherit_lock()?;
    let workspace = Workspace::of(&parent, created, job.args.place.mode)?;
    let skipped = with_progress(job.layout.has_inputs(), |line| {
        workspace.populate(&job.layout, &|| Ok(check_interrupt(signals)?), &line.progress)
    })?;
    skipped.lines().for_each(print_note);
    if job.args.run.private_tmp {
        workspace.create_private_tmp()?;
    }
    workspace.open_up()?;
    Ok((parent, workspace))
}

/// Whether the temp dir is that of another workspace. Names are shorter there: they cannot be
/// confused with those of other programs, and paths of nested workspaces must stay short enough for the
/// sockets in them (unix(7)).
fn is_in_workspace(env: &Env) -> bool {
    let outer = env.get("TMPX_WORKSPACE").map(PathBuf::from);
    outer.is_some_and(|outer| env.get("TMPDIR").is_some_and(|dir| outer.join(TEMP_DIR) == dir))
}

fn milliseconds(time: Option<Duration>) -> u64 {
    u64::try_from(time.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

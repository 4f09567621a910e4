//! `tmpx exec`: run a command in a workspace that is gone when it ends.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

use super::Context;
use crate::cli::{Exec, Keep};
use crate::duration::Span;
use crate::error::{Status, Tell as _};
use crate::exec::{self, Command, Limits};
use crate::lease::Terms;
use crate::lease::create::{Naming, Wanted};
use crate::lease::record::{Kind, Lifetime};
use crate::making::Making;
use crate::output::note;
use crate::passing::{clear_away, tell};
use crate::sys::SignalQueue;
use crate::template::Template;
use crate::terms::{self, Wish};
use crate::workspace::Workspace;
use crate::workspace::layout::Layout;
use crate::workspace::outputs::{self, Before, Pattern, Unsaved};

pub(super) fn run(args: Exec, context: &Context) -> anyhow::Result<Status> {
    let job = Job::plan(&args)?;
    let wish = Wish { session: args.run.session, keep: true, ..Wish::default() };
    let terms = terms::settle(wish, &context.env, &context.args, &mut |text| note(text))?;
    let terms = Terms { lifetime: Lifetime::Command, ..terms };
    let template = Template::new(args.place.prefix.as_ref(), args.place.suffix.as_ref());
    let wanted = Wanted { kind: Kind::Dir, name: Naming::Random(template), mode: None };

    let mut making = Making::new(terms, &context.env)?;
    let signals = exec::queue(context.signals);
    let status = making.attempt(|making| {
        let (place, made) = making.first(args.place.dir.as_deref(), &wanted, 1, &mut |_| Ok(()))?;
        making.lease.bequeath_lock().context("could not keep the lock")?;
        let workspace = Workspace::of(&place, &made)?;
        workspace.lay_out(&job.layout, args.place.mode, &|| go_on(&signals))?;
        let before = job.look_before(&workspace)?;
        making.lease.give()?;
        making.take_notes().iter().for_each(note);
        let mut command = Command::new(args.command, &context.env, &job.cwd);
        workspace.announce(&mut command);
        if !args.run.here {
            workspace.take_in(&mut command, &job.cwd);
        }
        go_on(&signals)?;
        let status = exec::run(command, &signals, job.limits)?;
        Ok(job.finish(status, &workspace, &before, making))
    })?;
    making.conclude(&context.env);
    Ok(status)
}

/// What is to be done around the command.
struct Job {
    cwd: PathBuf,
    layout: Layout,
    patterns: Vec<Pattern>,
    keep: Option<Keep>,
    limits: Limits,
}

impl Job {
    /// Checks everything that can be checked before anything is made.
    fn plan(args: &Exec) -> anyhow::Result<Self> {
        let outputs = args.run.outputs.iter().map(|spec| Pattern::parse(spec, true));
        let always = args.run.outputs_always.iter().map(|spec| Pattern::parse(spec, false));
        Ok(Self {
            cwd: std::env::current_dir().context("could not find the working directory")?,
            layout: Layout::plan(&args.layout.mkdir, &args.layout.inputs)?,
            patterns: outputs.chain(always).collect::<anyhow::Result<_>>()?,
            keep: args.run.keep,
            limits: Limits {
                timeout: args.run.timeout.map(|Span(timeout)| timeout),
                kill_after: args.run.kill_after.0,
            },
        })
    }

    fn look_before(&self, workspace: &Workspace) -> anyhow::Result<Before> {
        if self.patterns.is_empty() {
            Ok(Before::default())
        } else {
            Before::look(workspace.path())
        }
    }

    /// Saves the outputs, then keeps the workspace or clears it away. Whatever fails here is told
    /// and masks no status that the command ended with.
    fn finish(
        &self,
        ended: Status,
        workspace: &Workspace,
        before: &Before,
        making: &mut Making,
    ) -> Status {
        let mut status = ended;
        let mut keep = match self.keep {
            Some(Keep::Always) => true,
            Some(Keep::OnFailure) => ended != Status::Command(0),
            None => false,
        };
        if let Err(unsaved) = self.save(ended, workspace, before, making) {
            tell(&unsaved.cause);
            keep |= unsaved.would_be_lost || self.keep.is_some();
            if ended == Status::Command(0) {
                status = Status::Broken;
            }
        }
        let done = if keep { keep_it(workspace, making) } else { clear_away(making) };
        if let Err(err) = done {
            tell(&err);
        }
        status
    }

    fn save(
        &self,
        ended: Status,
        workspace: &Workspace,
        before: &Before,
        making: &mut Making,
    ) -> Result<(), Unsaved> {
        let succeeded = ended == Status::Command(0);
        let patterns: Vec<&Pattern> =
            self.patterns.iter().filter(|pattern| succeeded || !pattern.required).collect();
        if patterns.is_empty() {
            return Ok(());
        }
        let plan = outputs::plan(&patterns, workspace.path(), before, &self.cwd)?;
        outputs::save(plan, &mut making.lease, &mut making.entropy)?;
        Ok(())
    }
}

/// A signal that comes before the command runs ends the preparations. The terminal's must not be
/// missed either: there is no command yet that it would reach.
fn go_on(signals: &SignalQueue) -> anyhow::Result<()> {
    match signals.wish_to_end() {
        Some(signal) => Err(anyhow!("interrupted")).status(Status::Signal(signal)),
        None => Ok(()),
    }
}

/// Gives the workspace over to the user.
fn keep_it(workspace: &Workspace, making: &mut Making) -> anyhow::Result<()> {
    let path: &Path = workspace.path();
    making
        .lease
        .change_lifetime(Lifetime::Manual, &mut making.entropy)
        .hint("it goes with the next 'tmpx cleanup'")
        .with_context(|| format!("could not keep {}", path.display()))?;
    note(format_args!("kept {}", path.display()));
    Ok(())
}

//! Removes what the user selected, prints the paths, and sums up.

use std::io;

use anyhow::Context as _;

use crate::cache::CacheStore;
use crate::cli::CleanupArgs;
use crate::commands::cleanup::hinted::Rerun;
use crate::commands::cleanup::summary::Summary;
use crate::commands::context::Context;
use crate::commands::errors::InvalidUse;
use crate::commands::named_paths::NamedPaths;
use crate::lease::{Resource, Stores};
use crate::reclaim::{LeaseProblem, Observer, Outcome, Selection, Sweep, SystemState, reaper};
use crate::remove::{Mode, Removal};
use crate::ui::{CleanupRow, Output, ProgressLine, print_note, with_progress};
use crate::values::message::render;
use crate::values::{PathField, Span, Status};

pub(crate) fn run(args: &CleanupArgs, context: &Context) -> anyhow::Result<Status> {
    let mut named = NamedPaths::new(&args.paths);
    let selection = selection(args, &named)?;
    let mode = if args.dry_run { Mode::DryRun } else { Mode::Remove };
    let (stores, problems) = Stores::new(&context.env)?.existing();
    let system = SystemState::now();
    let mut output = Output::new(args.output.format());
    let mut summary = Summary::new(mode, args.quiet, &selection, Rerun::of(context.env.args()));
    for problem in problems {
        summary.add_problem(render(&problem.into()));
    }
    for store in &stores {
        let swept = with_progress(!args.quiet, |progress| {
            let counters = Some(&progress.progress);
            let count_bytes = args.output.json || !args.quiet;
            let removal = Removal { mode, count_bytes, progress: counters };
            let mut report = Report {
                args,
                mode,
                progress,
                named: &mut named,
                output: &mut output,
                summary: &mut summary,
            };
            let system = system.for_store(store);
            Sweep::new(store, &selection, &system, removal).all(&mut report)
        });
        swept.context("could not write to stdout")?;
        reaper::wake(store, &system.namespaces);
    }
    output.flush().context("could not write to stdout")?;
    for (path, exists) in named.uncovered() {
        summary.add_uncovered(&path.given, exists);
    }
    summary.print();
    if !selection.is_restricted() {
        remove_expired_outputs(mode, args.quiet, context);
    }
    Ok(if summary.has_failed() { Status::Failed } else { Status::Success })
}

/// Removes expired entries of the cache. What is wrong with the cache is no failure of a cleanup.
fn remove_expired_outputs(mode: Mode, is_quiet: bool, context: &Context) {
    let Ok(Some(store)) = CacheStore::open(&context.env) else { return };
    let removes = mode == Mode::Remove;
    let Ok(expired) = store.remove_expired(removes) else { return };
    if expired.count > 0 && !is_quiet {
        let act = if removes { "removed" } else { "would remove" };
        print_note(format_args!("{act} {}", expired.describe("expired cache")));
    }
}

fn selection(args: &CleanupArgs, named: &NamedPaths) -> anyhow::Result<Selection> {
    let selection = Selection {
        older_than: args.select.older_than.map(|Span(least)| least),
        session: args.select.session.clone(),
        all: args.select.all,
        paths: named.real(),
        force: args.force,
        forget: args.forget,
        other_jobs: args.other_jobs,
    };
    if args.force && !selection.includes_manual() {
        return Err(InvalidUse::ForceWithoutSelection.into());
    }
    Ok(selection)
}

/// Prints what a sweep does.
struct Report<'a, 's> {
    args: &'a CleanupArgs,
    mode: Mode,
    progress: &'a ProgressLine,
    named: &'a mut NamedPaths,
    output: &'a mut Output,
    summary: &'a mut Summary<'s>,
}

impl Observer for Report<'_, '_> {
    fn outcome(&mut self, id: &str, resource: &Resource, outcome: Outcome) -> io::Result<()> {
        let path = resource.path();
        self.progress.suspend(|| {
            self.summary.add(&path, &outcome);
            if self.args.output.json {
                self.output.object(&row(id, &path, &outcome, self.mode))
            } else if matches!(outcome, Outcome::Removed(_)) && !self.args.quiet {
                self.output.result(&path, || ())
            } else {
                Ok(())
            }
        })?;
        self.named.cover(resource);
        Ok(())
    }

    fn problem(&mut self, problem: LeaseProblem) {
        self.progress.suspend(|| self.summary.add_problem(problem));
    }
}

fn row<'a>(
    id: &'a str,
    path: &'a std::path::Path,
    outcome: &Outcome,
    mode: Mode,
) -> CleanupRow<'a> {
    let (action, reason, freed) = match outcome {
        Outcome::Removed(freed) if mode == Mode::DryRun => ("would_remove", None, Some(*freed)),
        Outcome::Removed(freed) => ("removed", None, Some(*freed)),
        Outcome::Kept(reason) => ("kept", Some(reason.to_string()), None),
        Outcome::GivenUp if mode == Mode::DryRun => ("would_give_up", None, None),
        Outcome::GivenUp => ("given_up", None, None),
        Outcome::Failed { failures, freed, .. } => {
            ("failed", failures.first().map(|(_, why)| why.clone()), Some(*freed))
        }
    };
    CleanupRow {
        path: PathField::of(path),
        lease: id,
        action,
        reason,
        entries: freed.map(|freed| freed.entries),
        bytes: freed.map(|freed| freed.bytes),
    }
}

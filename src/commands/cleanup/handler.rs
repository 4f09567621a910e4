//! `tmpx cleanup`: remove what is no longer wanted, and say what was kept and why.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::cli::CleanupArgs;
use crate::commands::context::Context;
use crate::lease::{Resource, Stores};
use crate::reclaim::{KeepReason, Outcome, Selection, Sweep, SystemState, reaper};
use crate::remove::{Mode, Removal, Usage};
use crate::ui::{CleanupRow, Output, print_hint, print_note, with_progress};
use crate::values::error::usage;
use crate::values::{ByteSize, PathField, Span, Status};

pub(crate) fn run(args: &CleanupArgs, context: &Context) -> anyhow::Result<Status> {
    let selection = selection(args)?;
    let act = if args.dry_run { Mode::DryRun } else { Mode::Remove };
    let weigh = args.output.json || !args.quiet;
    let (stores, problems) = Stores::new(&context.env)?.existing();
    let present = SystemState::now();
    let mut tally = Tally::new(args, act);
    let there = |path: &&PathBuf| path.symlink_metadata().is_ok();
    tally.there = selection.paths.iter().filter(there).cloned().collect();
    for problem in problems {
        tally.report_problem(&problem);
    }
    for store in &stores {
        let mut problems = Vec::new();
        with_progress(!args.quiet, |shown| {
            let removal =
                Removal { mode: act, count_bytes: weigh, progress: Some(&shown.progress) };
            let sweep = Sweep::new(store, &selection, &present, removal);
            let problem = &mut |problem: &str| problems.push(problem.to_owned());
            sweep.all(problem, &mut |id, resource, fate| {
                shown.suspend(|| tally.add(id, resource, &fate))
            })
        })?;
        for problem in &problems {
            tally.report_problem(problem);
        }
        reaper::wake(store, &present.habitat);
    }
    tally.output.flush().context("could not write to stdout")?;
    Ok(tally.conclude(&selection, args))
}

fn selection(args: &CleanupArgs) -> anyhow::Result<Selection> {
    let select = &args.select;
    let selects = select.all
        || select.session.is_some()
        || select.older_than.is_some()
        || !args.paths.is_empty();
    if args.force && !selects {
        return Err(usage(
            "--force has to be told what to take: a PATH, --session, --older-than or --all",
        ));
    }
    Ok(Selection {
        older_than: select.older_than.map(|Span(least)| least),
        session: select.session.clone(),
        all: select.all,
        paths: args.paths.iter().map(|path| real_path(path)).collect(),
        force: args.force,
    })
}

/// The real path of an entry: its directory's, and its own name, which may be gone by now.
fn real_path(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (absolute.parent().map(std::fs::canonicalize), absolute.file_name()) {
        (Some(Ok(dir)), Some(name)) => dir.join(name),
        (_, None) => std::fs::canonicalize(&absolute).unwrap_or(absolute),
        _ => absolute,
    }
}

/// What has been done so far, told as it goes.
struct Tally<'a> {
    args: &'a CleanupArgs,
    act: Mode,
    output: Output,
    freed: Usage,
    removed: u64,
    /// How many of which something stays.
    in_part: u64,
    kept: BTreeMap<&'static str, u64>,
    met: HashSet<PathBuf>,
    /// The named paths that were there at the beginning.
    there: HashSet<PathBuf>,
    failed: bool,
}

impl<'a> Tally<'a> {
    fn new(args: &'a CleanupArgs, act: Mode) -> Self {
        Self {
            args,
            act,
            output: Output::new(args.output.format()),
            freed: Usage::default(),
            removed: 0,
            in_part: 0,
            kept: BTreeMap::new(),
            met: HashSet::new(),
            there: HashSet::new(),
            failed: false,
        }
    }

    fn report_problem(&mut self, problem: &str) {
        print_note(problem);
        self.failed = true;
    }

    fn add(&mut self, id: &str, resource: &Resource, fate: &Outcome) -> anyhow::Result<()> {
        let path = resource.path();
        self.count(&path, fate);
        let removed = matches!(fate, Outcome::Removed(_));
        if self.args.output.json {
            self.output.object(&cleanup_row(id, &path, fate, self.act))
        } else if removed && !self.args.quiet {
            self.output.result(&path, || ())
        } else {
            Ok(())
        }
        .context("could not write to stdout")
    }

    fn count(&mut self, path: &Path, fate: &Outcome) {
        match fate {
            Outcome::Removed(freed) => {
                self.removed += 1;
                self.freed += *freed;
            }
            Outcome::Kept(kept) => {
                *self.kept.entry(kept.word()).or_default() += 1;
                let is_news = match kept {
                    KeepReason::Manual | KeepReason::Live(_) | KeepReason::NotDue(_) => {
                        !self.args.paths.is_empty()
                    }
                    KeepReason::InUse(_) | KeepReason::OtherJob(_) => !self.args.quiet,
                    KeepReason::Replaced | KeepReason::Unseen | KeepReason::Unknown(_) => true,
                };
                if is_news {
                    print_note(format_args!("kept {}: {kept}", path.display()));
                }
                // Who names a path is told when it is still there.
                self.failed |= !self.args.paths.is_empty();
            }
            Outcome::Failed(failures, freed) => {
                self.failed = true;
                self.in_part += u64::from(freed.entries > 0);
                self.freed += *freed;
                for (path, why) in failures {
                    print_note(format_args!("could not remove {}: {why}", path.display()));
                }
            }
        }
        self.met.insert(path.to_owned());
    }

    /// Says what was done in one line, with a hint how to take what was kept.
    fn conclude(mut self, selection: &Selection, args: &CleanupArgs) -> Status {
        for (path, given) in selection.paths.iter().zip(&args.paths) {
            let known = path.symlink_metadata().is_ok();
            let was_known = self.there.contains(path);
            // Somebody else has removed what was there when this began: so it is gone.
            if !self.met.contains(path) && (known || !was_known) {
                let why = if known {
                    "tmpx did not make it, or not for you"
                } else {
                    "there is no such thing"
                };
                self.report_problem(&format!("could not remove {}: {why}", given.display()));
            }
        }
        if !args.quiet {
            print_note(self.summary());
            let kept = |word| self.kept.contains_key(word);
            if (kept("manual") || kept("not due")) && args.paths.is_empty() {
                print_hint(
                    "--all, --older-than, --session or a PATH take what is manual or not due",
                );
            }
            let asked = selection.includes_manual();
            let refused = kept("in use") || kept("of another job") || kept("live");
            if refused && asked {
                print_hint(
                    "--force with one of --all, --older-than, --session or a PATH takes what is in use",
                );
            }
        }
        if self.failed { Status::Failed } else { Status::Success }
    }

    fn summary(&self) -> String {
        let done = if self.act == Mode::DryRun { "would remove" } else { "removed" };
        let mut summary = format!("{done} {}", self.removed);
        if self.in_part > 0 {
            let _ = write!(summary, ", {} in part", self.in_part);
        }
        if self.removed + self.in_part > 0 {
            let _ = write!(summary, " ({})", ByteSize(self.freed.bytes));
        }
        for (n, (word, count)) in self.kept.iter().enumerate() {
            summary += if n == 0 { ", kept " } else { ", " };
            let _ = write!(summary, "{count} {word}");
        }
        summary
    }
}

fn cleanup_row<'a>(id: &'a str, path: &'a Path, fate: &Outcome, act: Mode) -> CleanupRow<'a> {
    let (action, reason, freed) = match fate {
        Outcome::Removed(freed) if act == Mode::DryRun => ("would_remove", None, Some(*freed)),
        Outcome::Removed(freed) => ("removed", None, Some(*freed)),
        Outcome::Kept(kept) => ("kept", Some(kept.to_string()), None),
        Outcome::Failed(failures, freed) => {
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

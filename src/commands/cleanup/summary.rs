//! Counts what a cleanup did, and says so on stderr.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::commands::cleanup::hinted::Rerun;
use crate::commands::cleanup::kept::Kept;
use crate::commands::named_paths::uncovered;
use crate::fs::Obstacle;
use crate::reclaim::{KeepReason, Outcome, Remedy, Selection};
use crate::remove::{Mode, Usage};
use crate::ui::{print_hint, print_note, sh_quote};
use crate::values::ByteSize;

/// The totals so far.
#[derive(Debug)]
pub(super) struct Summary<'a> {
    mode: Mode,
    is_quiet: bool,
    selection: &'a Selection,
    /// The command line with one more option, for hints.
    rerun: Rerun,
    removed: Removed,
    kept: Kept<'a>,
    /// How many resources of each directory were given up.
    given_up: BTreeMap<PathBuf, u64>,
    failed: bool,
    /// Whether all leases could be read. Otherwise one of the others may cover what none seems to cover.
    has_read_all: bool,
    /// The first entry that tmpx was not permitted to remove.
    denied: Option<PathBuf>,
}

/// What was removed.
#[derive(Debug, Default)]
struct Removed {
    whole: u64,
    /// How many resources were removed in part.
    in_part: u64,
    freed: Usage,
}

impl<'a> Summary<'a> {
    pub(super) fn new(mode: Mode, is_quiet: bool, selection: &'a Selection, rerun: Rerun) -> Self {
        Self {
            mode,
            is_quiet,
            selection,
            rerun,
            removed: Removed::default(),
            kept: Kept::new(selection, is_quiet),
            given_up: BTreeMap::new(),
            failed: false,
            has_read_all: true,
            denied: None,
        }
    }

    /// Counts what became of a resource, and prints what the user should know of it.
    pub(super) fn add(&mut self, path: &Path, outcome: &Outcome) {
        match outcome {
            Outcome::Removed(freed) => {
                self.removed.whole += 1;
                self.removed.freed += *freed;
            }
            Outcome::Kept(reason) => self.add_kept(path, reason),
            Outcome::GivenUp => {
                let dir = path.parent().unwrap_or(path).to_owned();
                *self.given_up.entry(dir).or_default() += 1;
            }
            Outcome::Failed { failures, freed, denied } => {
                self.failed = true;
                if self.denied.is_none() {
                    self.denied.clone_from(denied);
                }
                self.removed.in_part += u64::from(freed.entries > 0);
                self.removed.freed += *freed;
                for (path, why) in failures {
                    print_note(format_args!("could not remove {}: {why}", path.display()));
                }
            }
        }
    }

    fn add_kept(&mut self, path: &Path, reason: &KeepReason) {
        // A path that the user named and that was kept is a failure.
        self.failed |= self.selection.names_paths();
        self.kept.add(path, reason);
    }

    /// Prints why leases could not be read or changed.
    pub(super) fn add_problem(&mut self, problem: impl std::fmt::Display) {
        self.failed = true;
        self.has_read_all = false;
        print_note(problem);
    }

    /// Prints that a path which the user named is covered by no lease. One that does not exist is no
    /// failure: a lifetime may have been quicker than the last step of a script. No hint says how to
    /// remove what may not be tmpx's: the path may be a mistake.
    pub(super) fn add_uncovered(&mut self, given: &Path, exists: bool) {
        let path = given.display();
        if exists {
            self.failed = true;
            let why = uncovered(self.has_read_all);
            print_note(format_args!("could not remove {path}: {why}"));
        } else if !self.is_quiet {
            print_note(format_args!("nothing to remove: {path} does not exist"));
        }
    }

    /// Returns whether anything went wrong.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Prints the totals in one line, and hints at what removes the rest.
    pub(super) fn print(&self) {
        self.kept.print_groups();
        self.print_given_up();
        if self.is_quiet {
            return;
        }
        if self.selection.includes_manual() && !self.selection.names_paths() {
            self.kept.print_out_of_sight();
        }
        match self.empty_session() {
            Some(session) => print_note(format_args!("no resources in session {session}")),
            None => print_note(self.totals()),
        }
        if let Some(obstacle) = self.denied.as_deref().and_then(Obstacle::to_removal_of) {
            hint_at(&obstacle);
        }
        for (remedy, kept) in self.kept.remedies() {
            self.hint(remedy, &kept);
        }
    }

    /// Hints at what removes the resources that are `kept`, unless this cleanup is not meant to.
    fn hint(&self, remedy: Remedy, kept: &str) {
        let selects_more_than_ended = self.selection.includes_manual();
        match remedy {
            Remedy::Select => {
                let command = self.rerun.with("--all");
                print_hint(format_args!("{command} removes manual and timed ones too"));
            }
            Remedy::OtherJobs => {
                let command = self.rerun.with("--other-jobs");
                print_hint(format_args!("if no other job runs: {command}"));
            }
            Remedy::Force if selects_more_than_ended && !self.selection.force => {
                let command = self.rerun.with("--force");
                print_hint(format_args!("{command} removes what is {kept} too"));
            }
            Remedy::ForceByPath => self.kept.hint_at_unproven(),
            Remedy::Forget if selects_more_than_ended => {
                let command = self.rerun.with("--forget");
                print_hint(format_args!("{command} ends the leases of what is out of sight"));
            }
            Remedy::Force | Remedy::Forget => {}
        }
    }

    /// Prints what was given up, unless the user asked for that.
    fn print_given_up(&self) {
        if self.selection.forget {
            return;
        }
        for (dir, count) in &self.given_up {
            let (ended, dir) = (self.ended_leases_of(*count), dir.display());
            print_note(format_args!("{ended} in {dir}, out of sight for 30 days"));
        }
    }

    /// Returns the session if that is all that the user selected, and it matched nothing at all.
    fn empty_session(&self) -> Option<&str> {
        let Selection { all, older_than, .. } = self.selection;
        let selects_more = *all || older_than.is_some() || self.selection.names_paths();
        let is_empty = self.removed.whole + self.removed.in_part == 0
            && self.kept.is_empty()
            && self.given_up.is_empty()
            && !self.failed;
        self.selection.session.as_deref().filter(|_| is_empty && !selects_more)
    }

    fn ended_leases_of(&self, count: u64) -> String {
        let ended = if self.mode == Mode::DryRun { "would end" } else { "ended" };
        let resources = if count == 1 { "resource" } else { "resources" };
        format!("{ended} the leases of {count} {resources}")
    }

    fn totals(&self) -> String {
        if self.selection.forget {
            return self.ended_leases_of(self.given_up.values().sum());
        }
        let Removed { whole, in_part, freed } = self.removed;
        let removed = if self.mode == Mode::DryRun { "would remove" } else { "removed" };
        let mut totals = format!("{removed} {whole}");
        // Writing to a String cannot fail.
        if in_part > 0 {
            let _ = write!(totals, ", {in_part} in part");
        }
        if whole + in_part > 0 {
            let _ = write!(totals, " ({})", ByteSize(freed.bytes));
        }
        for (n, (word, count)) in self.kept.counts().enumerate() {
            totals += if n == 0 { ", kept " } else { ", " };
            let _ = write!(totals, "{count} {word}");
        }
        totals
    }
}

/// Hints at what removes an entry that tmpx was not permitted to remove.
fn hint_at(obstacle: &Obstacle) {
    let quoted = |path: &Path| sh_quote::quote(path.as_os_str());
    match obstacle {
        Obstacle::Immutable(path) => {
            let (path, quoted) = (path.display(), quoted(path));
            print_hint(format_args!(
                "{path} is immutable; root can change that: chattr -i {}",
                quoted.display()
            ));
        }
        Obstacle::AppendOnly(path) => {
            let (path, quoted) = (path.display(), quoted(path));
            print_hint(format_args!(
                "{path} is append-only; root can change that: chattr -a {}",
                quoted.display()
            ));
        }
        Obstacle::Foreign(path, user) => {
            let path = path.display();
            print_hint(format_args!(
                "{path} belongs to user {user}; that user or root can remove the rest"
            ));
        }
    }
}

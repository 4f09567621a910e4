//! Counts what a cleanup did, and says so on stderr.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::lease::Kind;
use crate::reclaim::{KeepReason, Outcome, Selection};
use crate::remove::{Mode, Usage};
use crate::ui::{print_hint, print_note};
use crate::values::ByteSize;

/// The totals so far.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact on its own; none excludes another"
)]
pub(super) struct Summary {
    mode: Mode,
    is_quiet: bool,
    /// Whether the user named paths.
    names_paths: bool,
    /// Whether the user selected more than what has ended, and may still add force.
    may_force: bool,
    /// Whether the user selected more than what has ended.
    has_selection: bool,
    freed: Usage,
    removed: u64,
    /// How many resources were removed in part.
    in_part: u64,
    kept: BTreeMap<&'static str, u64>,
    /// How many resources are out of sight, by their directories and the reasons.
    out_of_sight: BTreeMap<(PathBuf, String), u64>,
    /// How many resources of each directory were given up.
    given_up: BTreeMap<PathBuf, u64>,
    /// Whether the user asked for that.
    forgets: bool,
    /// Whether force would remove a path that is unproven.
    force_with_path_helps: bool,
    /// Whether a selection would remove some of the kept resources.
    selection_helps: bool,
    /// How many resources are kept because a process cannot be seen from here.
    unknown: u64,
    /// Whether removing other jobs' resources would remove some of the kept resources.
    other_jobs_helps: bool,
    /// Whether force would remove some of the kept resources.
    force_helps: bool,
    /// Whether the user named a path that tmpx did not create.
    names_foreign: bool,
    failed: bool,
}

impl Summary {
    pub(super) fn new(mode: Mode, is_quiet: bool, selection: &Selection) -> Self {
        Self {
            mode,
            is_quiet,
            names_paths: selection.names_paths(),
            has_selection: selection.includes_manual(),
            may_force: selection.includes_manual() && !selection.force,
            freed: Usage::default(),
            removed: 0,
            in_part: 0,
            kept: BTreeMap::new(),
            out_of_sight: BTreeMap::new(),
            given_up: BTreeMap::new(),
            forgets: selection.forget,
            force_with_path_helps: false,
            selection_helps: false,
            unknown: 0,
            other_jobs_helps: false,
            force_helps: false,
            names_foreign: false,
            failed: false,
        }
    }

    /// Counts what became of a resource, and prints what the user should know of it.
    pub(super) fn add(&mut self, path: &Path, outcome: &Outcome) {
        match outcome {
            Outcome::Removed(freed) => {
                self.removed += 1;
                self.freed += *freed;
            }
            Outcome::Kept(reason) => self.add_kept(path, reason),
            Outcome::GivenUp => *self.given_up.entry(dir_of(path)).or_default() += 1,
            Outcome::Failed { failures, freed } => {
                self.failed = true;
                self.in_part += u64::from(freed.entries > 0);
                self.freed += *freed;
                for (path, why) in failures {
                    print_note(format_args!("could not remove {}: {why}", path.display()));
                }
            }
        }
    }

    fn add_kept(&mut self, path: &Path, reason: &KeepReason) {
        *self.kept.entry(reason.word()).or_default() += 1;
        // A path that the user named and that was kept is a failure.
        self.failed |= self.names_paths;
        let is_news = match reason {
            KeepReason::Manual | KeepReason::Timed(_) => {
                self.selection_helps = true;
                self.names_paths
            }
            KeepReason::Live(_) => {
                self.force_helps = true;
                self.names_paths
            }
            KeepReason::InUse(_) => {
                self.force_helps = true;
                !self.is_quiet
            }
            KeepReason::OtherJob(_) => {
                self.other_jobs_helps = true;
                !self.is_quiet
            }
            // A container may leave thousands of them.
            KeepReason::Unknown(_) => {
                self.other_jobs_helps = true;
                self.unknown += u64::from(!self.names_paths);
                self.names_paths
            }
            // A directory that was removed may have had thousands.
            KeepReason::OutOfSight(absence) => {
                let count = self.out_of_sight.entry((dir_of(path), absence.to_string()));
                *count.or_default() += 1;
                self.names_paths
            }
            KeepReason::Unproven(_) => {
                self.force_with_path_helps = true;
                true
            }
            KeepReason::Replaced(_) | KeepReason::Unreadable(_) | KeepReason::InSight => true,
        };
        if is_news {
            print_note(format_args!("kept {}: {reason}{}", path.display(), advice(reason)));
        }
    }

    /// Prints what went wrong.
    pub(super) fn add_problem(&mut self, problem: impl std::fmt::Display) {
        self.failed = true;
        print_note(problem);
    }

    /// Prints that a path which the user named is covered by no lease.
    pub(super) fn add_uncovered(&mut self, given: &Path, exists: bool) {
        let why = if exists {
            self.names_foreign = true;
            "not created by tmpx for this user"
        } else {
            "No such file or directory"
        };
        self.add_problem(format_args!("could not remove {}: {why}", given.display()));
    }

    /// Returns whether anything went wrong.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Prints the totals in one line, and hints at what removes the rest.
    pub(super) fn print(&self) {
        if self.unknown > 0 {
            print_note(format_args!(
                "kept {}: whether their owners run cannot be seen from here",
                self.unknown
            ));
        }
        if !self.forgets {
            for (dir, count) in &self.given_up {
                let dir = dir.display();
                let gave_up = self.gave_up();
                print_note(format_args!("{gave_up} {count} that was not seen for 30 days: {dir}"));
            }
        }
        if self.is_quiet {
            return;
        }
        let tells_absence = self.has_selection && !self.names_paths;
        for ((dir, why), count) in self.out_of_sight.iter().filter(|_| tells_absence) {
            print_note(format_args!("kept {count} out of sight in {}: {why}", dir.display()));
        }
        print_note(self.totals());
        if self.selection_helps {
            print_hint("--all removes manual and timed ones too");
        }
        if self.other_jobs_helps {
            print_hint("if no other job runs, add --other-jobs to remove theirs too");
        }
        // A cleanup of what has ended is not meant to remove the others.
        if self.force_helps && self.may_force {
            print_hint("add --force to remove these too");
        }
        if self.force_with_path_helps {
            print_hint("--force and its PATH remove what is unproven");
        }
        if !self.out_of_sight.is_empty() && self.has_selection {
            print_hint("--forget ends the leases of what is out of sight");
        }
        if self.names_foreign {
            print_hint("rm -r removes what tmpx did not create");
        }
    }

    fn gave_up(&self) -> &'static str {
        if self.mode == Mode::DryRun { "would give up" } else { "gave up" }
    }

    fn totals(&self) -> String {
        if self.forgets {
            return format!("{} {}", self.gave_up(), self.given_up.values().sum::<u64>());
        }
        let removed = if self.mode == Mode::DryRun { "would remove" } else { "removed" };
        let mut totals = format!("{removed} {}", self.removed);
        // Writing to a String cannot fail.
        if self.in_part > 0 {
            let _ = write!(totals, ", {} in part", self.in_part);
        }
        if self.removed + self.in_part > 0 {
            let _ = write!(totals, " ({})", ByteSize(self.freed.bytes));
        }
        for (n, (word, count)) in self.kept.iter().enumerate() {
            totals += if n == 0 { ", kept " } else { ", " };
            let _ = write!(totals, "{count} {word}");
        }
        totals
    }
}

fn dir_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

/// Says what the user can do about a resource that tmpx will never remove.
fn advice(reason: &KeepReason) -> &'static str {
    match reason {
        KeepReason::Replaced(Kind::Dir) => "; remove it with rm -r",
        KeepReason::Replaced(_) => " (rewritten by sed -i or mv?); remove it with rm",
        _ => "",
    }
}

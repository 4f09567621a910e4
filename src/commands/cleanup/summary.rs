//! Counts what a cleanup did, and says so on stderr.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::lease::Kind;
use crate::reclaim::{KeepReason, Outcome, Selection};
use crate::remove::{Mode, Usage};
use crate::ui::{print_hint, print_note, sh_quote};
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
    /// The command line with one more option, for hints.
    rerun: Rerun,
    /// The session, if that is all that the user selected.
    session: Option<String>,
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
    /// What is reported in one line for each reason and owner, by that reason: how many, and the first.
    groups: BTreeMap<String, (u64, PathBuf)>,
    /// Whether a selection would remove some of the kept resources.
    selection_helps: bool,
    /// How many resources are kept because a process cannot be seen from here.
    unknown: u64,
    /// Whether removing other jobs' resources would remove some of the kept resources.
    other_jobs_helps: bool,
    /// Whether force would remove some of the kept resources.
    force_helps: bool,
    /// What the user named and tmpx did not create.
    foreign: Vec<PathBuf>,
    failed: bool,
}

impl Summary {
    pub(super) fn new(mode: Mode, is_quiet: bool, selection: &Selection, rerun: Rerun) -> Self {
        let selects_more =
            selection.all || selection.older_than.is_some() || selection.names_paths();
        Self {
            mode,
            is_quiet,
            rerun,
            session: selection.session.clone().filter(|_| !selects_more),
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
            groups: BTreeMap::new(),
            selection_helps: false,
            unknown: 0,
            other_jobs_helps: false,
            force_helps: false,
            foreign: Vec::new(),
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
        let (is_news, is_rare) = match reason {
            KeepReason::Manual | KeepReason::Timed(_) => {
                self.selection_helps = true;
                (false, false)
            }
            KeepReason::Live(_) => {
                self.force_helps = true;
                (false, false)
            }
            KeepReason::InUse(_) => {
                self.force_helps = true;
                (!self.is_quiet, false)
            }
            KeepReason::OtherJob(_) => {
                self.other_jobs_helps = true;
                (!self.is_quiet, false)
            }
            KeepReason::Unknown(_) => {
                self.other_jobs_helps = true;
                self.unknown += u64::from(!self.names_paths);
                (false, false)
            }
            // A directory that was removed may have had thousands.
            KeepReason::OutOfSight(absence) => {
                let count = self.out_of_sight.entry((dir_of(path), absence.to_string()));
                *count.or_default() += 1;
                (false, false)
            }
            KeepReason::Unproven(_) => {
                self.force_with_path_helps = true;
                (true, true)
            }
            // The lease may end with this message, so it is the last chance to learn the path.
            KeepReason::Replaced(_) | KeepReason::Unreadable(_) | KeepReason::InSight => {
                (true, true)
            }
        };
        if self.names_paths || is_rare {
            print_note(format_args!("kept {}: {reason}{}", path.display(), advice(reason)));
        } else if is_news {
            // A script or a container may leave thousands of them.
            let group = self.groups.entry(reason.to_string());
            group.or_insert_with(|| (0, path.to_owned())).0 += 1;
        }
    }

    /// Prints what went wrong.
    pub(super) fn add_problem(&mut self, problem: impl std::fmt::Display) {
        self.failed = true;
        print_note(problem);
    }

    /// Prints that a path which the user named is covered by no lease. One that does not exist is no
    /// failure: a lifetime may have been quicker than the last step of a script.
    pub(super) fn add_uncovered(&mut self, given: &Path, exists: bool) {
        let path = given.display();
        if exists {
            self.foreign.push(given.to_owned());
            let why = "not created by tmpx for this user";
            self.add_problem(format_args!("could not remove {path}: {why}"));
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
        for (reason, (count, first)) in &self.groups {
            match count {
                1 => print_note(format_args!("kept {}: {reason}", first.display())),
                _ => print_note(format_args!("kept {count}: {reason}")),
            }
        }
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
        match &self.session {
            Some(session) if self.is_without_resources() => {
                print_note(format_args!("no resources in session {session}"));
            }
            _ => print_note(self.totals()),
        }
        if self.selection_helps {
            let command = self.rerun.with("--all");
            print_hint(format_args!("{command} removes manual and timed ones too"));
        }
        if self.other_jobs_helps {
            print_hint(format_args!("if no other job runs: {}", self.rerun.with("--other-jobs")));
        }
        // A cleanup of what has ended is not meant to remove the others.
        if self.force_helps && self.may_force {
            print_hint(format_args!("{} removes these too", self.rerun.with("--force")));
        }
        if self.force_with_path_helps {
            print_hint("--force and its PATH remove what is unproven");
        }
        if !self.out_of_sight.is_empty() && self.has_selection {
            print_hint("--forget ends the leases of what is out of sight");
        }
        match self.foreign.as_slice() {
            [] => {}
            [path] => {
                let rm = if path.is_dir() && !path.is_symlink() { "rm -r" } else { "rm" };
                let path = sh_quote::quote(path.as_os_str());
                print_hint(format_args!("remove it with: {rm} {}", path.display()));
            }
            _ => print_hint("rm -r removes what tmpx did not create"),
        }
    }

    /// Whether the selection matched nothing at all.
    fn is_without_resources(&self) -> bool {
        self.removed + self.in_part == 0
            && self.kept.is_empty()
            && self.given_up.is_empty()
            && !self.failed
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

/// The command line of this cleanup.
#[derive(Debug)]
pub(super) struct Rerun {
    words: Vec<OsString>,
}

impl Rerun {
    /// Takes the arguments of the process: the program, the subcommand, its arguments.
    pub(super) fn of(args: &[OsString]) -> Self {
        Self { words: args.get(2..).unwrap_or_default().to_vec() }
    }

    /// Returns the command line with another option, for a shell. Leaves the rest out if it is long.
    fn with(&self, option: &str) -> String {
        const LONG: usize = 120;
        let mut line = format!("tmpx cleanup {option}");
        for word in &self.words {
            let _ = write!(line, " {}", sh_quote::quote(word).display());
        }
        if line.len() > LONG { format!("tmpx cleanup {option} …") } else { line }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_repeats_the_command_line_unless_that_is_long() {
        let rerun = |words: &[&str]| {
            let args = ["tmpx", "cleanup"].iter().chain(words);
            Rerun::of(&args.map(OsString::from).collect::<Vec<_>>()).with("--force")
        };
        assert_eq!(rerun(&[]), "tmpx cleanup --force");
        assert_eq!(rerun(&["--session", "a b"]), "tmpx cleanup --force --session 'a b'");
        assert_eq!(rerun(&["/tmp/tmp.8QA6fr72SM"; 10]), "tmpx cleanup --force …");
    }
}

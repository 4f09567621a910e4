//! Counts what a cleanup keeps, and finds what removes it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::commands::cleanup::hinted::with_paths;
use crate::lease::Kind;
use crate::reclaim::{KeepReason, Remedy, Selection};
use crate::ui::{print_hint, print_note};

/// The resources that are kept.
#[derive(Debug)]
pub(super) struct Kept<'a> {
    selection: &'a Selection,
    is_quiet: bool,
    /// How many are kept, by the words for the reasons.
    counts: BTreeMap<&'static str, u64>,
    /// What removes some of them, and the words for those.
    remedies: BTreeMap<Remedy, BTreeSet<&'static str>>,
    /// What is reported in one line for each reason in full: how many, and the first.
    groups: BTreeMap<String, (u64, PathBuf)>,
    /// How many are out of sight, by their directories and the reasons.
    out_of_sight: BTreeMap<(PathBuf, String), u64>,
    /// The paths that nothing proves to be of tmpx, and the reasons.
    unproven: Vec<(PathBuf, String)>,
    /// How many are kept because a process cannot be seen from here.
    unknown: u64,
}

/// How a kept resource is reported, besides its part in the totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notice {
    /// Not at all.
    None,
    /// In one line with all that are kept for the same reason: a script or a container may leave
    /// thousands of them.
    Grouped,
    /// In one line with all in the same directory.
    GroupedByDir,
    /// In a line of its own.
    Each,
}

impl Notice {
    fn of(reason: &KeepReason, selects_more_than_ended: bool, is_quiet: bool) -> Self {
        match reason {
            KeepReason::InUse(_) | KeepReason::OtherJob(_) if !is_quiet => Self::Grouped,
            // A user who selects only what has ended expects the rest to live.
            KeepReason::Live(_) if selects_more_than_ended && !is_quiet => Self::Grouped,
            // The lease stays, so 'tmpx list' has the paths.
            KeepReason::Unproven(_) => Self::GroupedByDir,
            // The lease may end with this message, so it is the last chance to learn the path.
            KeepReason::Replaced(_) | KeepReason::Unreadable(_) | KeepReason::InSight => Self::Each,
            KeepReason::Manual
            | KeepReason::Timed(_)
            | KeepReason::Live(_)
            | KeepReason::InUse(_)
            | KeepReason::OtherJob(_)
            | KeepReason::Unknown(_)
            // A directory that was removed may have had thousands.
            | KeepReason::OutOfSight(_) => Self::None,
        }
    }
}

impl<'a> Kept<'a> {
    pub(super) fn new(selection: &'a Selection, is_quiet: bool) -> Self {
        Self {
            selection,
            is_quiet,
            counts: BTreeMap::new(),
            remedies: BTreeMap::new(),
            groups: BTreeMap::new(),
            out_of_sight: BTreeMap::new(),
            unproven: Vec::new(),
            unknown: 0,
        }
    }

    /// Counts a resource, and prints what the user should know of it at once. What the user named is
    /// always reported.
    pub(super) fn add(&mut self, path: &Path, reason: &KeepReason) {
        let is_named = self.selection.names_paths();
        *self.counts.entry(reason.word()).or_default() += 1;
        if let Some(remedy) = reason.remedy() {
            self.remedies.entry(remedy).or_default().insert(reason.word());
        }
        if let KeepReason::OutOfSight(absence) = reason {
            let dir = path.parent().unwrap_or(path).to_owned();
            *self.out_of_sight.entry((dir, absence.to_string())).or_default() += 1;
        }
        if let KeepReason::Unproven(_) = reason {
            self.unproven.push((path.to_owned(), reason.to_string()));
        }
        self.unknown += u64::from(matches!(reason, KeepReason::Unknown(_)) && !is_named);
        match Notice::of(reason, self.selection.includes_manual(), self.is_quiet) {
            Notice::Each => print_kept(path, reason),
            _ if is_named => print_kept(path, reason),
            Notice::Grouped => {
                let group = self.groups.entry(reason.to_string());
                group.or_insert_with(|| (0, path.to_owned())).0 += 1;
            }
            // `print_groups` has them.
            Notice::GroupedByDir | Notice::None => {}
        }
    }

    /// Returns whether nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Returns how many are kept for each reason.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counts.iter().map(|(word, count)| (*word, *count))
    }

    /// Returns what removes some of them, and what it removes: `live or in use`.
    pub(super) fn remedies(&self) -> impl Iterator<Item = (Remedy, String)> {
        self.remedies.iter().map(|(remedy, words)| {
            let words: Vec<_> = words.iter().copied().collect();
            (*remedy, words.join(" or "))
        })
    }

    /// Prints the lines that cover more than one resource.
    pub(super) fn print_groups(&self) {
        for (reason, (count, first)) in &self.groups {
            match count {
                1 => print_note(format_args!("kept {}: {reason}", first.display())),
                _ => print_note(format_args!("kept {count}: {reason}")),
            }
        }
        if !self.selection.names_paths() {
            self.print_unproven();
        }
        if self.unknown > 0 {
            print_note(format_args!(
                "kept {}: whether their owners run cannot be seen from here",
                self.unknown
            ));
        }
    }

    /// Prints a line for each directory with what nothing proves to be of tmpx.
    fn print_unproven(&self) {
        let mut by_dir: BTreeMap<&Path, Vec<&(PathBuf, String)>> = BTreeMap::new();
        for unproven in &self.unproven {
            let path = unproven.0.as_path();
            by_dir.entry(path.parent().unwrap_or(path)).or_default().push(unproven);
        }
        for (dir, unproven) in by_dir {
            match unproven.as_slice() {
                [(path, reason)] => print_note(format_args!("kept {}: {reason}", path.display())),
                more => print_note(format_args!(
                    "kept {} unproven in {}: nothing proves that tmpx created them",
                    more.len(),
                    dir.display()
                )),
            }
        }
    }

    /// Hints at the command that removes what nothing proves to be of tmpx.
    pub(super) fn hint_at_unproven(&self) {
        let paths: Vec<_> = self.unproven.iter().map(|(path, _)| path.clone()).collect();
        let (command, them) = with_paths("tmpx cleanup --force", &paths);
        print_hint(format_args!("{command} removes {them} all the same"));
    }

    /// Prints a line for each directory that is out of sight.
    pub(super) fn print_out_of_sight(&self) {
        for ((dir, why), count) in &self.out_of_sight {
            print_note(format_args!("kept {count} out of sight in {}: {why}", dir.display()));
        }
    }
}

fn print_kept(path: &Path, reason: &KeepReason) {
    print_note(format_args!("kept {}: {reason}{}", path.display(), advice(reason)));
}

/// Says what the user can do about a resource that tmpx will never remove.
fn advice(reason: &KeepReason) -> &'static str {
    match reason {
        KeepReason::Replaced(Kind::Dir) => "; remove it with rm -r",
        KeepReason::Replaced(_) => " (rewritten by sed -i or mv?); remove it with rm",
        _ => "",
    }
}

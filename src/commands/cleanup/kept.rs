//! Counts what a cleanup keeps, and finds what removes it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::lease::Kind;
use crate::reclaim::{KeepReason, Remedy};
use crate::ui::print_note;

/// The resources that are kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// How many are kept, by the words for the reasons.
    counts: BTreeMap<&'static str, u64>,
    /// What removes some of them, and the words for those.
    remedies: BTreeMap<Remedy, BTreeSet<&'static str>>,
    /// What is reported in one line for each reason in full: how many, and the first.
    groups: BTreeMap<String, (u64, PathBuf)>,
    /// How many are out of sight, by their directories and the reasons.
    out_of_sight: BTreeMap<(PathBuf, String), u64>,
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
    /// In a line of its own.
    Each,
}

impl Notice {
    fn of(reason: &KeepReason, is_quiet: bool) -> Self {
        match reason {
            KeepReason::InUse(_) | KeepReason::OtherJob(_) if !is_quiet => Self::Grouped,
            // The lease may end with this message, so it is the last chance to learn the path.
            KeepReason::Replaced(_)
            | KeepReason::Unproven(_)
            | KeepReason::Unreadable(_)
            | KeepReason::InSight => Self::Each,
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

impl Kept {
    /// Counts a resource, and prints what the user should know of it at once. What the user named is
    /// always reported.
    pub(super) fn add(&mut self, path: &Path, reason: &KeepReason, is_named: bool, is_quiet: bool) {
        *self.counts.entry(reason.word()).or_default() += 1;
        if let Some(remedy) = reason.remedy() {
            self.remedies.entry(remedy).or_default().insert(reason.word());
        }
        if let KeepReason::OutOfSight(absence) = reason {
            let dir = path.parent().unwrap_or(path).to_owned();
            *self.out_of_sight.entry((dir, absence.to_string())).or_default() += 1;
        }
        self.unknown += u64::from(matches!(reason, KeepReason::Unknown(_)) && !is_named);
        match Notice::of(reason, is_quiet) {
            Notice::Each => print_kept(path, reason),
            _ if is_named => print_kept(path, reason),
            Notice::Grouped => {
                let group = self.groups.entry(reason.to_string());
                group.or_insert_with(|| (0, path.to_owned())).0 += 1;
            }
            Notice::None => {}
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
        if self.unknown > 0 {
            print_note(format_args!(
                "kept {}: whether their owners run cannot be seen from here",
                self.unknown
            ));
        }
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

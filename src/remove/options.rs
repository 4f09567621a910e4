//! What a caller requests of a removal.

use crate::values::Progress;

/// Whether the removal changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Remove.
    Remove,
    /// Count what a removal would free, and change nothing.
    DryRun,
}

/// The options of a removal.
#[derive(Clone, Copy, Debug)]
pub struct Removal<'a> {
    /// Whether the removal changes anything.
    pub mode: Mode,
    /// Whether to count the bytes that the removal frees, which costs a statx(2) for each file. A
    /// dry run always counts them.
    pub count_bytes: bool,
    /// Where to count what has been removed so far, for other threads to read.
    pub progress: Option<&'a Progress>,
}

impl Removal<'_> {
    /// Removes, and counts neither bytes nor progress.
    pub const PLAIN: Self = Self { mode: Mode::Remove, count_bytes: false, progress: None };
    /// Counts what a removal would free.
    pub const DRY_RUN: Self = Self { mode: Mode::DryRun, count_bytes: true, progress: None };

    pub(super) fn counts_bytes(&self) -> bool {
        self.count_bytes || self.mode == Mode::DryRun
    }
}

//! Advice on the inputs and outputs of a workspace.

use std::error::Error;
use std::path::PathBuf;

use crate::commands::errors::advice::{A_FILE_NAMED_DASH, Advice};
use crate::fs::metadata::DirModeError;
use crate::lease::StoreError;
use crate::workspace::{LayoutError, PatternError, PlanError, TargetError};

/// A workspace that `--keep` could not keep.
#[derive(Debug, thiserror::Error)]
#[error("could not keep {}", .path.display())]
pub(crate) struct NotKept {
    pub(crate) path: PathBuf,
    #[source]
    pub(crate) cause: StoreError,
}

pub(super) fn advice(cause: &(dyn Error + 'static)) -> Option<Advice> {
    if let Some(err) = cause.downcast_ref() {
        return on_layout(err);
    }
    if let Some(err) = cause.downcast_ref() {
        return on_plan(err);
    }
    if let Some(TargetError::Directory(path)) = cause.downcast_ref() {
        return Some(Advice::hint(format!("write {}/ to save into it", path.display())));
    }
    if let Some(DirModeError::OpenToOthers(mode)) = cause.downcast_ref() {
        return Some(Advice::hint(format!(
            "choose a directory on another mount with -p DIR, or allow it with --mode {mode:o}"
        )));
    }
    if cause.is::<NotKept>() {
        return Some(Advice::hint("the next 'tmpx cleanup' removes it"));
    }
    match cause.downcast_ref()? {
        PatternError::StandardOutput => Some(Advice::usage().and_hint(A_FILE_NAMED_DASH)),
        PatternError::Empty | PatternError::OutsideWorkspace | PatternError::Syntax(_) => {
            Some(Advice::usage())
        }
    }
}

fn on_layout(err: &LayoutError) -> Option<Advice> {
    match err {
        LayoutError::OutsideWorkspace => Some(Advice::usage()),
        LayoutError::NoSource { looks_like_pattern: true, .. } => {
            Some(Advice::hint("--in takes names, not patterns; repeat it: --in A --in B"))
        }
        LayoutError::NoSource { .. } => None,
        LayoutError::DuplicateDestination(_) => {
            Some(Advice::hint("choose another name: --in SRC:DEST"))
        }
    }
}

fn on_plan(err: &PlanError) -> Option<Advice> {
    match err {
        PlanError::NoMatch { .. } => Some(Advice::hint("--out-always allows no match")),
        PlanError::Unreadable { .. }
        | PlanError::UnsupportedType(_)
        | PlanError::DuplicateTarget { .. } => None,
    }
}

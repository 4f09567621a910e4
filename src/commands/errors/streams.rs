//! Advice on `spool` and `replace`.

use std::error::Error;

use crate::commands::errors::advice::{A_FILE_NAMED_DASH, Advice};
use crate::streams::{NoOldContent, OnChange, ReplaceError};

pub(super) fn advice(cause: &(dyn Error + 'static)) -> Option<Advice> {
    if cause.is::<NoOldContent>() {
        return Some(Advice::hint("without {}, the output of COMMAND becomes the new file"));
    }
    let hint = match cause.downcast_ref()? {
        ReplaceError::StandardOutput => return Some(Advice::usage().and_hint(A_FILE_NAMED_DASH)),
        ReplaceError::NotRegularFile | ReplaceError::MountPoint | ReplaceError::ClosedDir(_) => {
            "'>' writes into it"
        }
        ReplaceError::OpenFileOfProcess => "name a file; 'tmpx spool' writes to stdout",
        ReplaceError::AppendOnly | ReplaceError::OpenForWriting(OnChange::Append) => {
            "'>>' appends to it"
        }
        ReplaceError::ChangedByCommand | ReplaceError::CopyChangedByCommand => {
            "the command must leave the file alone and write to stdout: no -i, no -o"
        }
        ReplaceError::Immutable => "'chattr -i' makes it changeable again",
        ReplaceError::AppendOnlyDir
        | ReplaceError::NotOwner
        | ReplaceError::UntrustedFile
        | ReplaceError::UntrustedSymlink
        | ReplaceError::KeepsChanging
        | ReplaceError::OpenForWriting(_)
        | ReplaceError::Unprotected
        | ReplaceError::Io(_) => return None,
    };
    Some(Advice::hint(hint))
}

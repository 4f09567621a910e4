//! Advice on `spool` and `replace`.

use std::error::Error;

use crate::commands::errors::advice::Advice;
use crate::streams::TargetError;

pub(super) fn advice(cause: &(dyn Error + 'static)) -> Option<Advice> {
    let hint = match cause.downcast_ref()? {
        TargetError::NotRegularFile | TargetError::MountPoint => "'>' writes into it",
        TargetError::OpenFileOfProcess => "'tmpx spool' writes to stdout",
        TargetError::AppendOnly => "'>>' appends to it",
        TargetError::AppendOnlyDir
        | TargetError::NotOwner
        | TargetError::UntrustedFile
        | TargetError::UntrustedSymlink
        | TargetError::Io(_) => return None,
    };
    Some(Advice::hint(hint))
}

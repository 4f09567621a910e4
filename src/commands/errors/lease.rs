//! Advice on leases and their stores.

use std::error::Error;

use crate::commands::errors::advice::Advice;
use crate::fs::PrivateDirError;
use crate::lease::{CreateError, SpecError, StoreError};
use crate::ui::sh_quote::quote;

pub(super) fn advice(cause: &(dyn Error + 'static)) -> Option<Advice> {
    if let Some(err) = cause.downcast_ref() {
        return on_spec(err);
    }
    match cause.downcast_ref() {
        Some(CreateError::Lease(err)) => on_store(err),
        Some(err @ CreateError::Refused { .. }) => {
            let dir = quote(err.missing_dir()?.as_os_str());
            Some(Advice::hint(format!("create it first: mkdir -p {}", dir.display())))
        }
        _ => cause.downcast_ref().and_then(on_store),
    }
}

fn on_spec(err: &SpecError) -> Option<Advice> {
    match err {
        SpecError::NoCaller => Some(Advice::hint("name it: --until-exit=$$")),
        SpecError::SessionNotUtf8 | SpecError::BadTtl { .. } => Some(Advice::usage()),
        SpecError::ProcessesUnknown => {
            Some(Advice::hint("mount /proc, or give a time to live: --ttl 1h"))
        }
        SpecError::NoSuchOwner(_) | SpecError::ForeignOwner(_) => None,
    }
}

fn on_store(err: &StoreError) -> Option<Advice> {
    let hint = match err {
        StoreError::NotAbsolute(_) => "use the full path, as in TMPX_STATE_DIR=$PWD/state",
        StoreError::NoneWritable { .. } => {
            "set TMPX_STATE_DIR to a directory that you can write to"
        }
        StoreError::NotReadable { source: PrivateDirError::OpenToOthers, .. }
        | StoreError::NotWritable { source: PrivateDirError::OpenToOthers, .. } => {
            "name a directory of its own, which only you can write to, in TMPX_STATE_DIR"
        }
        StoreError::NotReadable { .. }
        | StoreError::NotWritable { .. }
        | StoreError::LeaseNotWritten { .. }
        | StoreError::LockNotShared(_) => return None,
    };
    Some(Advice::hint(hint))
}

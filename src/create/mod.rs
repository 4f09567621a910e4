//! Creates resources from beginning to end, and scratch that one run needs for itself.

pub(crate) mod scratch;
pub(crate) mod tempdir;
pub(crate) mod transaction;
pub(crate) use scratch::Scratch;
pub(crate) use tempdir::TempDirCandidate;
pub(crate) use transaction::{NotRolledBack, TempDirError, Transaction};

//! Prints entries, and says why stdout cannot be written.

use std::io;

use anyhow::Context as _;
use rustix::stdio::{stderr, stdout};

use crate::cache::{CacheEntry, OutputStream, ReplayError};
use crate::fs::disk_full::with_full_filesystem_of;

/// Prints an entry to stdout and stderr.
pub(super) fn print(entry: &CacheEntry) -> anyhow::Result<()> {
    match entry.replay([stdout(), stderr()]) {
        // A command whose stderr is closed goes on, too.
        Ok(()) | Err(ReplayError::Writing(OutputStream::Err, _)) => Ok(()),
        Err(ReplayError::Writing(OutputStream::Out, err)) => Err(stdout_failed(err)),
        Err(ReplayError::Reading(err)) => Err(err).context("could not read the output again"),
    }
}

/// Describes a failure to write to stdout.
pub(super) fn stdout_failed(err: io::Error) -> anyhow::Error {
    let act = with_full_filesystem_of("could not write to stdout".to_owned(), stdout(), &err);
    anyhow::Error::new(err).context(act)
}

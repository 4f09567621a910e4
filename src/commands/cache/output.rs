//! Prints entries.

use anyhow::Context as _;
use rustix::stdio::{stderr, stdout};

use crate::cache::{CacheEntry, OutputStream, ReplayError};
use crate::fs::disk_full::stdout_failed;

/// Prints an entry to stdout and stderr.
pub(super) fn print(entry: &CacheEntry) -> anyhow::Result<()> {
    match entry.replay([stdout(), stderr()]) {
        // A command whose stderr is closed goes on, too.
        Ok(()) | Err(ReplayError::Writing(OutputStream::Err, _)) => Ok(()),
        Err(ReplayError::Writing(OutputStream::Out, err)) => Err(stdout_failed(stdout(), err)),
        Err(ReplayError::Reading(err)) => Err(err).context("could not read the output again"),
    }
}

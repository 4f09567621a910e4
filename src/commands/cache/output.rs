//! Prints entries.

use anyhow::Context as _;
use rustix::stdio::{stderr, stdout};

use crate::cache::{CacheEntry, ReplayError};
use crate::fs::disk_full::stdout_failed;

/// Prints an entry to stdout, and to stderr as far as that takes it.
pub(super) fn print(entry: &CacheEntry) -> anyhow::Result<()> {
    match entry.replay([stdout(), stderr()]) {
        Ok(()) => Ok(()),
        Err(ReplayError::Writing(err)) => Err(stdout_failed(stdout(), err)),
        Err(ReplayError::Reading(err)) => Err(err).context("could not read the output again"),
    }
}

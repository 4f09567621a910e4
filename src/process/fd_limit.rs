//! The limit on open files: raised for tmpx, as it was for its commands.

use std::os::fd::RawFd;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::sys;

/// The limit that most systems set, for where a sandbox refuses to tell it.
const USUAL: u64 = 1024;

/// Raises the limit on open files as far as this process may, and returns the one before if that has
/// changed it. Commands must find that one: some programs do not work with many descriptors.
pub(crate) fn raise_fd_limit() -> Option<Rlimit> {
    let before = sys::fd_limit()?;
    let raised = Rlimit { current: before.maximum, maximum: before.maximum };
    (raised != before && setrlimit(Resource::Nofile, raised).is_ok()).then_some(before)
}

/// Returns how many descriptors this process may still open. The kernel assigns the lowest free number,
/// so the newest descriptor shows about how many are open.
pub(crate) fn free_fds(newest: RawFd) -> usize {
    let limit = sys::fd_limit().map_or(USUAL, |limit| limit.current.unwrap_or(u64::MAX));
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    limit.saturating_sub(usize::try_from(newest).unwrap_or(0))
}

//! What a caller asks for.

use std::time::Duration;

use crate::cache::key::CacheKey;

/// A command's output, and how old it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheRequest<'a> {
    pub(crate) key: &'a CacheKey,
    /// An older output is not printed.
    pub(crate) ttl: Duration,
    /// An older output is printed and refreshed.
    pub(crate) stale: Option<Duration>,
    /// Whether an output counts only if its run begins after this request.
    pub(crate) refresh: bool,
    /// Whether the output of a failed run is kept too.
    pub(crate) keep_failures: bool,
    /// The bytes that the store may have.
    pub(crate) max_bytes: u64,
    pub(crate) asker: Asker,
}

/// Who asks for an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A caller that may wait for another process.
    Caller,
    /// A run whose own output somebody may wait for.
    Run,
    /// The refresh of a stale output, which nobody waits for.
    Refresh,
}

impl CacheRequest<'_> {
    /// Whether this is the refresh of a stale output.
    pub(super) fn is_background(&self) -> bool {
        self.asker == Asker::Refresh
    }
}

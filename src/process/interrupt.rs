//! A signal that asks tmpx to end before a command runs.

use crate::sys::SignalQueue;

/// A termination signal arrived during the preparations.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Interrupted {
    /// The number of the signal.
    pub(crate) signal: i32,
}

/// Fails if a termination signal is pending. The terminal's signals count too: no command runs
/// yet that they could reach.
pub(crate) fn check_interrupt(signals: &SignalQueue) -> Result<(), Interrupted> {
    match signals.pending_termination() {
        Some(signal) => Err(Interrupted { signal }),
        None => Ok(()),
    }
}

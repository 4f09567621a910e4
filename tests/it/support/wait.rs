//! Waits for what no descriptor reports.

use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes that a test waits for, on a machine under load.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until something holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

//! Shows the progress of a removal on a terminal, if it takes long.
//!
//! The removal itself only counts. A thread draws the line, and only a terminal needs that thread.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::stdio::stderr;
use rustix::termios::isatty;

use crate::remove::{RemovalProgress, Usage};
use crate::values::ByteSize;

/// How long a removal takes before the line appears.
const DELAY: Duration = Duration::from_millis(500);

/// How often the line is redrawn.
const PERIOD: Duration = Duration::from_millis(100);

/// A line on stderr that shows how much has been removed.
#[derive(Debug)]
pub(crate) struct ProgressLine {
    /// The counters of the removal.
    pub progress: RemovalProgress,
    bar: ProgressBar,
}

impl ProgressLine {
    /// Hides the line while `print` writes to the terminal.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    fn draw(&self, done: &Receiver<()>) {
        let still_running = |time| done.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
        if !still_running(DELAY) {
            return;
        }
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            self.bar.set_style(style);
        }
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
        loop {
            self.bar.set_message(match self.progress.freed() {
                // The sizes were not counted, or all files are empty.
                Usage { entries, bytes: 0 } => format!("{entries} entries"),
                Usage { entries, bytes } => format!("{entries} entries, {}", ByteSize(bytes)),
            });
            self.bar.tick();
            if !still_running(PERIOD) {
                break;
            }
        }
        self.bar.finish_and_clear();
    }
}

/// Runs a removal, and shows its progress if `enabled` and stderr is a terminal.
pub(crate) fn with_progress<T>(enabled: bool, remove: impl FnOnce(&ProgressLine) -> T) -> T {
    let line = ProgressLine { progress: RemovalProgress::default(), bar: ProgressBar::hidden() };
    if !enabled || !isatty(stderr()) {
        return remove(&line);
    }
    let (running, done) = channel();
    thread::scope(|scope| {
        let drawer = thread::Builder::new();
        // If no thread can be started, the progress is not shown.
        let _ = drawer.spawn_scoped(scope, || {
            let done = done;
            line.draw(&done);
        });
        let result = remove(&line);
        // The thread ends when its channel is closed.
        drop::<Sender<()>>(running);
        result
    })
}

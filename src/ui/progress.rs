//! How far a removal is, on a terminal, once it has taken so long that one wonders.
//!
//! Only a terminal costs a thread; the removal itself does no more than count.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::stdio::stderr;
use rustix::termios::isatty;

use crate::remove::{RemovalProgress, Usage};
use crate::values::ByteSize;

/// Nobody wonders before.
const DELAY: Duration = Duration::from_millis(500);

/// How often the line is drawn anew.
const PERIOD: Duration = Duration::from_millis(100);

/// A line on stderr that is there while something is removed.
#[derive(Debug)]
pub(crate) struct ProgressLine {
    /// What the removal counts into.
    pub progress: RemovalProgress,
    bar: ProgressBar,
}

impl ProgressLine {
    /// Says something where the line is, which then comes below it.
    pub(crate) fn suspend<T>(&self, say: impl FnOnce() -> T) -> T {
        self.bar.suspend(say)
    }

    fn draw(&self, done: &Receiver<()>) {
        let goes_on = |time| done.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
        if !goes_on(DELAY) {
            return;
        }
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            self.bar.set_style(style);
        }
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
        loop {
            self.bar.set_message(match self.progress.freed() {
                // Not weighed, or there is nothing in them.
                Usage { entries, bytes: 0 } => format!("{entries} entries"),
                Usage { entries, bytes } => format!("{entries} entries, {}", ByteSize(bytes)),
            });
            self.bar.tick();
            if !goes_on(PERIOD) {
                break;
            }
        }
        self.bar.finish_and_clear();
    }
}

/// Does something and shows meanwhile how far it is, if that is wanted and stderr is a terminal.
pub(crate) fn with_progress<T>(is_wanted: bool, act: impl FnOnce(&ProgressLine) -> T) -> T {
    let shown = ProgressLine { progress: RemovalProgress::default(), bar: ProgressBar::hidden() };
    if !is_wanted || !isatty(stderr()) {
        return act(&shown);
    }
    let (goes_on, done) = channel();
    thread::scope(|scope| {
        let drawer = thread::Builder::new();
        // Where no thread is to be had, nothing is shown.
        let _ = drawer.spawn_scoped(scope, || {
            let done = done;
            shown.draw(&done);
        });
        let result = act(&shown);
        drop::<std::sync::mpsc::Sender<()>>(goes_on);
        result
    })
}

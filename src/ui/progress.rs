//! Shows the progress of a removal or a copy on a terminal, if it takes long.
//!
//! The work itself only counts. A thread draws the line, and only a terminal needs that thread.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::stdio::stderr;
use rustix::termios::isatty;

use crate::ui::sanitize::sanitize;
use crate::values::{ByteSize, Progress};

/// How long the work takes before the line appears.
const DELAY: Duration = Duration::from_millis(500);

/// How often the line is redrawn.
const PERIOD: Duration = Duration::from_millis(100);

/// A line on stderr that shows how much is done.
#[derive(Debug)]
pub(crate) struct ProgressLine {
    /// The counters of the work.
    pub progress: Progress,
    bar: ProgressBar,
}

impl ProgressLine {
    /// Hides the line while `print` writes to the terminal.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    fn draw(&self, began: Instant, done: &Receiver<()>) {
        let still_running = |time| done.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
        if !still_running(DELAY) {
            return;
        }
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            let style = style.tick_chars(r"-\|/ ");
            self.bar.set_style(style);
        }
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
        loop {
            self.bar.set_message(describe(&self.progress, began.elapsed()));
            self.bar.tick();
            if !still_running(PERIOD) {
                break;
            }
        }
        self.bar.finish_and_clear();
    }
}

/// Says how much is done, how fast, and what is being worked on. The path comes last: a narrow terminal
/// shows its beginning only.
fn describe(progress: &Progress, elapsed: Duration) -> String {
    let per_second = |count: u64| {
        let milliseconds = elapsed.as_millis().max(1);
        u64::try_from(u128::from(count) * 1000 / milliseconds).unwrap_or(u64::MAX)
    };
    let (entries, bytes) = progress.done();
    let (size, rate) = (ByteSize(bytes), ByteSize(per_second(bytes)));
    let mut text = match (entries, bytes) {
        // The sizes were not counted, or all files are empty.
        (_, 0) => format!("{entries} entries, {}/s", per_second(entries)),
        (0, _) => format!("{size}, {rate}/s"),
        _ => format!("{entries} entries, {size}, {rate}/s"),
    };
    let path = progress.path();
    if !path.as_os_str().is_empty() {
        text.push_str(": ");
        text.push_str(&sanitize(&path.display().to_string()));
    }
    text
}

/// Does a piece of work, and shows its progress if `enabled` and stderr is a terminal.
pub(crate) fn with_progress<T>(enabled: bool, work: impl FnOnce(&ProgressLine) -> T) -> T {
    let is_shown = enabled && isatty(stderr());
    let progress = if is_shown { Progress::watched() } else { Progress::default() };
    let line = ProgressLine { progress, bar: ProgressBar::hidden() };
    if !is_shown {
        return work(&line);
    }
    let began = Instant::now();
    let (running, done) = channel();
    thread::scope(|scope| {
        let drawer = thread::Builder::new();
        // If no thread can be started, the progress is not shown.
        let _ = drawer.spawn_scoped(scope, || {
            let done = done;
            line.draw(began, &done);
        });
        let result = work(&line);
        // The thread ends when its channel is closed.
        drop::<Sender<()>>(running);
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_line_has_the_count_the_rate_and_the_path() {
        let progress = Progress::watched();
        let two_seconds = Duration::from_secs(2);
        assert_eq!(describe(&progress, Duration::ZERO), "0 entries, 0/s");
        progress.add(30, 0);
        progress.begin(Path::new("/tmp/a\u{1b}[2J"));
        assert_eq!(describe(&progress, two_seconds), "30 entries, 15/s: /tmp/a\\u{1b}[2J");
        progress.add(0, 4096);
        let line = describe(&progress, two_seconds);
        assert!(line.starts_with("30 entries, 4.0 KiB, 2.0 KiB/s: "), "{line}");
        let bytes = Progress::default();
        bytes.add(0, 2048);
        assert_eq!(describe(&bytes, two_seconds), "2.0 KiB, 1.0 KiB/s");
    }
}

//! Shows on a terminal how far a run over chunks is.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::stdio::stderr;
use rustix::termios::isatty;

use crate::chunk::ChunkTally;

/// How long a run takes before the line appears.
const DELAY: Duration = Duration::from_millis(500);

/// A line on stderr.
#[derive(Debug)]
pub(crate) struct ChunkProgress {
    bar: ProgressBar,
    began: Instant,
    is_visible: bool,
}

impl ChunkProgress {
    /// Begins, hidden at first. `total` is what there is to do, where that is known.
    pub(crate) fn new(total: Option<ChunkTally>) -> Self {
        let is_visible = isatty(stderr());
        let bar = ProgressBar::hidden();
        if let Some(total) = total {
            bar.set_length(total.bytes);
        }
        Self { bar, began: Instant::now(), is_visible }
    }

    /// Whether anybody sees it.
    pub(crate) fn is_visible(&self) -> bool {
        self.is_visible
    }

    /// Shows how far the run is.
    pub(crate) fn show(&self, tally: &ChunkTally) {
        if self.bar.is_hidden() {
            if self.began.elapsed() < DELAY {
                return;
            }
            let rest = if self.bar.length().is_some() { ", {eta} left" } else { "" };
            let template = format!("{{msg}}, {{binary_bytes_per_sec}}{rest}");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                self.bar.set_style(style);
            }
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(tally.bytes);
        self.bar.set_message(format!("{} records", tally.records));
    }

    /// Removes the line.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

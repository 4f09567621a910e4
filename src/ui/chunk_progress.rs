//! Shows on a terminal how far a run over chunks is.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use rustix::stdio::{stderr, stdout};
use rustix::termios::isatty;

use crate::chunk::ChunkTally;
use crate::ui::sanitize::sanitize;

/// How long a run takes before the line appears.
const DELAY: Duration = Duration::from_millis(500);

/// A line on stderr.
#[derive(Debug)]
pub(crate) struct ChunkProgress {
    bar: ProgressBar,
    /// The number of records. The line reads it when it is drawn, so that it is drawn once a step.
    records: Arc<AtomicU64>,
    began: Instant,
    /// What is read.
    source: String,
    is_visible: bool,
}

impl ChunkProgress {
    /// Begins, hidden at first. `total` is what there is to do, where that is known. Where the outputs
    /// are printed on a terminal there is no line: they show the progress, and would follow it.
    pub(crate) fn new(source: &str, total: Option<ChunkTally>, prints_outputs: bool) -> Self {
        let is_visible = isatty(stderr()) && !(prints_outputs && isatty(stdout()));
        let bar = ProgressBar::hidden();
        if let Some(total) = total {
            bar.set_length(total.bytes);
        }
        let source = sanitize(source);
        Self { bar, records: Arc::default(), began: Instant::now(), source, is_visible }
    }

    /// Whether anybody sees it.
    pub(crate) fn is_visible(&self) -> bool {
        self.is_visible
    }

    /// Shows how far the run is.
    pub(crate) fn show(&self, tally: &ChunkTally) {
        self.records.store(tally.records, Ordering::Relaxed);
        if !self.bar.is_hidden() {
            self.bar.set_position(tally.bytes);
            return;
        }
        if self.began.elapsed() < DELAY {
            return;
        }
        let rest = if self.bar.length().is_some() { ", {eta} left" } else { "" };
        let template = format!("{{records}} records, {{binary_bytes_per_sec}}{rest}{{wide_msg}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            let records = Arc::clone(&self.records);
            self.bar.set_style(style.with_key(
                "records",
                move |_: &ProgressState, line: &mut dyn Write| {
                    // A line that cannot be formatted is drawn without the number.
                    let _ = write!(line, "{}", records.load(Ordering::Relaxed));
                },
            ));
        }
        self.bar.set_message(format!(": {}", self.source));
        self.bar.set_position(tally.bytes);
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
        self.bar.tick();
    }

    /// Removes the line.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

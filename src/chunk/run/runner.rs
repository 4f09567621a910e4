//! Runs a command on each chunk, several at once, and passes their outputs on in order.
//!
//! One thread waits for everything: signals, the input, the commands' input and output, and standard
//! output. An output is held until its command and all those before it have succeeded.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::chunk::plan::supply::{ChunkTally, Supply};
use crate::chunk::run::held::Held;
use crate::chunk::run::job::{ChunkJob, CommandSpec, LINGER, Place};
use crate::chunk::run::sink::{Sink, SinkError};
use crate::lease::TmpFile;
use crate::process::{Children, free_fds};
use crate::values::Status;

/// The descriptors that each command takes: its input and output, and an unnamed file with its directory
/// for its output and for one that waits.
const FDS_PER_JOB: usize = 6;

/// The descriptors that are needed besides.
const SPARE_FDS: usize = 12;

/// How often progress is reported.
const PROGRESS: Duration = Duration::from_millis(100);

/// Why a chunk failed.
#[derive(Debug)]
pub(crate) enum Cause {
    /// Its command did.
    Status(Status),
    /// tmpx did.
    Error(anyhow::Error),
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct RunOutcome {
    pub tally: ChunkTally,
    /// The lowest chunk that failed.
    pub failure: Option<(Place, Cause)>,
    /// What ended the run otherwise.
    pub error: Option<anyhow::Error>,
    /// The signal that ends tmpx.
    pub interrupt: Option<i32>,
    /// The reader of standard output has gone.
    pub reader_gone: bool,
    pub sink: Sink,
}

/// What a run needs.
pub(crate) struct Runner<'a> {
    pub spec: CommandSpec<'a>,
    pub supply: Supply,
    pub children: Children,
    pub sink: Sink,
    /// How many commands run at once, if there are descriptors enough.
    pub jobs: usize,
    pub tmpfile: &'a mut dyn FnMut() -> anyhow::Result<TmpFile>,
    pub progress: Option<&'a mut dyn FnMut(&ChunkTally)>,
}

/// A run.
struct ActiveRun<'a> {
    runner: Runner<'a>,
    running: Vec<ChunkJob>,
    /// Outputs of commands that have succeeded before their turn.
    waiting: BTreeMap<u64, (Place, Held)>,
    /// How many outputs have been passed to the sink.
    passed: u64,
    started: u64,
    tally: ChunkTally,
    failure: Option<(Place, Cause)>,
    error: Option<anyhow::Error>,
    /// Why the input cannot be read on. The chunks before that are good.
    input_error: Option<anyhow::Error>,
    /// The signal that ends tmpx.
    interrupt: Option<i32>,
    reader_gone: bool,
}

impl Runner<'_> {
    /// Runs the command on all chunks.
    pub(crate) fn run(mut self) -> RunOutcome {
        self.jobs = self.jobs.min(jobs_for(free_fds(self.children.as_fd().as_raw_fd())));
        let mut run = ActiveRun {
            runner: self,
            running: Vec::new(),
            waiting: BTreeMap::new(),
            passed: 0,
            started: 0,
            tally: ChunkTally::default(),
            failure: None,
            error: None,
            input_error: None,
            interrupt: None,
            reader_gone: false,
        };
        if let Err(err) = run.run_to_end() {
            // Commands must not outlive the run.
            run.error.get_or_insert(err);
            run.running.clear();
            run.runner.children.kill_all();
        }
        RunOutcome {
            tally: run.tally,
            failure: run.failure,
            error: run.error.or(run.input_error),
            interrupt: run.interrupt,
            reader_gone: run.reader_gone,
            sink: run.runner.sink,
        }
    }
}

/// Returns how many commands may run at once with so many free descriptors.
fn jobs_for(free_fds: usize) -> usize {
    (free_fds.saturating_sub(SPARE_FDS) / FDS_PER_JOB).max(1)
}

impl ActiveRun<'_> {
    fn run_to_end(&mut self) -> anyhow::Result<()> {
        let mut is_finished = false;
        loop {
            // An output that is passed makes room for another command.
            self.pass_outputs();
            self.start_jobs();
            let has_ended = self.running.is_empty() && !self.may_start();
            let is_passed = self.runner.sink.is_empty() && self.waiting.is_empty();
            if has_ended && is_passed && !is_finished && self.has_succeeded() {
                is_finished = true;
                self.runner.sink.finish();
                self.write_file();
            }
            let is_written =
                self.runner.sink.is_empty() || self.is_abandoned() || self.error.is_some();
            if has_ended && is_written && !self.runner.children.have_survivors() {
                return Ok(());
            }
            self.wait_and_handle()?;
        }
    }

    /// Whether no command has failed.
    fn is_complete(&self) -> bool {
        self.failure.is_none() && self.error.is_none() && !self.is_abandoned()
    }

    /// Whether everything has succeeded so far, the input included.
    fn has_succeeded(&self) -> bool {
        self.is_complete() && self.input_error.is_none()
    }

    /// Whether nobody wants the outputs any more.
    fn is_abandoned(&self) -> bool {
        self.reader_gone || self.interrupt.is_some()
    }

    fn may_start(&self) -> bool {
        if !self.is_complete() {
            return false;
        }
        match &self.runner.supply {
            Supply::Plan(plan, _) => plan.left() > 0,
            Supply::Stream(stream) => {
                let has_source = stream.source().is_some() && self.input_error.is_none();
                stream.has_chunk() || has_source
            }
        }
    }

    /// Whether another command may run now, and its output wait.
    fn has_room(&self) -> bool {
        // The output that is being written waits too.
        let written = u64::from(!self.runner.sink.is_empty());
        let waiting = self.started - self.passed + written;
        self.running.len() < self.runner.jobs && waiting < 2 * self.runner.jobs as u64
    }

    fn start_jobs(&mut self) {
        while self.is_complete() && self.has_room() {
            let Some(chunk) = self.runner.supply.next_chunk() else { return };
            self.started += 1;
            let place = Place::of(&chunk);
            let Runner { spec, supply, children, .. } = &mut self.runner;
            match ChunkJob::start(chunk, spec, supply.inputs(), children) {
                Ok(job) => self.running.push(job),
                Err(err) => self.fail(place, Cause::Error(err)),
            }
        }
    }

    /// Notes that a chunk failed, and ends those after it.
    fn fail(&mut self, place: Place, cause: Cause) {
        if self.failure.as_ref().is_some_and(|(lowest, _)| lowest.number < place.number) {
            return;
        }
        let number = place.number;
        self.failure = Some((place, cause));
        self.waiting.retain(|&other, _| other < number);
        self.end_jobs(|job| job.place.number > number);
    }

    /// Asks commands to end; later they are killed.
    fn end_jobs(&mut self, which: impl Fn(&ChunkJob) -> bool) {
        let ending = self.running.iter().filter(|job| which(job) && job.ended.is_none());
        let pids: Vec<_> = ending.map(|job| job.pid).collect();
        self.runner.children.terminate(&pids);
    }

    /// Passes outputs to the sink whose turn it is.
    fn pass_outputs(&mut self) {
        while self.runner.sink.is_empty() && self.is_passable() {
            let Some((place, held)) = self.waiting.remove(&self.passed) else { return };
            self.passed += 1;
            if let Err(err) = self.runner.sink.add(place.number, held) {
                self.fail(place, Cause::Error(err));
                return;
            }
            self.tally.chunks += 1;
            self.tally.records += place.rows;
            self.tally.bytes += place.bytes;
            if !self.write_file() {
                return;
            }
        }
    }

    /// Writes everything, if outputs go into a file, which takes it at once. False on a failure.
    fn write_file(&mut self) -> bool {
        while self.runner.sink.target_is_file() && !self.runner.sink.is_empty() {
            if !self.write_output() {
                return false;
            }
        }
        true
    }

    fn is_passable(&self) -> bool {
        let is_before = self.failure.as_ref().is_none_or(|(place, _)| self.passed < place.number);
        is_before && !self.is_abandoned()
    }

    fn wait_and_handle(&mut self) -> anyhow::Result<()> {
        let ready = self.wait()?;
        if ready.signals {
            let has_child_ended = self.runner.children.handle_signals();
            self.heed_interrupt();
            if has_child_ended {
                self.reap()?;
            }
        }
        if self.is_abandoned() && self.reader_gone {
            self.end_jobs(|_| true);
        }
        if ready.source
            && let Supply::Stream(stream) = &mut self.runner.supply
            && let Err(err) = stream.read()
        {
            self.input_error = Some(err);
        }
        for index in ready.stdin {
            if let Err(err) = self.running[index].feed(self.runner.supply.inputs()) {
                let job = &self.running[index];
                let (place, pid) = (job.place.clone(), job.pid);
                self.running[index].stdin = None;
                self.end_jobs(|job| job.pid == pid);
                self.fail(place, Cause::Error(err));
            }
        }
        for index in ready.stdout {
            self.running[index].collect(self.runner.tmpfile)?;
        }
        if ready.sink {
            self.write_output();
        }
        self.finish_jobs()?;
        if let Some(progress) = &mut self.runner.progress {
            progress(&self.tally);
        }
        Ok(())
    }

    /// Decides whether a signal that has asked tmpx to end does so. If all chunks have commands that have
    /// got it too, these decide, as the command of `exec` does.
    fn heed_interrupt(&mut self) {
        let Some(signal) = self.runner.children.take_interrupt() else { return };
        let is_idle = self.runner.children.are_idle();
        if is_idle {
            self.runner.children.kill_asked();
        }
        if self.may_start() || is_idle {
            self.interrupt.get_or_insert(signal);
        }
    }

    /// Writes some output. False if there is no use in writing more.
    fn write_output(&mut self) -> bool {
        match self.runner.sink.write() {
            Ok(()) => return true,
            Err(SinkError::ReaderGone) => self.reader_gone = true,
            Err(SinkError::Failed(err)) => {
                self.error.get_or_insert(err);
            }
        }
        self.end_jobs(|_| true);
        false
    }

    /// Notes which commands have ended.
    fn reap(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        for job in self.running.iter_mut().filter(|job| job.ended.is_none()) {
            let ended = self.runner.children.reap(job.pid);
            if let Some(status) = ended.context("could not wait for a command")? {
                job.end(status, now);
            }
        }
        Ok(())
    }

    /// Deals with the chunks whose commands have ended.
    fn finish_jobs(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        self.runner.children.kill_overdue(now);
        let mut index = 0;
        while index < self.running.len() {
            let job = &mut self.running[index];
            if !job.is_done(now) {
                index += 1;
                continue;
            }
            job.collect_rest(self.runner.tmpfile)?;
            let job = self.running.swap_remove(index);
            let was_ended =
                self.failure.as_ref().is_some_and(|(place, _)| place.number <= job.place.number);
            match job.ended {
                _ if was_ended => {}
                Some((Status::Signal(signal), _))
                    if self.runner.children.were_interrupted_by(signal) =>
                {
                    self.interrupt.get_or_insert(signal);
                }
                Some((Status::Command(0), _)) => {
                    match job.check_inputs(self.runner.supply.inputs()) {
                        Ok(()) => {
                            self.waiting.insert(job.place.number, (job.place, job.held));
                        }
                        Err(err) => self.fail(job.place, Cause::Error(err)),
                    }
                }
                Some((status, _)) if !self.is_abandoned() && self.error.is_none() => {
                    self.fail(job.place, Cause::Status(status));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Waits until there is something to do.
    fn wait(&mut self) -> anyhow::Result<Ready> {
        let children = self.runner.children.as_fd();
        let mut fds = vec![PollFd::from_borrowed_fd(children, PollFlags::IN)];
        let mut what = vec![What::Signals];
        if self.has_succeeded()
            && let Some(source) = self.runner.supply.source()
        {
            fds.push(PollFd::from_borrowed_fd(source, PollFlags::IN));
            what.push(What::Source);
        }
        let sink = &self.runner.sink;
        if let Some(out) = sink.out().filter(|_| !self.is_abandoned()) {
            if !sink.is_empty() {
                fds.push(PollFd::from_borrowed_fd(out, PollFlags::OUT));
                what.push(What::Sink);
            } else if sink.has_reader() {
                fds.push(PollFd::from_borrowed_fd(out, PollFlags::empty()));
                what.push(What::Reader);
            }
        }
        for (index, job) in self.running.iter().enumerate() {
            if let Some(stdin) = &job.stdin {
                fds.push(PollFd::new(stdin, PollFlags::OUT));
                what.push(What::Stdin(index));
            }
            if let Some(stdout) = &job.stdout {
                fds.push(PollFd::new(stdout, PollFlags::IN));
                what.push(What::Stdout(index));
            }
        }
        let timeout = self.timeout();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Ready::default()),
            Err(err) => return Err(std::io::Error::from(err)).context("could not wait"),
        }
        let mut ready = Ready::default();
        let mut reader_gone = false;
        for (fd, what) in fds.iter().zip(what) {
            if fd.revents().is_empty() {
                continue;
            }
            match what {
                What::Signals => ready.signals = true,
                What::Source => ready.source = true,
                What::Sink => ready.sink = true,
                // Of a pipe it is an error, of a socket the end.
                What::Reader => {
                    reader_gone = fd.revents().intersects(PollFlags::ERR | PollFlags::HUP);
                }
                What::Stdin(index) => ready.stdin.push(index),
                What::Stdout(index) => ready.stdout.push(index),
            }
        }
        self.reader_gone |= reader_gone;
        Ok(ready)
    }

    /// How long to wait at most.
    fn timeout(&self) -> Option<Timespec> {
        let now = Instant::now();
        let ended = self.running.iter().filter_map(|job| job.ended);
        let deadlines = ended.map(|(_, at)| at + LINGER).chain(self.runner.children.next_check());
        let progress = self.runner.progress.is_some().then(|| now + PROGRESS);
        let next = deadlines.chain(progress).min()?;
        let left = next.saturating_duration_since(now);
        Some(Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            // Rounded up, so that the deadline has passed afterwards.
            tv_nsec: i64::from((left.subsec_nanos() + 1_000_000).min(999_999_999)),
        })
    }
}

/// What a descriptor is waited for.
enum What {
    Signals,
    Source,
    Sink,
    Reader,
    Stdin(usize),
    Stdout(usize),
}

/// What there is to do.
#[derive(Default)]
struct Ready {
    signals: bool,
    source: bool,
    sink: bool,
    stdin: Vec<usize>,
    stdout: Vec<usize>,
}

//! Runs the command once: takes its output, keeps it, and passes it on as it appears.
//!
//! One thread waits for everything. A run ends when the command has exited and both its pipes have
//! ended. Then the output is kept and those who wait for it are let go, even if the caller's reader has
//! not read it yet.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;

use crate::cache::error::Unkept;
use crate::cache::filler::Filler;
use crate::cache::format::{OutputStream, RunStatus};
use crate::cache::forward::Forward;
use crate::cache::outlet::Outlets;
use crate::cache::permit::Permit;
use crate::fs::transfer::{BLOCK, enlarge_pipe};
use crate::process::{Children, Command, Interrupted};
use crate::sys::SignalQueue;
use crate::values::Status;

/// How long a process that the command left behind may hold its output open.
const LINGER: Duration = Duration::from_secs(1);

/// A pipe that is read with this much in it gets wider, in bytes.
const FULL: usize = 64 * 1024;

/// The variable by which a run inside this one is known.
const VARIABLE: &str = "TMPX_CACHE_RUN";

/// How a run ended.
#[derive(Debug)]
pub(crate) struct RunResult {
    pub(crate) status: Status,
    /// The bytes of the output.
    pub(crate) bytes: u64,
    /// The size of the entry, or why there is none.
    pub(crate) kept: Result<u64, Unkept>,
}

/// What a run needs to take a command's output.
#[derive(Debug)]
pub(crate) struct Capture {
    children: Children,
    /// The pipes of stdout and stderr.
    pipes: [(OwnedFd, OwnedFd); 2],
}

/// How many calls in a row may fail that are not known to fail: the command must not be left alone
/// because of one.
const RETRIES: u32 = 10;

/// A run of a command.
pub(crate) struct Execution<'a, 'p> {
    children: Children,
    outlets: &'a mut Outlets,
    permit: Option<&'a mut Permit<'p>>,
    /// Whether the key is still that of the run.
    is_same: &'a dyn Fn() -> bool,
    pid: Pid,
    /// The pipes of stdout and stderr, until they end.
    sources: [Option<OwnedFd>; 2],
    /// The entry's file, also while the rest of a given up entry is passed on.
    filler: Option<Filler>,
    is_filling: bool,
    forward: Forward,
    block: Vec<u8>,
    bytes: u64,
    ended: Option<(Status, Instant)>,
    kept: Option<Result<u64, Unkept>>,
    /// How many calls in a row have failed.
    failures: u32,
}

impl<'a, 'p> Execution<'a, 'p> {
    /// Whether this process belongs to a run.
    pub(crate) fn is_inside(env: &crate::os::Env) -> bool {
        env.is_set(VARIABLE)
    }

    /// Starts the command. `filler` takes its output, or says why it is not kept.
    pub(crate) fn start(
        mut command: Command<'_>,
        capture: Capture,
        outlets: &'a mut Outlets,
        permit: Option<&'a mut Permit<'p>>,
        filler: Result<Filler, Unkept>,
        is_same: &'a dyn Fn() -> bool,
    ) -> anyhow::Result<Self> {
        let Capture { mut children, pipes: [out, err] } = capture;
        command.pass_fd(out.1, 1);
        command.pass_fd(err.1, 2);
        command.set_env(VARIABLE, "1");
        // The signals that arrived during the preparations could not be passed on to the command.
        children.handle_signals();
        if let Some(signal) = children.interrupt() {
            return Err(Interrupted { signal }.into());
        }
        let pid = children.start(command)?;
        let (filler, kept) = match filler {
            Ok(filler) => (Some(filler), None),
            Err(why) => (None, Some(Err(why))),
        };
        Ok(Self {
            children,
            outlets,
            permit,
            is_same,
            pid,
            sources: [Some(out.0), Some(err.0)],
            is_filling: filler.is_some(),
            forward: Forward::from(filler.as_ref().map_or(0, Filler::frames_start)),
            filler,
            block: Vec::with_capacity(BLOCK),
            bytes: 0,
            ended: None,
            kept,
            failures: 0,
        })
    }

    /// Waits for the command and passes on its output, to the end.
    pub(crate) fn run(mut self) -> anyhow::Result<RunResult> {
        loop {
            self.settle();
            self.pass_on()?;
            self.close_unwanted();
            if self.kept.is_some() && self.has_ended() && self.forward.is_empty() {
                break;
            }
            if let Some(signal) = self.abandoned() {
                return Ok(self.result(Status::Signal(signal)));
            }
            self.wait_and_take()?;
        }
        let status = self.ended.map_or(Status::TmpxFailed, |(status, _)| status);
        Ok(self.result(status))
    }

    fn result(self, status: Status) -> RunResult {
        let kept = self.kept.unwrap_or(Err(Unkept::Interrupted));
        RunResult { status, bytes: self.bytes, kept }
    }

    /// Whether the command has exited and nobody writes any more.
    fn has_ended(&self) -> bool {
        self.ended.is_some() && self.sources.iter().all(Option::is_none)
    }

    /// How long the command has been over.
    fn time_since_end(&self) -> Option<Duration> {
        self.ended.map(|(_, at)| at.elapsed())
    }

    /// The signal that ends tmpx, although its output is not passed on yet: its command is over.
    fn abandoned(&self) -> Option<i32> {
        let is_over = self.time_since_end().is_some_and(|time| time >= LINGER);
        self.children.interrupt().filter(|_| is_over)
    }

    /// Keeps the output, or says why not, once that is clear.
    fn settle(&mut self) {
        if self.kept.is_some() {
            return;
        }
        let Some((status, _)) = self.ended else { return };
        let why = if self.children.interrupt().is_some() {
            // Those who wait have not been interrupted: one of them runs the command.
            if let Some(permit) = &mut self.permit {
                permit.hand_over();
            }
            Unkept::Interrupted
        } else if self.has_ended() {
            self.kept = Some(self.keep(status));
            return;
        } else if self.time_since_end().is_some_and(|time| time >= LINGER) {
            Unkept::HeldOpen
        } else {
            return;
        };
        self.give_up(why);
    }

    fn keep(&mut self, status: Status) -> Result<u64, Unkept> {
        self.is_filling = false;
        match (RunStatus::of(status), &mut self.permit, &self.filler) {
            (Some(status), Some(permit), Some(filler)) => {
                permit.conclude(filler, status, self.is_same)
            }
            _ => Err(Unkept::Failed),
        }
    }

    /// From here on the output is only passed on.
    fn give_up(&mut self, why: Unkept) {
        self.is_filling = false;
        if let Some(permit) = &mut self.permit {
            permit.give_up();
        }
        self.kept = Some(Err(why));
    }

    /// Passes on what can be written without waiting, and not so much that the command would wait.
    fn pass_on(&mut self) -> anyhow::Result<()> {
        const AT_ONCE: u64 = 4 << 20;
        let mut passed = 0;
        while passed < AT_ONCE {
            let file = self.filler.as_ref().map(Filler::as_fd);
            let next = self.forward.next(file).context("could not read the output again")?;
            let Some(stream) = next else { break };
            let must_be_polled = self.outlets.must_be_polled(stream, self.forward.left_in_file());
            if must_be_polled && !self.is_writable(stream) {
                break;
            }
            let file = self.filler.as_ref().map(Filler::as_fd);
            match self.forward.pass(file, self.outlets) {
                0 => break,
                bytes => passed += bytes,
            }
        }
        if self.kept.is_some() && self.forward.is_empty() {
            // The disk may be full because of it.
            self.filler = None;
        }
        Ok(())
    }

    /// Whether a failed call is tried again.
    fn retry(&mut self, err: Errno) -> io::Result<()> {
        if matches!(err, Errno::INTR | Errno::AGAIN) {
            return Ok(());
        }
        self.failures += 1;
        if self.failures < RETRIES { Ok(()) } else { Err(err.into()) }
    }

    fn is_writable(&self, stream: OutputStream) -> bool {
        let fd = self.outlets.fds()[stream.index()];
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
    }

    /// Whether the command's output is taken now. An output that is not kept waits in the pipe.
    fn takes(&self) -> bool {
        self.is_filling || self.forward.is_empty()
    }

    /// When something has to be done although nothing happens.
    fn deadline(&self) -> Option<Duration> {
        let waits = self.kept.is_none() || self.children.interrupt().is_some();
        let left = self.time_since_end()?.abs_diff(LINGER);
        (waits && self.time_since_end()? < LINGER).then_some(left)
    }

    /// Waits until something can be done, then takes output, and notices the end of the command.
    fn wait_and_take(&mut self) -> anyhow::Result<()> {
        let file = self.filler.as_ref().map(Filler::as_fd);
        let next = self.forward.next(file).context("could not read the output again")?;
        let takes = self.takes();
        let mut fds = Vec::with_capacity(4);
        fds.push(PollFd::new(&self.children, PollFlags::IN));
        let mut streams = Vec::with_capacity(2);
        for stream in OutputStream::BOTH {
            if let Some(source) = self.sources[stream.index()].as_ref().filter(|_| takes) {
                fds.push(PollFd::new(source, PollFlags::IN));
                streams.push(stream);
            }
        }
        if let Some(stream) = next {
            let outlet = self.outlets.fds()[stream.index()];
            fds.push(PollFd::from_borrowed_fd(outlet, PollFlags::OUT));
        }
        let deadline = self.deadline().map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        match poll(&mut fds, deadline.as_ref()) {
            Ok(_) => {}
            Err(err) => {
                drop(fds);
                return self.retry(err).context("could not wait for the command");
            }
        }
        let has_signal = !fds[0].revents().is_empty();
        let ready = streams.iter().zip(&fds[1..]).filter(|(_, fd)| !fd.revents().is_empty());
        let ready: Vec<OutputStream> = ready.map(|(stream, _)| *stream).collect();
        for stream in ready {
            if self.takes() {
                self.take(stream)?;
            }
        }
        if has_signal && self.children.handle_signals() && self.ended.is_none() {
            let ended = self.children.reap(self.pid).context("could not wait for the command")?;
            self.ended = ended.map(|status| (status, Instant::now()));
        }
        Ok(())
    }

    /// Closes the pipe of a stream that nobody reads and nobody keeps: the command gets SIGPIPE.
    fn close_unwanted(&mut self) {
        for stream in OutputStream::BOTH {
            if !self.is_filling && !self.outlets.is_open(stream) {
                self.sources[stream.index()] = None;
            }
        }
    }

    /// Takes output from a pipe.
    fn take(&mut self, stream: OutputStream) -> anyhow::Result<()> {
        let Some(source) = &self.sources[stream.index()] else { return Ok(()) };
        self.block.clear();
        let count = match read(source, spare_capacity(&mut self.block)) {
            Ok(0) => {
                self.sources[stream.index()] = None;
                return Ok(());
            }
            Ok(count) => count,
            Err(err) => return self.retry(err).context("could not read the command's output"),
        };
        self.failures = 0;
        if count >= FULL {
            enlarge_pipe(source);
        }
        self.bytes += count as u64;
        let mut added = 0;
        if let (true, Some(filler)) = (self.is_filling, &mut self.filler) {
            let result = filler.add(stream, &self.block);
            let end = filler.end();
            match result {
                Ok(()) => {
                    self.forward.extend(end, stream, count as u64);
                    return Ok(());
                }
                Err(not_added) => {
                    added = not_added.added;
                    if added > 0 {
                        self.forward.extend(end, stream, added as u64);
                    }
                    self.give_up(not_added.why);
                }
            }
        }
        if self.outlets.is_open(stream) {
            self.forward.add_block(stream, &self.block[added..]);
        }
        Ok(())
    }
}

impl Capture {
    /// Creates what is needed. The command has not been started if that fails.
    pub(crate) fn new(signals: SignalQueue) -> anyhow::Result<Self> {
        let pipe = || pipe_with(PipeFlags::CLOEXEC).context("could not create a pipe");
        Ok(Self { children: Children::new(signals)?, pipes: [pipe()?, pipe()?] })
    }
}

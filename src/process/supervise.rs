//! Supervises a running command until it ends.
//!
//! A signal that a process or a timer sends to tmpx is passed on. One from the terminal is not: the command
//! is in the same process group, so the terminal has sent it there too, unless it has left the group
//! ([`terminal`]).

use std::io::{self, PipeReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use crate::os::{Mounts, Process, processes};
use crate::process::command::{Command, StartError};
use crate::process::{stop, terminal};
use crate::sys::{self, ExitInfo, HeldSignals, ReceivedSignal, SignalQueue, would_end_process};
use crate::values::Status;

/// How long a command may run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The time after which SIGTERM asks it to end.
    pub(crate) timeout: Option<Duration>,
    /// The further time after which SIGKILL ends it.
    pub(crate) kill_after: Duration,
}

impl Limits {
    pub(crate) const NONE: Self = Self { timeout: None, kill_after: Duration::ZERO };
}

/// How a command ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExitOutcome {
    /// The status that tmpx exits with.
    pub(crate) status: Status,
    /// The command's own status and the resources that it used.
    pub(crate) info: ExitInfo,
    /// The time from its start to its end.
    pub(crate) wall: Duration,
    /// The mounts that were created for it.
    pub(crate) mounts: Option<Mounts>,
}

/// A running command.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    held: HeldSignals,
    started: Instant,
    mounts: Option<Mounts>,
}

impl Child {
    /// Starts a command.
    pub(crate) fn start(command: Command<'_>, signals: &SignalQueue) -> Result<Self, StartError> {
        let started = Instant::now();
        let held = signals.hold_stops();
        let mut mounts = None;
        let pid = command.start(signals, &mut |pid| mounts = processes::mounts(pid))?;
        Ok(Self { pid, held, started, mounts })
    }

    /// The mounts that were created for the command.
    pub(crate) fn mounts(&self) -> Option<Mounts> {
        self.mounts
    }

    /// The process of the command, unless it was reaped before.
    pub(crate) fn process(&self) -> Option<Process> {
        u32::try_from(self.pid.as_raw_nonzero().get()).ok().and_then(Process::find)
    }

    /// Waits until the command ends, passes signals on and enforces the limits meanwhile.
    /// The limits do not apply to descendants of tmpx that are `earlier` than the command.
    pub(crate) fn wait(
        self,
        signals: &SignalQueue,
        limits: Limits,
        earlier: &[Process],
    ) -> anyhow::Result<ExitOutcome> {
        let wait = Wait::new(self.pid, signals, &self.held, limits, earlier);
        let (info, timed_out) = wait.run().context("could not wait for the command")?;
        let status = if timed_out { Status::TimedOut } else { status(info.status) };
        let Self { started, mounts, .. } = self;
        Ok(ExitOutcome { status, info, wall: started.elapsed(), mounts })
    }
}

/// Runs a command to its end, without limits.
pub(crate) fn run(command: Command<'_>, signals: &SignalQueue) -> anyhow::Result<ExitOutcome> {
    Child::start(command, signals)?.wait(signals, Limits::NONE, &[])
}

/// Runs a command to its end, while `read` reads what it writes to stdout. Returns the command's
/// status and what `read` returned. If `read` returns early, the command gets a broken pipe.
pub(crate) fn run_capturing<T: Send>(
    mut command: Command<'_>,
    signals: SignalQueue,
    read: impl FnOnce(PipeReader) -> T + Send,
) -> anyhow::Result<(Status, T)> {
    let (reader, writer) = io::pipe().context("could not create a pipe")?;
    std::thread::scope(|scope| {
        let held = signals.hold_stops();
        let reading = std::thread::Builder::new()
            .spawn_scoped(scope, || read(reader))
            .context("could not start a thread")?;
        command.pass_fd(writer.into(), 1);
        let outcome = run(command, &signals);
        // A process that the command left running may write on. From here on, a signal ends the
        // wait for it.
        drop(held);
        signals.close();
        match reading.join() {
            Ok(result) => Ok((outcome?.status, result)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The wait for a command.
struct Wait<'a> {
    pid: Pid,
    signals: &'a SignalQueue,
    held: &'a HeldSignals,
    limits: Limits,
    earlier: &'a [Process],
    /// When the command gets which signal, unless it has ended by then.
    deadline: Option<(Instant, Signal)>,
    timed_out: bool,
    killed: bool,
    /// The signal by which a process has asked tmpx to stop with its command, until it has stopped.
    stop_by: Option<i32>,
}

impl<'a> Wait<'a> {
    fn new(
        pid: Pid,
        signals: &'a SignalQueue,
        held: &'a HeldSignals,
        limits: Limits,
        earlier: &'a [Process],
    ) -> Self {
        let deadline = limits.timeout.and_then(after).map(|at| (at, Signal::TERM));
        let (timed_out, killed, stop_by) = (false, false, None);
        Self { pid, signals, held, limits, earlier, deadline, timed_out, killed, stop_by }
    }

    /// Waits for the command. Returns how it ended, and whether it exceeded its time limit.
    fn run(mut self) -> io::Result<(ExitInfo, bool)> {
        loop {
            // The number cannot be reused before the process is reaped.
            if let Some(info) = sys::reap(self.pid)? {
                match self.deadline {
                    Some((at, Signal::KILL)) => end_orphans(at, self.signals, self.earlier),
                    // The command may have started another process just before it was killed.
                    _ if self.killed => end_orphans(Instant::now(), self.signals, self.earlier),
                    _ => {}
                }
                return Ok((info, self.timed_out));
            }
            if let Some(signal) = self.stop_by.take_if(|_| stop::is_stopped(self.pid)) {
                stop::stop_for_certain(&[self.pid], signal, self.held);
            }
            match self.deadline {
                Some((at, signal)) if at <= Instant::now() => self.time_out(signal),
                _ => self.wait_for_signal(),
            }
        }
    }

    /// Signals a command whose time is over, and sets the next deadline.
    fn time_out(&mut self, signal: Signal) {
        self.timed_out = true;
        self.killed = signal == Signal::KILL;
        signal_all(&[self.pid], &processes::descendants(self.earlier), signal);
        self.deadline = match signal {
            Signal::KILL => None,
            _ => after(self.limits.kill_after).map(|at| (at, Signal::KILL)),
        };
    }

    /// Waits for a signal until the deadline, and does what it asks for.
    fn wait_for_signal(&mut self) {
        let left = self.deadline.map(|(at, _)| at.saturating_duration_since(Instant::now()));
        let Some(received) = self.signals.wait(left) else { return };
        if received.signal == libc::SIGCHLD {
            // A stopped tmpx could not enforce a time limit.
            if self.limits.timeout.is_none() && self.stop_by.is_none() {
                stop::propagate(self.pid, self.held);
            }
        } else if received.is_stop() && received.from_process {
            stop::pass_on(received.signal, self.pid);
            self.stop_by = Some(received.signal);
        } else if received.is_stop() {
            terminal::relay(received.signal, &[self.pid]);
            stop::stop_like(&[self.pid], received.signal, self.held);
        } else if must_forward(received) {
            if received.signal == libc::SIGCONT {
                self.stop_by = None;
            }
            forward(received.signal, self.pid);
        } else {
            terminal::relay(received.signal, &[self.pid]);
        }
    }
}

/// Returns the moment after this time, unless the clock cannot represent it: that is no deadline.
fn after(time: Duration) -> Option<Instant> {
    Instant::now().checked_add(time)
}

/// How long killed processes may take to end.
const DYING: Duration = Duration::from_secs(1);

/// Kills what a command has left running at its deadline, or when a signal asks tmpx to end. They have
/// had their SIGTERM and may ignore it. Returns as soon as all of them have ended.
fn end_orphans(mut deadline: Instant, signals: &SignalQueue, earlier: &[Process]) {
    let mut were_killed = false;
    while sys::has_children() {
        let orphans = processes::descendants(earlier);
        if orphans.is_empty() {
            return;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let is_over = left.is_zero() || signals.wait(Some(left)).is_some_and(asks_to_end);
        if is_over && were_killed {
            return;
        }
        if is_over {
            for process in &orphans {
                process.signal(Signal::KILL);
            }
            were_killed = true;
            deadline = Instant::now() + DYING;
        }
    }
}

/// Signals commands and all processes that they started: a shell that ends does not end the processes
/// it waits for.
pub(super) fn signal_all(commands: &[Pid], descendants: &[Process], signal: Signal) {
    for &command in commands {
        let _ = kill_process(command, signal);
        // A stopped process handles no signal before it is continued.
        let _ = kill_process(command, Signal::CONT);
    }
    let is_command = |process: &&Process| commands.iter().any(|&pid| number(pid) == process.pid);
    for process in descendants.iter().filter(|process| !is_command(process)) {
        process.signal(signal);
        process.signal(Signal::CONT);
    }
}

/// The id of a process as a number.
pub(super) fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().cast_unsigned()
}

/// The signals of timers that a process sets for itself. They survive execve(2), so tmpx may have inherited
/// one that is meant for the command, as from `alarm` in a Perl script.
const TIMERS: [i32; 3] = [libc::SIGALRM, libc::SIGVTALRM, libc::SIGPROF];

/// Whether to pass a signal on. The terminal's own signals reach the command without help, except
/// the hangup: the kernel sends that to the leader of the session only.
pub(super) fn must_forward(received: ReceivedSignal) -> bool {
    let is_hangup = received.signal == libc::SIGHUP;
    let is_ours = received.signal == libc::SIGCHLD || received.is_stop();
    let is_for_tmpx = TIMERS.contains(&received.signal) || is_hangup && sys::is_session_leader();
    !is_ours && (received.from_process || is_for_tmpx)
}

fn asks_to_end(received: ReceivedSignal) -> bool {
    must_forward(received) && would_end_process(received.signal)
}

/// Signals that ask a process to end. They also continue a stopped one: it handles no signal before.
const ENDING: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// Passes a signal on.
pub(super) fn forward(signal: i32, command: Pid) {
    let _ = sys::send(signal, command);
    if ENDING.contains(&signal) && stop::is_stopped(command) {
        let _ = kill_process(command, Signal::CONT);
    }
}

pub(super) fn status(status: ExitStatus) -> Status {
    match (status.code(), status.signal()) {
        (Some(code), _) => Status::Command(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, Some(signal)) => Status::Signal(signal),
        (None, None) => Status::TmpxFailed,
    }
}

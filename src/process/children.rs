//! Supervises several commands that run at the same time.
//!
//! Signals reach them as they reach a single command: a signal that a process sends to tmpx is passed
//! on to each, and the terminal's signals reach them without help. Each child is reaped by its
//! number, since a script may have had children before it became this process. What is asked to end and
//! does not is killed, also a process that has outlived the command which started it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use crate::os::{Liveness, Process, processes};
use crate::process::command::{Command, StartError};
use crate::process::supervise::{forward, must_forward, number, signal_all, status};
use crate::process::{stop, terminal};
use crate::sys::{self, HeldSignals, ReceivedSignal, SignalQueue, would_end_process};
use crate::values::Status;

/// How long processes that are asked to end may take.
const KILL_AFTER: Duration = Duration::from_secs(5);

/// How long killed ones may take.
const DYING: Duration = Duration::from_secs(1);

/// How often to look for the end of processes that are no children.
const STEP: Duration = Duration::from_millis(20);

/// Commands that run at the same time.
#[derive(Debug)]
pub(crate) struct Children {
    held: HeldSignals,
    signals: SignalQueue,
    descriptor: OwnedFd,
    running: Vec<Pid>,
    ending: Vec<Ending>,
    /// The signals that have asked tmpx to end, each of them once.
    interrupts: Vec<i32>,
    /// The last of them, until it is taken.
    new_interrupt: Option<i32>,
}

/// Children that have been asked to end.
#[derive(Debug)]
struct Ending {
    /// Those that run.
    children: Vec<Pid>,
    /// The processes that they had started. These may run on when the children have ended.
    descendants: Vec<Process>,
    /// When they are killed, or given up if they have been.
    deadline: Instant,
    were_killed: bool,
}

impl Children {
    /// Begins without a command.
    pub(crate) fn new(signals: SignalQueue) -> anyhow::Result<Self> {
        let descriptor = signals.descriptor().context("could not wait for signals")?;
        let held = signals.hold_stops();
        let (running, ending) = (Vec::new(), Vec::new());
        let (interrupts, new_interrupt) = (Vec::new(), None);
        Ok(Self { held, signals, descriptor, running, ending, interrupts, new_interrupt })
    }

    /// Starts a command.
    pub(crate) fn start(&mut self, command: Command<'_>) -> Result<Pid, StartError> {
        let pid = command.start(&self.signals, &mut |_| ())?;
        self.running.push(pid);
        Ok(pid)
    }

    /// Handles the signals that have arrived. True if a child may have ended.
    pub(crate) fn handle_signals(&mut self) -> bool {
        let mut has_child_ended = false;
        while let Some(received) = self.signals.wait(Some(Duration::ZERO)) {
            has_child_ended |= received.signal == libc::SIGCHLD;
            if received.is_stop() {
                self.stop(received);
            } else if must_forward(received) {
                self.running.iter().for_each(|&pid| forward(received.signal, pid));
            } else {
                terminal::relay(received.signal, &self.running);
            }
            if would_end_process(received.signal) {
                self.new_interrupt = Some(received.signal);
                if !self.interrupts.contains(&received.signal) {
                    self.interrupts.push(received.signal);
                }
            }
        }
        has_child_ended
    }

    /// Stops tmpx and, unless the terminal has done that, all children. Whoever continues tmpx
    /// continues them.
    fn stop(&self, received: ReceivedSignal) {
        if received.from_process {
            let running = self.running.iter().copied();
            let stopping = running.filter(|&pid| stop::pass_on(received.signal, pid));
            stopping.collect::<Vec<Pid>>().into_iter().for_each(stop::wait_until_stopped);
            stop::stop_for_certain(&self.running, received.signal, &self.held);
        } else {
            terminal::relay(received.signal, &self.running);
            stop::stop_like(&self.running, received.signal, &self.held);
        }
    }

    /// The first signal that asked tmpx to end.
    pub(crate) fn interrupt(&self) -> Option<i32> {
        self.interrupts.first().copied()
    }

    /// Returns the signal that has asked tmpx to end since the last call.
    pub(crate) fn take_interrupt(&mut self) -> Option<i32> {
        self.new_interrupt.take()
    }

    /// Whether this signal has asked tmpx to end.
    pub(crate) fn were_interrupted_by(&self, signal: i32) -> bool {
        self.interrupts.contains(&signal)
    }

    /// Whether no child runs.
    pub(crate) fn are_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Returns how a child ended, if it has.
    pub(crate) fn reap(&mut self, pid: Pid) -> io::Result<Option<Status>> {
        let ended = sys::reap_one(pid)?;
        if ended.is_some() {
            self.running.retain(|&other| other != pid);
            for group in &mut self.ending {
                group.children.retain(|&other| other != pid);
            }
        }
        Ok(ended.map(status))
    }

    /// Asks the children among these that run to end, and all processes that they started. Later they are
    /// killed.
    pub(crate) fn terminate(&mut self, pids: &[Pid]) {
        let is_asked = |pid| self.ending.iter().any(|group| group.children.contains(&pid));
        let pids = pids.iter().copied().filter(|pid| self.running.contains(pid));
        let children: Vec<Pid> = pids.filter(|&pid| !is_asked(pid)).collect();
        if !children.is_empty() {
            let descendants = signal_with_descendants(&children, Vec::new(), Signal::TERM);
            let deadline = Instant::now() + KILL_AFTER;
            self.ending.push(Ending { children, descendants, deadline, were_killed: false });
        }
    }

    /// Kills all children that run, and all processes that they started.
    pub(crate) fn kill_all(&mut self) {
        if !self.running.is_empty() {
            signal_with_descendants(&self.running, Vec::new(), Signal::KILL);
        }
        self.kill_asked();
    }

    /// Kills what has been asked to end, now.
    pub(crate) fn kill_asked(&mut self) {
        let now = Instant::now();
        self.ending.iter_mut().for_each(|group| group.deadline = now);
        self.kill_overdue(now);
    }

    /// Kills what has not ended in time.
    pub(crate) fn kill_overdue(&mut self, now: Instant) {
        self.ending.retain_mut(|group| group.deadline > now || group.kill(now + DYING));
    }

    /// Whether a process runs that a child had started before it was asked to end.
    pub(crate) fn have_survivors(&mut self) -> bool {
        self.ending.iter_mut().for_each(|group| group.descendants.retain(is_alive));
        self.ending.iter().any(|group| !group.descendants.is_empty())
    }

    /// When to look after what has been asked to end, if anything has.
    pub(crate) fn next_check(&self) -> Option<Instant> {
        let deadline = self.ending.iter().map(|group| group.deadline).min()?;
        // Only the end of a child is announced.
        Some(if self.are_idle() { deadline.min(Instant::now() + STEP) } else { deadline })
    }
}

impl Ending {
    /// Kills them. False if there is nothing more to do: they have ended, or have been killed before.
    fn kill(&mut self, deadline: Instant) -> bool {
        self.descendants.retain(is_alive);
        let have_ended = self.children.is_empty() && self.descendants.is_empty();
        if have_ended || self.were_killed {
            return false;
        }
        let descendants = std::mem::take(&mut self.descendants);
        self.descendants = signal_with_descendants(&self.children, descendants, Signal::KILL);
        self.deadline = deadline;
        self.were_killed = true;
        true
    }
}

fn is_alive(process: &Process) -> bool {
    process.liveness() == Liveness::Alive
}

/// Signals children, these processes, and all that both have started. Returns the processes.
fn signal_with_descendants(
    children: &[Pid],
    mut processes: Vec<Process>,
    signal: Signal,
) -> Vec<Process> {
    // A stopped process starts no others while they are looked for. It is continued below.
    for &pid in children {
        let _ = kill_process(pid, Signal::STOP);
    }
    for process in &processes {
        process.signal(Signal::STOP);
    }
    let numbers = children.iter().copied().map(number);
    let numbers: Vec<u32> = numbers.chain(processes.iter().map(|process| process.pid)).collect();
    processes.extend(processes::descendants_of(&numbers));
    signal_all(children, &processes, signal);
    processes
}

/// Readable while a signal waits to be handled.
impl AsFd for Children {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

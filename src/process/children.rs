//! Supervises several commands that run at the same time.
//!
//! Signals reach them as they reach a single command: a signal that a process sends to tmpx is passed
//! on to each, and the terminal's signals reach them without help. Each child is reaped by its
//! number, since a script may have had children before it became this process.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use crate::os::processes;
use crate::process::command::{Command, StartError};
use crate::process::stop;
use crate::process::supervise::{forward, must_forward, number, signal_all, status};
use crate::sys::{self, HeldSignals, ReceivedSignal, SignalQueue, would_end_process};
use crate::values::Status;

/// Commands that run at the same time.
#[derive(Debug)]
pub(crate) struct Children {
    held: HeldSignals,
    signals: SignalQueue,
    descriptor: OwnedFd,
    running: Vec<Pid>,
    /// The signals that have asked tmpx to end, each of them once.
    interrupts: Vec<i32>,
    /// The last of them, until it is taken.
    new_interrupt: Option<i32>,
}

impl Children {
    /// Begins without a command.
    pub(crate) fn new(signals: SignalQueue) -> anyhow::Result<Self> {
        let descriptor = signals.descriptor().context("could not wait for signals")?;
        let held = signals.hold_stops();
        let (running, interrupts, new_interrupt) = (Vec::new(), Vec::new(), None);
        Ok(Self { held, signals, descriptor, running, interrupts, new_interrupt })
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
        }
        Ok(ended.map(status))
    }

    /// Sends a signal to the children among these that run, and to all processes that they started.
    pub(crate) fn end(&self, pids: &[Pid], signal: Signal) {
        let pids: Vec<Pid> =
            pids.iter().copied().filter(|pid| self.running.contains(pid)).collect();
        if pids.is_empty() {
            return;
        }
        // A stopped process starts no others while they are looked for. It is continued below.
        for &pid in &pids {
            let _ = kill_process(pid, Signal::STOP);
        }
        let numbers: Vec<u32> = pids.iter().copied().map(number).collect();
        signal_all(&pids, &processes::descendants_of(&numbers), signal);
    }
}

/// Readable while a signal waits to be handled.
impl AsFd for Children {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

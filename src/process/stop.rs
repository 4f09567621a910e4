//! Stops and continues tmpx together with its command.
//!
//! A process that stops tmpx means the work. The terminal stops both. And if the command stops by
//! itself, the shell that waits for tmpx has to notice. Nobody can catch SIGSTOP: it stops tmpx alone.

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};

use crate::os::processes;
use crate::sys::{self, HeldSignals};

/// Passes a stop signal on. A command without a handler for it is stopped for certain: the kernel
/// ignores these signals where no job control could continue the process, and tmpx can. Returns
/// whether it is certain.
pub(super) fn pass_on(signal: i32, command: Pid) -> bool {
    let is_default = processes::leaves_to_default(command, signal) == Some(true);
    let sent = sys::send(if is_default { libc::SIGSTOP } else { signal }, command);
    is_default && sent.is_ok()
}

/// Waits until a command that is stopped for certain has stopped, or has ended before.
pub(super) fn wait_until_stopped(command: Pid) {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let _ = waitid(WaitId::Pid(command), options);
}

/// Whether a command is stopped now.
pub(super) fn is_stopped(command: Pid) -> bool {
    stopping_signal(command, WaitIdOptions::NOWAIT).is_some()
}

fn stopping_signal(command: Pid, options: WaitIdOptions) -> Option<i32> {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | options;
    waitid(WaitId::Pid(command), options).ok().flatten()?.stopping_signal()
}

/// Stops tmpx too if the command has stopped by itself, so that the process that waits for tmpx
/// notices.
pub(super) fn propagate(command: Pid, held: &HeldSignals) {
    let Some(signal) = stopping_signal(command, WaitIdOptions::NOWAIT) else { return };
    // Without a terminal, no job control waits for the stop. Whoever continues tmpx continues the
    // command, and so does whoever ends tmpx.
    if open("/dev/tty", OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).is_err() {
        return;
    }
    let stop = if sys::is_ignored(signal) { libc::SIGSTOP } else { signal };
    stop_like(&[command], stop, held);
}

/// Stops tmpx by this signal. Once it is continued, continues the commands that have not been
/// continued too, as by a shell that continues the whole job.
pub(super) fn stop_like(commands: &[Pid], signal: i32, held: &HeldSignals) {
    held.stop_by(signal);
    continue_all(commands);
}

/// Does the same, also where no job control could continue tmpx.
pub(super) fn stop_for_certain(commands: &[Pid], signal: i32, held: &HeldSignals) {
    if sys::is_ignored(signal) || !held.stop_by(signal) {
        held.stop_by(libc::SIGSTOP);
    }
    continue_all(commands);
}

fn continue_all(commands: &[Pid]) {
    for &command in commands {
        let is_stopped = stopping_signal(command, WaitIdOptions::empty()).is_some();
        if let Some(group) = sys::other_group(command) {
            // Nobody else continues the rest of it.
            let _ = kill_process_group(group, Signal::CONT);
        } else if is_stopped {
            let _ = kill_process(command, Signal::CONT);
        }
    }
}

//! What the terminal sends to the process group of tmpx reaches a command in that group without help.
//!
//! A command may leave the group: timeout(1) makes one of its own, unless it leads one already, as it would
//! if the shell had started it. Then tmpx passes the signals of the terminal on to that group.

use rustix::process::{Pid, Signal, kill_process_group};

use crate::sys::other_group;

/// The signals that the terminal sends to a process group.
const SIGNALS: [Signal; 7] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::WINCH,
    Signal::TSTP,
    Signal::TTIN,
    Signal::TTOU,
];

/// Passes a signal that the terminal has sent to tmpx on to commands that it has not reached.
pub(super) fn relay(signal: i32, commands: &[Pid]) {
    let Some(signal) = SIGNALS.into_iter().find(|known| known.as_raw() == signal) else { return };
    for group in commands.iter().copied().filter_map(other_group) {
        let _ = kill_process_group(group, signal);
    }
}

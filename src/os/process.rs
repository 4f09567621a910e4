//! One process: whether it is alive, and sending it a signal.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal, test_kill_process,
};
use serde::{Deserialize, Serialize};

use crate::os::procfs::Stat;
use crate::sys::is_unknown_call;

/// A process. Its start time distinguishes it from a later process with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Process {
    /// The process id.
    pub pid: u32,
    /// The start time, in clock ticks since boot (field 22 of `proc_pid_stat(5)`).
    pub start: u64,
}

/// Whether a process is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Liveness {
    /// The process runs.
    Alive,
    /// The process has exited, or its id belongs to another process by now.
    Dead,
    /// The process is not visible from here.
    Unknown,
}

impl Process {
    /// Returns the process that has this id now.
    pub(crate) fn find(pid: u32) -> Option<Self> {
        Stat::read(pid).map(|stat| Self { pid, start: stat.start })
    }

    /// Sends the process a signal, and never a later process with the same id. Without pidfds, that
    /// process would have to start between two system calls.
    pub(crate) fn signal(self, signal: Signal) {
        let Ok(pidfd) = self.try_open() else { return };
        match pidfd.map(|pidfd| pidfd_send_signal(pidfd, signal)) {
            Some(result) if result.err().is_none_or(|err| !is_unknown_call(err)) => {}
            _ => {
                let _ = self.id().map(|pid| kill_process(pid, signal));
            }
        }
    }

    /// Returns a descriptor that becomes readable when all threads of the process have exited. So it
    /// distinguishes a zombie from an exited leader whose threads run on. Returns `None` if the
    /// process has exited, if another process has its id by now, or if the system gives no such
    /// descriptor.
    pub(crate) fn open(self) -> Option<OwnedFd> {
        self.try_open().ok().flatten()
    }

    fn id(self) -> Option<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw)
    }

    /// Opens the process, or finds out that it does not run. Opens it before it reads the start time,
    /// so that the id cannot pass to another process in between. Returns no descriptor if the process
    /// runs but cannot be opened: before Linux 5.3, in a sandbox, or without free descriptors.
    fn try_open(self) -> Result<Option<OwnedFd>, Liveness> {
        let pid = self.id().ok_or(Liveness::Dead)?;
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(Errno::SRCH) => return Err(Liveness::Dead),
            opened => opened.ok(),
        };
        match Stat::read(self.pid) {
            Some(stat) if stat.start != self.start => Err(Liveness::Dead),
            Some(stat) if pidfd.is_none() && stat.has_exited() => Err(Liveness::Dead),
            Some(_) => Ok(pidfd),
            None if test_kill_process(pid) == Err(Errno::SRCH) => Err(Liveness::Dead),
            None => Err(Liveness::Unknown),
        }
    }

    /// Returns whether the process runs. It must belong to this boot and PID namespace.
    pub(crate) fn liveness(self) -> Liveness {
        let pidfd = match self.try_open() {
            Ok(Some(pidfd)) => pidfd,
            Ok(None) => return Liveness::Alive,
            Err(liveness) => return liveness,
        };
        let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
        match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(0) => Liveness::Alive,
            Ok(_) => Liveness::Dead,
            Err(_) => Liveness::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_its_id_with_another_start_time_is_dead() {
        let this = Process::find(std::process::id()).unwrap();
        assert_eq!(this.liveness(), Liveness::Alive);
        assert_eq!(Process { start: this.start + 1, ..this }.liveness(), Liveness::Dead);
    }

    #[test]
    fn a_zombie_is_dead() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = Pid::from_child(&child);
        let process = Process::find(child.id()).unwrap();
        // Waits for the exit without reaping, so that the zombie stays.
        rustix::process::waitid(
            rustix::process::WaitId::Pid(pid),
            rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
        )
        .unwrap();
        assert!(Process::find(child.id()).is_some(), "the zombie is still in /proc");
        assert_eq!(process.liveness(), Liveness::Dead);
        child.wait().unwrap();
    }
}

//! The background processes that watch a store.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::support::sandbox::Sandbox;

/// Returns the running reapers of a sandbox's store.
pub(crate) fn reapers(sandbox: &Sandbox) -> Vec<Pid> {
    let state = sandbox.state();
    let expected = [b"tmpx-reaper\0", state.as_os_str().as_bytes(), b"\0"].concat();
    let processes = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        // A zombie has no command line.
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        (line == expected).then_some(entry.file_name())
    });
    processes.filter_map(|pid| Pid::from_raw(pid.to_str()?.parse().ok()?)).collect()
}

/// Kills the reapers of a sandbox's store, and waits until each has exited: before, it may still hold a lock.
/// Returns their number.
pub(crate) fn kill_reapers(sandbox: &Sandbox) -> usize {
    let kill = |reaper| {
        let Ok(process) = pidfd_open(reaper, PidfdFlags::empty()) else { return };
        let _ = pidfd_send_signal(&process, Signal::KILL);
        retry_on_intr(|| poll(&mut [PollFd::new(&process, PollFlags::IN)], None)).unwrap();
    };
    reapers(sandbox).into_iter().map(kill).count()
}

//! A terminal for a test, which types on it and reads its output.

use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{
    LocalModes, OptionalActions, Winsize, tcgetattr, tcgetpgrp, tcsetattr, tcsetwinsize,
};

/// A wait fails after this time.
const PATIENCE: Duration = Duration::from_mins(1);

/// A terminal with a session on it.
pub(crate) struct Terminal {
    master: OwnedFd,
    leader: Child,
    job: Pid,
    shown: Vec<u8>,
    seen: usize,
}

impl Terminal {
    /// Starts a command as the leader of a session with a new terminal. The terminal does not echo
    /// input, so a program wrote everything that it shows.
    pub(crate) fn start(mut command: Command) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
        let mut modes = tcgetattr(&slave).unwrap();
        modes.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&slave, OptionalActions::Now, &modes).unwrap();
        command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap()).stderr(slave);
        let leader = command.spawn().unwrap();
        let job = Pid::from_child(&leader);
        Self { master, leader, job, shown: Vec::new(), seen: 0 }
    }

    pub(crate) fn type_in(&self, text: &str) {
        let mut bytes = text.as_bytes();
        while !bytes.is_empty() {
            let written = rustix::io::write(&self.master, bytes).unwrap();
            bytes = &bytes[written..];
        }
    }

    /// Waits for a line that contains this text, after the lines of earlier waits. It also waits
    /// for the end of the line: the terminal would drop it if Ctrl-C came first.
    pub(crate) fn see(&mut self, text: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.find(text) {
            assert!(self.read(until), "never saw {text:?}, but\n{}", self.text());
        }
        if let Ok(group) = tcgetpgrp(&self.master)
            && group != Pid::from_child(&self.leader)
        {
            self.job = group;
        }
    }

    fn find(&mut self, text: &str) -> bool {
        let rest = &self.shown[self.seen..];
        let at = rest.windows(text.len()).position(|part| part == text.as_bytes());
        let end =
            at.and_then(|at| rest[at..].iter().position(|byte| *byte == b'\n').map(|n| at + n));
        self.seen += end.unwrap_or(0);
        end.is_some()
    }

    /// Sends a signal to the leader of the last job in the foreground, and to no other process.
    pub(crate) fn send(&self, signal: Signal) {
        kill_process(self.job, signal).unwrap();
    }

    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).unwrap();
    }

    /// Closes the terminal, as a lost connection does, and waits until the last job has ended.
    /// Returns the exit status of the session's leader.
    pub(crate) fn hang_up(mut self) -> ExitStatus {
        let job = pidfd_open(self.job, PidfdFlags::empty()).unwrap();
        let (reader, _) = std::io::pipe().unwrap();
        drop(std::mem::replace(&mut self.master, reader.into()));
        assert!(is_ready(&job, Instant::now() + PATIENCE), "the job outlives its terminal");
        self.leader.wait().unwrap()
    }

    /// Reads until no process has the terminal open. Returns all output, and the exit status of the
    /// session's leader.
    pub(crate) fn close(mut self) -> (String, ExitStatus) {
        let until = Instant::now() + PATIENCE;
        while self.read(until) {}
        assert!(Instant::now() < until, "a process keeps the terminal open\n{}", self.text());
        (self.text(), self.leader.wait().unwrap())
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown).replace('\r', "")
    }

    /// Reads more output. Returns `false` at the end.
    fn read(&mut self, until: Instant) -> bool {
        if !is_ready(&self.master, until) {
            return false;
        }
        let mut buffer = [0; 4096];
        match rustix::io::read(&self.master, &mut buffer) {
            Ok(count) => {
                self.shown.extend_from_slice(&buffer[..count]);
                count > 0
            }
            // All other descriptors of it are closed.
            Err(Errno::IO) => false,
            Err(err) => panic!("{err}"),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.leader.kill();
        let _ = self.leader.wait();
    }
}

fn is_ready(fd: &OwnedFd, until: Instant) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap();
        match poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&left)) {
            Err(Errno::INTR) => {}
            ready => return ready.unwrap() > 0,
        }
    }
}

//! Commands that are stopped and continued, mostly without a terminal.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::support::sandbox::{Sandbox, words};
use crate::support::wait::wait_until;

/// Reports its process id, each line that it reads, and each time that it was continued, on stderr.
/// A signal may interrupt the reading.
const TALKS: &str = "exec 1>&2; trap 'echo continued' CONT; echo $$; \
                     until [ \"$x\" = end ]; do x=; read x; [ -z \"$x\" ] || echo $x; done; exit 3";

/// tmpx with a command that talks, in a session of its own, without a terminal.
struct Job {
    tmpx: Child,
    said: BufReader<ChildStderr>,
    command: Pid,
}

impl Job {
    fn start(sandbox: &Sandbox, args: &str, script: &str) -> Self {
        let mut setsid = Command::new("setsid");
        setsid.arg("tmpx").args(words(args)).args(["--", "sh", "-c", script]);
        let mut tmpx = sandbox
            .command(setsid)
            .prepared()
            .stdin(if args == "spool" { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(tmpx.stderr.take().unwrap());
        let mut pid = String::new();
        said.read_line(&mut pid).unwrap();
        let command = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        Self { tmpx, said, command }
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.tmpx), signal).unwrap();
    }

    /// Waits until tmpx has stopped.
    fn sees_stop(&self) {
        let id = WaitId::Pid(Pid::from_child(&self.tmpx));
        let stopped = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = waitid(id, stopped).unwrap().unwrap();
        assert!(status.stopped(), "{status:?}");
    }

    fn hears(&mut self, expected: &str) {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), expected);
    }

    fn says(&mut self, line: &str) {
        self.tmpx.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
    }

    fn ends(mut self, status: i32) {
        self.tmpx.stdin.take();
        assert_eq!(self.tmpx.wait().unwrap().code(), Some(status));
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // A failed test leaves nothing behind.
        for pid in [self.command, Pid::from_child(&self.tmpx)] {
            if std::thread::panicking() {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// The state of a process: T is stopped.
fn state(pid: Pid) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
    stat[stat.rfind(')').unwrap() + 2..].chars().next().unwrap()
}

fn wait_until_stopped(pid: Pid) {
    wait_until("the process stops", || state(pid) == 'T');
}

#[test]
fn a_stop_of_tmpx_stops_the_command_and_both_are_continued() {
    for signal in [Signal::TSTP, Signal::TTIN, Signal::TTOU] {
        for args in ["exec", "exec --timeout 1h"] {
            let sandbox = Sandbox::new();
            let mut job = Job::start(&sandbox, args, TALKS);
            job.send(signal);
            job.sees_stop();
            assert_eq!(state(job.command), 'T', "{signal:?}");
            job.send(Signal::CONT);
            job.hears("continued");
            job.says("on\n");
            job.hears("on");
            job.says("end\n");
            job.hears("end");
            job.ends(3);
        }
    }
}

#[test]
fn a_stop_of_spool_replace_chunk_and_cache_stops_their_commands_too() {
    // A trap interrupts only a wait.
    let script =
        "sleep 1000 & trap \"kill $!; echo continued >&2; exit 3\" CONT; echo $$ >&2; wait";
    for args in ["spool", "replace file", "chunk --format lines --rows 1 file", "cache run"] {
        let sandbox = Sandbox::new();
        std::fs::write(sandbox.cwd().join("file"), "1\n").unwrap();
        let mut job = Job::start(&sandbox, args, script);
        job.send(Signal::TSTP);
        job.sees_stop();
        assert_eq!(state(job.command), 'T', "{args}");
        job.send(Signal::CONT);
        job.hears("continued");
        job.ends(3);
    }
}

#[test]
fn a_command_that_handles_the_stop_signal_gets_it_and_tmpx_stops_only_with_it() {
    let sandbox = Sandbox::new();
    let script = format!("trap 'echo saved >&2; kill -STOP $$' TSTP; trap '' TTIN; {TALKS}");
    let mut job = Job::start(&sandbox, "exec", &script);
    job.send(Signal::TTIN);
    job.says("on\n");
    job.hears("on");
    job.send(Signal::TSTP);
    job.hears("saved");
    job.sees_stop();
    job.send(Signal::CONT);
    job.hears("continued");
    job.says("again\n");
    job.hears("again");
    job.says("end\n");
    job.hears("end");
    job.ends(3);
}

#[test]
fn without_a_terminal_a_stopped_command_is_continued_through_tmpx() {
    for args in ["exec", "spool", "replace file"] {
        let sandbox = Sandbox::new();
        let script = "trap 'echo continued >&2' CONT; echo $$ >&2; kill -STOP $$; exit 3";
        let mut job = Job::start(&sandbox, args, script);
        wait_until_stopped(job.command);
        job.send(Signal::CONT);
        job.hears("continued");
        job.ends(3);
    }
}

#[test]
fn without_a_terminal_a_stopped_command_is_ended_through_tmpx() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        let sandbox = Sandbox::new();
        let mut job = Job::start(&sandbox, "exec", "echo $$ >&2; kill -STOP $$; exit 3");
        wait_until_stopped(job.command);
        job.send(signal);
        job.tmpx.stdin.take();
        assert_eq!(job.tmpx.wait().unwrap().signal(), Some(signal.as_raw()), "{signal:?}");
    }
}

//! `tmpx exec`: signals, kills and timeouts.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::filter::with_fault;
use crate::support::sandbox::{Sandbox, has, words};
use crate::support::wait::wait_until;

/// Starts a command that prints a line when it runs, and then waits for input.
fn running(sandbox: &Sandbox, script: &str) -> std::process::Child {
    let mut child = sandbox.tmpx(["exec", "bash", "-c", script]).spawn();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

#[test]
fn a_signal_reaches_the_command_and_the_workspace_is_still_removed() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let sandbox = Sandbox::new();
        // The shell waits for a child that the signal does not reach, and then runs the trap.
        let script = "trap 'exit 42' INT TERM HUP QUIT; echo ready; while :; do read x; done";
        let mut child = running(&sandbox, script);
        kill_process(Pid::from_child(&child), signal).unwrap();
        // The read ends when no process can write to it.
        child.stdin.take();
        assert_eq!(child.wait().unwrap().code(), Some(42), "{signal:?}");
    }
}

#[test]
fn tmpx_dies_by_the_signal_that_it_passed_on() {
    use std::os::unix::process::ExitStatusExt as _;
    let sandbox = Sandbox::new();
    let mut child = running(&sandbox, "echo ready; read x; sleep 100");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[test]
fn the_command_of_a_killed_tmpx_keeps_its_workspace_until_it_ends() {
    // By the inherited lock, by its working directory, and by the process that its lease names: a
    // command such as sudo closes the lock, and its working directory cannot be read.
    for close in ["", "exec 100>&-; ", "exec 100>&-; cd /; "] {
        let sandbox = Sandbox::new();
        let script = format!("echo $$ > pid; {close}echo ready; read x; touch \"$TMPX_WORKSPACE\"");
        let mut child = running(&sandbox, &script);
        // tmpx records the process of the command as soon as it runs.
        let lease = sandbox.leases_dir().join(&sandbox.leases()[0]);
        while !fs::read_to_string(&lease).unwrap().contains("{\"command\":") {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        let stdin = child.stdin.take();
        child.wait().unwrap();
        sandbox.tmpx(["cleanup", "--all"]).run();
        let workspace: PathBuf = sandbox.tmp().join(&sandbox.left()[0]);
        assert!(workspace.exists(), "{close}");
        let pid: i32 = fs::read_to_string(workspace.join("pid")).unwrap().trim().parse().unwrap();
        let pidfd = rustix::process::pidfd_open(
            Pid::from_raw(pid).unwrap(),
            rustix::process::PidfdFlags::empty(),
        )
        .unwrap();
        stdin.unwrap().write_all(b"\n").unwrap();
        let ended = rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN);
        rustix::event::poll(&mut [ended], None).unwrap();
        sandbox.tmpx(["cleanup", "-q"]).succeeds();
        assert!(!workspace.exists(), "{close}");
    }
}

#[test]
fn the_command_inherits_the_signal_state_of_tmpx() {
    let sandbox = Sandbox::new();
    let show = "grep -E '^Sig(Blk|Ign)' /proc/self/status";
    for before in ["", "trap '' PIPE; ", "trap '' HUP INT; ", "trap '' CHLD; "] {
        let plain = sandbox.sh(&format!("{before}{show}")).succeeds();
        let inside = sandbox.sh(&format!("{before}tmpx exec {show}")).succeeds();
        assert_eq!(plain.stdout, inside.stdout, "{before}");
    }
}

#[test]
fn a_command_that_runs_too_long_is_asked_to_end_and_then_killed() {
    let sandbox = Sandbox::new();
    let run = |args: &str, script: &str| {
        let args = words(&format!("exec {args} -- sh -c"));
        sandbox.tmpx(args.into_iter().chain([script.into()]))
    };
    let asked = "trap 'echo asked; exit 3' TERM; while :; do read x < fifo; done 2>/dev/null";
    let asked = format!("mkfifo fifo; {asked}");
    run("--timeout 1s", &asked).expects(124, "asked\n", "tmpx: timed out after 1s\n");
    let deaf = "trap '' TERM; mkfifo fifo; read x < fifo";
    let killed = "tmpx: timed out after 50ms and was killed\n";
    run("--timeout 50ms --kill-after 50ms", deaf).expects(124, "", killed);
    let ended = "tmpx: timed out after 50ms\n";
    run("--timeout 50ms", "kill -STOP $$").expects(124, "", ended);
    run("--timeout 0", "exit 3").expects(3, "", "");
    run("--timeout 9223372036854775807", "exit 3").expects(3, "", "");
    run("--timeout 1h", "exit 3").expects(3, "", "");
    let saved = "echo partial > log; mkfifo fifo; read x < fifo";
    run("--timeout 50ms --out-always log", saved).expects(124, "", ended);
    assert_eq!(fs::read_to_string(sandbox.cwd().join("log")).unwrap(), "partial\n");
    // The child of the shell would hold the pipe open, and its reader would wait for it.
    run("--timeout 50ms", "sleep 1000; echo late").expects(124, "", ended);
}

#[test]
fn a_timeout_ends_nothing_that_is_older_than_the_command() {
    let sandbox = Sandbox::new();
    // The shell becomes tmpx, which thereby has an older child, and a grandchild.
    let script = "sh -c 'sleep 1000 >/dev/null 2>&1 & echo $!; exec >/dev/null 2>&1; wait' & echo $!; \
                  exec tmpx exec --timeout 300ms -- sh -c 'sleep 1000; :'";
    let ran = sandbox.sh(script).run();
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(124), "tmpx: timed out after 300ms\n"));
    let older: Vec<i32> = ran.raw.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(older.len(), 2, "{ran:?}");
    for pid in older {
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }
}

#[test]
fn kill_after_reaches_what_the_command_has_left_running() {
    let sandbox = Sandbox::new();
    let script = "sh -c 'trap \"\" TERM; touch deaf; while :; do sleep 0.1; done' & \
                  until [ -e deaf ]; do :; done; echo $!; exec sleep 1000";
    let args = words("exec --timeout 1s --kill-after 300ms -- sh -c");
    let ran = sandbox.tmpx(args.into_iter().chain([script.into()])).run();
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(124), "tmpx: timed out after 1s\n"));
    let pid: i32 = ran.raw.trim().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap_err();
}

#[test]
fn kill_after_reaches_what_the_command_starts_just_before_it_is_killed() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    // tmpx has looked for what the command has started, and kills the command three seconds later.
    let script = "strace -qq -o /dev/null -e trace=kill -e inject=kill:delay_enter=3000000:when=3 \
                  tmpx exec --timeout 100ms --kill-after 100ms -- \
                  sh -c 'trap \"\" TERM; sleep 0.5; sleep 1000 >/dev/null 2>&1 & echo $!; wait'";
    let ran = sandbox.sh(script).run();
    let message = "tmpx: timed out after 100ms and was killed\n";
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(124), message));
    let pid: i32 = ran.raw.trim().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap_err();
}

#[test]
fn signals_that_report_faults_are_passed_on_if_a_process_sends_them() {
    for name in ["ILL", "TRAP", "ABRT", "BUS", "FPE", "SEGV", "SYS", "STKFLT"] {
        let sandbox = Sandbox::new();
        let script = format!("trap 'exit 42' {name}; echo ready; while :; do read x; done");
        let mut child = running(&sandbox, &script);
        sandbox.shell("bash", &format!("kill -{name} {}", child.id())).succeeds();
        child.stdin.take();
        assert_eq!(child.wait().unwrap().code(), Some(42), "{name}");
    }
}

#[test]
fn a_timer_that_tmpx_has_inherited_ends_the_command() {
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "import os, signal, sys; signal.setitimer(signal.ITIMER_REAL, 0.4); \
                  os.execvp(sys.argv[1], sys.argv[1:])";
    let run = |args: &str| {
        let mut python = Command::new("python3");
        python.args(["-c", script, "tmpx"]).args(words(args)).args(["--", "sleep", "9"]);
        sandbox.command(python)
    };
    for args in
        ["exec", "spool", "replace f", "chunk --format lines --rows 1", "cache run --ttl 1h"]
    {
        let ran = run(args).input("1\n").run();
        assert_eq!((ran.signal, ran.stderr.as_str()), (Some(libc::SIGALRM), ""), "{args}");
    }
}

#[test]
fn the_limit_on_time_ends_if_tmpx_is_killed_and_is_never_rounded_to_none() {
    let sandbox = Sandbox::new();
    let ran = sandbox.tmpx(["exec", "--timeout", "0.5ns", "sleep", "60"]).run();
    assert_eq!(ran.status, Some(124), "{ran:?}");
    let script = "echo on; read line; echo still here > ../after";
    let mut child = sandbox.tmpx(["exec", "--here", "--timeout", "1s", "sh", "-c", script]).spawn();
    let mut line = [0; 3];
    child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    let mut stdin = child.stdin.take().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // Longer than the limit.
    std::thread::sleep(Duration::from_millis(1200));
    stdin.write_all(b"line\n").unwrap();
    let after = sandbox.root().join("after");
    wait_until("the command ends", || fs::read(&after).is_ok_and(|text| !text.is_empty()));
    wait_until("nothing is left", || {
        sandbox.tmpx(["cleanup", "-q"]).run();
        sandbox.left().is_empty()
    });
}

#[test]
fn a_fault_of_tmpx_itself_kills_it() {
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    // tmpx asks for the state of its command while it has all signals blocked, to pass them on.
    let ran = with_fault(&sandbox, libc::SYS_waitid, &["tmpx", "exec", "sleep", "0"]).run();
    assert_eq!((ran.signal, ran.stderr.as_str()), (Some(libc::SIGSYS), ""));
    assert_eq!(sandbox.left().len(), 1);
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
}

//! How an output is taken, kept and passed on while the command runs.

use std::fs;
use std::io::Read as _;
use std::process::Stdio;
use std::time::Duration;

use super::fixture::{files, read_report, runs};
use crate::support::memory::peak_memory;
use crate::support::sandbox::{Sandbox, TMPX, has};
use crate::support::wait::wait_until;

#[test]
fn the_first_caller_sees_output_while_the_command_runs() {
    let sandbox = Sandbox::new();
    let script = "mkfifo go; echo first; read n < go; echo second";
    let mut command = sandbox.tmpx(["cache", "run", "--", "sh", "-c", script]).prepared();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut line = [0; 6];
    out.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"first\n");
    assert_eq!(files(&sandbox), [""; 0], "nothing is published yet");
    fs::write(sandbox.cwd().join("go"), "x\n").unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "second\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn memory_stays_small_whatever_the_size() {
    const SIZE: usize = 100_000_000;
    let sandbox = Sandbox::in_memory();
    // A miss, whose reader is slow at first, and then a hit.
    for _ in 0..2 {
        let args = ["cache", "run", "--", "head", "-c", "100000000", "/dev/zero"];
        let mut command = sandbox.tmpx(args).prepared();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        wait_until("the output is kept", || files(&sandbox).len() == 1);
        let mut out = child.stdout.take().unwrap();
        let mut block = vec![0; 1 << 20];
        let mut left = SIZE;
        while left > 4 * block.len() {
            left -= out.read(&mut block).unwrap();
        }
        let kib = peak_memory(child.id());
        assert!(kib < 8192, "{kib} KiB");
        let mut rest = Vec::new();
        out.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), left);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_reader_that_goes_away_does_not_keep_the_output_from_being_kept() {
    let sandbox = Sandbox::new();
    let script = "echo x >> runs; seq 200000; echo $? > status; exit 0";
    let line = format!("{{ tmpx cache run -- sh -c '{script}'; echo $? >&2; }} | head -n 1");
    sandbox.sh(&line).expects(0, "1\n", "0\n");
    let ran = sandbox.tmpx(["cache", "run", "--", "sh", "-c", script]).succeeds();
    assert_eq!(ran.stdout.lines().count(), 200_000);
    assert_eq!(runs(&sandbox), 1);
    // A hit whose reader goes away ends with the status of the command, too.
    sandbox.sh(&line).expects(0, "1\n", "0\n");
}

#[test]
fn without_a_reader_the_command_gets_a_broken_pipe_beyond_the_bound() {
    let sandbox = Sandbox::new();
    let script = "{ tmpx cache run --max-bytes 1M --report report yes; echo $? >&2; } | head -n 2";
    sandbox.sh(script).expects(0, "y\ny\n", "141\n");
    let report = read_report(&sandbox);
    assert_eq!(
        (&report["why"], &report["exit"]),
        (&"the output is larger than 1.0 MiB".into(), &141.into())
    );
    assert_eq!(files(&sandbox), [""; 0]);
}

#[test]
fn an_output_larger_than_the_bound_is_passed_on_and_not_kept() {
    let sandbox = Sandbox::new();
    let script = "echo x >> runs; seq 100000; seq 100000 >&2";
    for n in 1..=2 {
        let args =
            ["cache", "run", "--max-bytes", "100K", "--report", "report", "--", "sh", "-c", script];
        let ran = sandbox.tmpx(args).run();
        assert_eq!((ran.status, ran.stdout.lines().count()), (Some(0), 100_000));
        assert_eq!(ran.stderr.lines().count(), 100_000);
        let report = read_report(&sandbox);
        assert_eq!(report["status"], "uncached");
        assert_eq!(report["why"], "the output is larger than 100 KiB");
        assert_eq!(report["bytes"], 1_177_790);
        assert_eq!(runs(&sandbox), n);
    }
    assert_eq!(files(&sandbox), [""; 0]);
}

#[test]
fn only_success_is_kept_unless_failures_are_asked_for() {
    let sandbox = Sandbox::new();
    let run = |options: &[&str]| {
        let args =
            [&["cache", "run"], options, &["--", "sh", "-c", "echo x >> runs; exit 5"]].concat();
        sandbox.tmpx(args).expects(5, "", "");
    };
    run(&[]);
    run(&[]);
    assert_eq!((runs(&sandbox), files(&sandbox).len()), (2, 0));
    run(&["--cache-failures"]);
    run(&["--cache-failures"]);
    assert_eq!((runs(&sandbox), files(&sandbox).len()), (3, 1));
    run(&[]);
    assert_eq!(runs(&sandbox), 4, "who does not ask for failures gets none");
}

#[test]
fn what_a_daemon_holds_open_is_not_kept_and_the_rest_is_passed_on() {
    let sandbox = Sandbox::new();
    let script = "echo x >> runs; echo one; (sleep 1.5; echo two) &";
    for n in 1..=2 {
        let args = ["cache", "run", "--report", "report", "--", "sh", "-c", script];
        sandbox.tmpx(args).expects(0, "one\ntwo\n", "");
        let report = read_report(&sandbox);
        assert_eq!(report["why"], "a process that the command started holds its output open");
        assert_eq!(runs(&sandbox), n);
    }
    assert_eq!(files(&sandbox), [""; 0]);
}

#[test]
fn what_a_daemon_holds_open_and_nobody_reads_is_closed() {
    let sandbox = Sandbox::new();
    // Its standard output alone is the pipe of tmpx.
    let script = "echo one; sleep 60 2>&- & echo $! > pid";
    let line = format!("tmpx cache run -- sh -c '{script}' > /dev/full; echo $?; kill $(cat pid)");
    let message = "tmpx: could not write to stdout: No space left on device\n";
    sandbox.sh(&line).expects(0, "125\n", message);
    assert_eq!(files(&sandbox), [""; 0]);
}

#[test]
fn a_process_that_ends_soon_after_the_command_does_not_count() {
    let sandbox = Sandbox::new();
    let script = "echo x >> runs; echo one; (sleep 0.1; echo two) &";
    for _ in 0..2 {
        sandbox.tmpx(["cache", "run", "--", "sh", "-c", script]).expects(0, "one\ntwo\n", "");
    }
    assert_eq!(runs(&sandbox), 1);
}

#[test]
fn a_run_that_a_signal_ends_is_not_kept() {
    let sandbox = Sandbox::new();
    // The command ends by itself, but only because tmpx passed the signal on.
    let script = "trap 'echo bye; exit 0' TERM; echo on; : > on; while :; do sleep 0.01; done";
    let args = ["cache", "run", "--cache-failures", "--", "sh", "-c", script];
    let mut command = sandbox.tmpx(args).prepared();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    wait_until("the command runs", || sandbox.cwd().join("on").exists());
    std::thread::sleep(Duration::from_millis(20));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"on\nbye\n"[..]));
    assert_eq!(files(&sandbox), [""; 0]);
}

#[test]
fn a_signal_during_the_preparations_ends_tmpx_before_the_command_starts() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    let trace = sandbox.root().join("trace");
    let run = |options: &[&str]| {
        let mut command = std::process::Command::new("strace");
        command.args(["-qq", "-o"]).arg(&trace).args(options);
        command.args([TMPX, "cache", "run", "--", "sh", "-c", "echo x >> runs"]);
        sandbox.command(command).run()
    };
    // Between the first look for a signal and the start, the pipes are created, and then the entry.
    for call in ["pipe2:signal=SIGINT:when=1", "fchmod:signal=SIGINT:when=1"] {
        let ran = run(&["-e", &format!("inject={call}")]);
        let printed = (&*ran.stdout, &*ran.stderr);
        assert_eq!((ran.signal, printed), (Some(2), ("", "tmpx: interrupted\n")), "{call}");
        assert_eq!((runs(&sandbox), files(&sandbox).len()), (0, 0), "{call}");
    }
    // The same where no pipe can be created.
    let ran = run(&["-e", "inject=pipe2:error=EMFILE:signal=SIGINT:when=1"]);
    assert_eq!((ran.signal, runs(&sandbox)), (Some(2), 0));
}

#[test]
fn an_output_that_is_neither_kept_nor_read_does_not_hold_up_a_signal() {
    let sandbox = Sandbox::new();
    let args = ["cache", "run", "--max-bytes", "1", "--", "yes"];
    let mut command = sandbox.tmpx(args).prepared();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    // Nobody reads, and the pipe fills up.
    let unread = child.stdout.take().unwrap();
    wait_until("the pipe is full", || rustix::io::ioctl_fionread(&unread).unwrap() >= 65_536);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let child = std::cell::RefCell::new(child);
    wait_until("tmpx has ended", || child.borrow_mut().try_wait().unwrap().is_some());
    let status = child.borrow_mut().wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
}

#[test]
fn a_slow_reader_is_given_up_when_tmpx_is_asked_to_end() {
    let sandbox = Sandbox::new();
    let args = ["cache", "run", "--", "seq", "300000"];
    let mut command = sandbox.tmpx(args).prepared();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    wait_until("the output is kept", || files(&sandbox).len() == 1);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    // Nobody reads before it has ended.
    let mut child = child;
    let status = child.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(2));
}

/// Runs a Python program whose output nobody reads until tmpx has ended. Returns stdout and stderr. In it,
/// `put(N, BYTES)` writes to a stream, and waits until tmpx has taken that.
fn run_unread(sandbox: &Sandbox, program: &str) -> (Vec<u8>, Vec<u8>) {
    let put = "import array, fcntl, os, termios\n\
        def put(n, data):\n    os.write(n, data)\n    left = array.array('i', [1])\n    \
        while left[0]: fcntl.ioctl(n, termios.FIONREAD, left)\n";
    let program = format!("{put}{program}");
    let mut command = sandbox.tmpx(["cache", "run", "--", "python3", "-c", &program]).prepared();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = std::cell::RefCell::new(command.spawn().unwrap());
    wait_until("tmpx has ended", || child.borrow_mut().try_wait().unwrap().is_some());
    let output = child.into_inner().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    (output.stdout, output.stderr)
}

#[test]
fn a_pipe_that_nobody_reads_takes_many_small_outputs_and_16_pages() {
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    // A pipe has room for 16 pages, and far more small outputs.
    let small = "for n in range(100): put(1, b'o'); put(2, b'e')";
    assert_eq!(run_unread(&sandbox, small), (vec![b'o'; 100], vec![b'e'; 100]));
    let whole = run_unread(&sandbox, "put(1, b'o' * 65536); put(2, b'e' * 65536)");
    assert!(whole == (vec![b'o'; 65_536], vec![b'e'; 65_536]), "{:?}", whole.0.len());
    let parts = run_unread(&sandbox, "put(1, b'o' * 40960); put(1, b'o' * 24576)");
    assert!(parts == (vec![b'o'; 65_536], Vec::new()), "{:?}", parts.0.len());
}

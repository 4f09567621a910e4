//! One run for many callers: who runs the command, who waits, and who never does.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::fixture::{HeldByte, KeyByte, entry, files, printed, read_report, runs};
use crate::support::sandbox::{Sandbox, TMPX, has, names};
use crate::support::wait::wait_until;

/// A run that is killed if its test fails.
struct Running(Option<Child>);

impl Running {
    fn child(&self) -> &Child {
        self.0.as_ref().unwrap()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(self.child())
    }

    fn output(mut self) -> std::process::Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = kill_process(Pid::from_child(child), Signal::TERM);
            let _ = child.wait();
        }
    }
}

/// Starts a run of a script whose output is piped.
fn start(sandbox: &Sandbox, options: &[&str], script: &str) -> Running {
    start_by(Command::new(TMPX), sandbox, options, script)
}

/// Does the same with a command that takes the arguments of tmpx.
fn start_by(mut tmpx: Command, sandbox: &Sandbox, options: &[&str], script: &str) -> Running {
    tmpx.args(["cache", "run"]).args(options).args(["--", "sh", "-c", script]);
    let mut command = sandbox.command(tmpx).prepared();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Running(Some(command.spawn().unwrap()))
}

fn end(run: Running) -> (Option<i32>, String) {
    let output = run.output();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// Whether a process waits for a lock.
fn is_waiting(run: &Running) -> bool {
    fs::read_to_string(format!("/proc/{}/wchan", run.child().id()))
        .is_ok_and(|name| name.contains("setlk") || name.contains("lock"))
}

/// Waits until a process waits for a lock.
fn wait_for_waiter(run: &Running) {
    wait_until("it waits for a lock", || is_waiting(run));
}

#[test]
fn fifty_misses_at_once_run_the_command_once() {
    let sandbox = Sandbox::new();
    let script = "echo x >> runs; mkfifo go; read n < go; echo done; echo err >&2";
    let all: Vec<Running> = (0..50).map(|_| start(&sandbox, &[], script)).collect();
    wait_until("the command runs", || sandbox.cwd().join("go").exists());
    // Whichever it is, all others wait for it, and nobody for anything that lasts longer.
    wait_until("49 wait", || all.iter().filter(|run| is_waiting(run)).count() == 49);
    fs::write(sandbox.cwd().join("go"), "x\n").unwrap();
    for run in all {
        let output = run.output();
        let printed = (output.status.code(), &*output.stdout, &*output.stderr);
        assert_eq!(printed, (Some(0), &b"done\n"[..], &b"err\n"[..]));
    }
    assert_eq!(runs(&sandbox), 1);
}

#[test]
fn those_who_wait_get_the_failure_and_later_ones_try_again() {
    let sandbox = Sandbox::new();
    let script = "echo x >> runs; mkfifo go; read n < go; rm go; echo out; exit 3";
    let first = start(&sandbox, &[], script);
    wait_until("the command runs", || sandbox.cwd().join("go").exists());
    let others: Vec<Running> = (0..8).map(|_| start(&sandbox, &[], script)).collect();
    others.iter().for_each(wait_for_waiter);
    fs::write(sandbox.cwd().join("go"), "x\n").unwrap();
    for child in others.into_iter().chain([first]) {
        assert_eq!(end(child), (Some(3), "out\n".into()));
    }
    assert_eq!(runs(&sandbox), 1);
    assert_eq!(files(&sandbox), [""; 0], "nobody gets it any more");
    let later = start(&sandbox, &[], script);
    wait_until("it runs again", || sandbox.cwd().join("go").exists());
    fs::write(sandbox.cwd().join("go"), "x\n").unwrap();
    assert_eq!(end(later), (Some(3), "out\n".into()));
    assert_eq!(runs(&sandbox), 2);
}

#[test]
fn another_takes_over_if_the_process_that_runs_the_command_is_killed() {
    let sandbox = Sandbox::new();
    let script = "echo x >> runs; echo $$ > pid$(wc -l < runs); [ $(wc -l < runs) = 1 ] && exec sleep 60; echo done";
    let first = start(&sandbox, &[], script);
    wait_until("the command runs", || names(&sandbox.cwd()).contains(&"pid1".into()));
    let others: Vec<Running> = (0..5).map(|_| start(&sandbox, &[], script)).collect();
    others.iter().for_each(wait_for_waiter);
    kill_process(first.pid(), Signal::KILL).unwrap();
    drop(first);
    for child in others {
        assert_eq!(end(child), (Some(0), "done\n".into()));
    }
    assert_eq!(runs(&sandbox), 2);
    sandbox.sh("kill $(cat pid1)").run();
}

#[test]
fn those_who_wait_take_over_if_a_signal_ends_the_run() {
    let sandbox = Sandbox::new();
    let script = "echo x >> runs; [ $(wc -l < runs) = 1 ] && { : > on; exec sleep 60; }; echo done";
    let first = start(&sandbox, &["--cache-failures"], script);
    wait_until("the command runs", || sandbox.cwd().join("on").exists());
    let others: Vec<Running> =
        (0..3).map(|_| start(&sandbox, &["--cache-failures"], script)).collect();
    others.iter().for_each(wait_for_waiter);
    kill_process(first.pid(), Signal::TERM).unwrap();
    let status = first.output().status;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    for child in others {
        assert_eq!(end(child), (Some(0), "done\n".into()));
    }
    assert_eq!(runs(&sandbox), 2);
}

#[test]
fn one_that_waits_ends_at_once_on_a_signal() {
    let sandbox = Sandbox::new();
    let script = "mkfifo go; read n < go; echo done";
    let first = start(&sandbox, &[], script);
    wait_until("the command runs", || sandbox.cwd().join("go").exists());
    for signal in [Signal::INT, Signal::TERM] {
        let other = start(&sandbox, &[], script);
        wait_for_waiter(&other);
        kill_process(other.pid(), signal).unwrap();
        let status = other.output().status;
        let number = std::os::unix::process::ExitStatusExt::signal(&status);
        assert_eq!(number, Some(signal.as_raw()));
    }
    fs::write(sandbox.cwd().join("go"), "x\n").unwrap();
    assert_eq!(end(first), (Some(0), "done\n".into()));
}

#[test]
fn a_run_inside_a_run_never_waits() {
    let sandbox = Sandbox::new();
    // A script that caches itself, once.
    let own = "#!/bin/sh\necho x >> runs\n[ $(wc -l < runs) -gt 2 ] || tmpx cache run ./own.sh\necho own\n";
    // Two that cache each other.
    let one = "#!/bin/sh\necho x >> runs\n[ $(wc -l < runs) -gt 6 ] || tmpx cache run ./two.sh\necho one\n";
    for (name, text) in [("own.sh", own), ("one.sh", one), ("two.sh", &one.replace("two", "one"))] {
        fs::write(sandbox.cwd().join(name), text).unwrap();
    }
    let script = "chmod +x *.sh; tmpx cache run ./own.sh; tmpx cache run ./one.sh";
    sandbox.sh(script).expects(0, "own\nown\nown\none\none\none\none\n", "");
}

#[test]
fn a_run_inside_a_run_does_not_wait_either_if_the_environment_was_cleared() {
    let sandbox = Sandbox::new();
    let own = "#!/bin/sh\necho x >> runs\n[ $(wc -l < runs) -gt 1 ] || \
        env -i HOME=\"$HOME\" PATH=\"$PATH\" tmpx cache run ./own.sh\necho own\n";
    fs::write(sandbox.cwd().join("own.sh"), own).unwrap();
    sandbox.sh("chmod +x own.sh; tmpx cache run ./own.sh").expects(0, "own\nown\n", "");
}

#[test]
fn a_slow_reader_of_the_first_caller_holds_up_nobody() {
    let sandbox = Sandbox::new();
    let script = "echo x >> runs; seq 300000; : > written";
    let first = start(&sandbox, &[], script);
    // Nobody reads the pipe of the first one.
    wait_until("the output is kept", || files(&sandbox).len() == 1);
    assert!(sandbox.cwd().join("written").exists());
    let second = end(start(&sandbox, &[], script)).1;
    assert_eq!(second.lines().count(), 300_000);
    assert_eq!(end(first), (Some(0), second));
    assert_eq!(runs(&sandbox), 1);
}

#[test]
fn those_who_wait_run_at_once_if_the_output_cannot_be_kept() {
    let sandbox = Sandbox::new();
    // It becomes too large after a while, and each run waits for all others. Their pipes take all of it,
    // since they are read one after the other.
    let script = "echo x >> runs; [ $(wc -l < runs) = 1 ] && { : > on; mkfifo go; read n < go; }; \
        seq 2000; : > on$$; i=0; until [ $(ls on?* | wc -l) = 6 ]; do \
        i=$((i+1)); [ $i -lt 900 ] || { echo alone; break; }; sleep 0.02; done";
    let options = ["--max-bytes", "2K"];
    let first = start(&sandbox, &options, script);
    wait_until("the command runs", || sandbox.cwd().join("go").exists());
    let others: Vec<Running> = (0..5).map(|_| start(&sandbox, &options, script)).collect();
    others.iter().for_each(wait_for_waiter);
    fs::write(sandbox.cwd().join("go"), "x\n").unwrap();
    for child in others.into_iter().chain([first]) {
        let (status, out) = end(child);
        assert_eq!((status, out.lines().last()), (Some(0), Some("2000")));
    }
    assert_eq!(runs(&sandbox), 6);
    assert_eq!(files(&sandbox), [""; 0]);
}

#[test]
fn a_refresh_that_the_user_asks_for_counts_only_runs_that_began_later() {
    let sandbox = Sandbox::new();
    let script =
        "echo x >> runs; n=$(wc -l < runs); [ $n = 1 ] && { mkfifo go; read x < go; }; echo $n";
    let first = start(&sandbox, &[], script);
    wait_until("the command runs", || sandbox.cwd().join("go").exists());
    std::thread::sleep(Duration::from_millis(5));
    let others: Vec<Running> = (0..5).map(|_| start(&sandbox, &["--refresh"], script)).collect();
    others.iter().for_each(wait_for_waiter);
    fs::write(sandbox.cwd().join("go"), "x\n").unwrap();
    assert_eq!(end(first).1, "1\n");
    for child in others {
        assert_eq!(end(child), (Some(0), "2\n".into()));
    }
    assert_eq!(runs(&sandbox), 2);
}

#[test]
fn those_who_wait_for_a_run_that_a_clear_discards_run_the_command_once() {
    let sandbox = Sandbox::new();
    let script =
        "echo x >> runs; [ $(wc -l < runs) = 1 ] && { mkfifo go; read n < go; }; echo done";
    let first = start(&sandbox, &[], script);
    wait_until("the command runs", || sandbox.cwd().join("go").exists());
    let others: Vec<Running> = (0..7).map(|_| start(&sandbox, &[], script)).collect();
    others.iter().for_each(wait_for_waiter);
    sandbox.tmpx(["cache", "clear", "-q", "unrelated"]).succeeds();
    fs::write(sandbox.cwd().join("go"), "x\n").unwrap();
    for child in others.into_iter().chain([first]) {
        assert_eq!(end(child), (Some(0), "done\n".into()));
    }
    assert_eq!((runs(&sandbox), files(&sandbox).len()), (2, 1));
}

#[test]
fn nothing_of_before_a_clear_is_kept_after_it() {
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "echo x >> runs; wc -l < runs";
    assert_eq!(end(start(&sandbox, &[], script)), (Some(0), "1\n".into()));
    // The next run stops on the way to its name, behind all looks at the store but the last.
    let replacing = HeldByte::of(&entry(&sandbox), KeyByte::Replacing);
    let run = start(&sandbox, &["--refresh", "--report", "report"], script);
    wait_until("the command runs", || runs(&sandbox) == 2);
    wait_for_waiter(&run);
    sandbox.tmpx(["cache", "clear", "-q"]).succeeds();
    drop(replacing);
    assert_eq!(end(run), (Some(0), "2\n".into()));
    assert_eq!(read_report(&sandbox)["why"], "the cache was cleared during the run");
    assert_eq!(files(&sandbox), [""; 0]);
}

#[test]
fn a_run_that_fails_holds_up_nobody_while_its_output_is_read() {
    let sandbox = Sandbox::new();
    let script = "echo x >> runs; seq 300000; : > end; exit 3";
    let first = start(&sandbox, &[], script);
    // Nobody reads the pipe of the first one.
    let id = first.child().id();
    let children = || fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    wait_until("its command has ended", || {
        sandbox.cwd().join("end").exists() && children().is_empty()
    });
    let second = sandbox.tmpx(["cache", "run", "--", "sh", "-c", script]).run();
    assert_eq!((second.status, second.stdout.lines().count()), (Some(3), 300_000));
    assert_eq!(end(first), (Some(3), second.stdout));
    assert_eq!(files(&sandbox), [""; 0]);
}

#[test]
fn a_refresh_that_the_user_asks_for_gets_no_failure_of_a_run_that_began_before() {
    let sandbox = Sandbox::new();
    let script = "echo x >> runs; [ $(wc -l < runs) = 1 ] || { echo good; exit 0; }; \
                  mkfifo go; read n < go; exit 3";
    let first = start(&sandbox, &[], script);
    wait_until("the command runs", || sandbox.cwd().join("go").exists());
    std::thread::sleep(Duration::from_millis(5));
    let refresh = start(&sandbox, &["--refresh"], script);
    wait_for_waiter(&refresh);
    fs::write(sandbox.cwd().join("go"), "x\n").unwrap();
    assert_eq!(end(first), (Some(3), String::new()));
    assert_eq!(end(refresh), (Some(0), "good\n".into()));
    assert_eq!((runs(&sandbox), files(&sandbox).len()), (2, 1));
}

#[test]
fn one_that_has_waited_reports_a_hit() {
    let sandbox = Sandbox::new();
    let script = "mkfifo go; read n < go; echo done";
    let first = start(&sandbox, &[], script);
    wait_until("the command runs", || sandbox.cwd().join("go").exists());
    let second = start(&sandbox, &["--report", "report"], script);
    wait_for_waiter(&second);
    fs::write(sandbox.cwd().join("go"), "x\n").unwrap();
    assert_eq!(end(first), end(second));
    assert_eq!(read_report(&sandbox)["status"], "hit");
}

#[test]
fn those_who_have_waited_check_a_large_output_at_the_same_time() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "mkfifo go; read n < go; seq 100000";
    let first = start(&sandbox, &[], script);
    wait_until("the command runs", || sandbox.cwd().join("go").exists());
    let trace = sandbox.root().join("trace");
    let mut strace = Command::new("strace");
    // With -D, the process that is started becomes tmpx.
    strace.args(["-D", "-e", "trace=fcntl,pread64", "-o"]).arg(&trace).arg(TMPX);
    let second = start_by(strace, &sandbox, &[], script);
    wait_for_waiter(&second);
    fs::write(sandbox.cwd().join("go"), "x\n").unwrap();
    assert_eq!(end(first), end(second));
    let read = || fs::read_to_string(&trace).unwrap();
    wait_until("the trace is complete", || read().contains("+++ exited with 0 +++"));
    let calls = read();
    let at = |part: &str| calls.lines().position(|line| line.contains(part));
    let unlocked = at("F_UNLCK");
    assert!(unlocked.is_some() && unlocked < at(", 262144, "), "{calls}");
}

#[test]
fn damaged_outputs_are_replaced_once_by_those_who_have_waited() {
    let sandbox = Sandbox::new();
    let script =
        "echo x >> runs; [ $(wc -l < runs) = 2 ] && { mkfifo go; read n < go; }; seq 30000";
    let whole = end(start(&sandbox, &[], script));
    let path = entry(&sandbox);
    let mut damaged = fs::read(&path).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&path, damaged).unwrap();
    let first = start(&sandbox, &[], script);
    wait_until("the command runs", || sandbox.cwd().join("go").exists());
    let others: Vec<Running> = (0..5).map(|_| start(&sandbox, &[], script)).collect();
    others.iter().for_each(wait_for_waiter);
    // They find the damaged entry, and one of them runs the command.
    kill_process(first.pid(), Signal::KILL).unwrap();
    for child in others {
        assert_eq!(end(child), whole);
    }
    assert_eq!(runs(&sandbox), 3);
    // The command of the first one still waits.
    fs::write(sandbox.cwd().join("go"), "x\n").unwrap();
}

#[test]
fn runs_of_different_keys_do_not_wait_for_each_other() {
    let sandbox = Sandbox::new();
    let first = start(&sandbox, &["--key", "a"], "mkfifo go; read n < go; echo done");
    wait_until("the command runs", || sandbox.cwd().join("go").exists());
    printed(&sandbox.tmpx(["cache", "run", "--key", "b", "echo", "other"]).run(), "other\n");
    fs::write(sandbox.cwd().join("go"), "x\n").unwrap();
    assert_eq!(end(first), (Some(0), "done\n".into()));
}

#[test]
fn those_who_wait_run_the_command_themselves_if_a_daemon_holds_the_output() {
    let sandbox = Sandbox::new();
    let script = "echo x >> runs; [ $(wc -l < runs) = 1 ] && { mkfifo go; read n < go; }; echo out; \
                  (sleep 1.5; echo late) &";
    let first = start(&sandbox, &[], script);
    wait_until("the command runs", || sandbox.cwd().join("go").exists());
    let others: Vec<Running> = (0..3).map(|_| start(&sandbox, &[], script)).collect();
    others.iter().for_each(wait_for_waiter);
    fs::write(sandbox.cwd().join("go"), "x\n").unwrap();
    for child in others.into_iter().chain([first]) {
        assert_eq!(end(child), (Some(0), "out\nlate\n".into()));
    }
    assert_eq!((runs(&sandbox), files(&sandbox).len()), (4, 0));
}

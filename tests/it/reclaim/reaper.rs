//! The background process that reclaims at the moment a lease ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::support::filter::{Answer, without};
use crate::support::lease::edit;
use crate::support::reaper::reapers;
use crate::support::sandbox::{Ran, Run, Sandbox, has, mode, names, words};
use crate::support::wait::wait_until;

/// Waits for the one reaper, which starts after the path of its first lease is printed.
fn the_reaper(sandbox: &Sandbox) -> Pid {
    wait_until("there is one reaper", || reapers(sandbox).len() == 1);
    reapers(sandbox)[0]
}

/// Waits until no reaper runs, because none has anything left to watch.
fn wait_for_the_end(sandbox: &Sandbox) {
    for pid in reapers(sandbox) {
        if let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) {
            let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
            let patience = Timespec { tv_sec: 30, tv_nsec: 0 };
            let ended = loop {
                match poll(&mut fds, Some(&patience)) {
                    Err(rustix::io::Errno::INTR) => {}
                    ended => break ended.unwrap(),
                }
            };
            assert_eq!(ended, 1, "the reaper stays");
        }
    }
}

/// Enables the reaper, which the sandbox disables for all other tests.
fn reaping(run: Run<'_>) -> Run<'_> {
    run.without("TMPX_REAPER")
}

/// Starts a script that creates a resource and then lives until it reads a line or is killed.
fn living(sandbox: &Sandbox, create: &str) -> (std::process::Child, PathBuf) {
    let mut script = reaping(sandbox.shell("bash", &format!("{create}; read wait"))).spawn();
    let mut line = String::new();
    BufReader::new(script.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (script, PathBuf::from(line.trim_end()))
}

#[test]
fn a_scripts_files_are_removed_when_it_ends_however_it_ends() {
    for end in ["exit", "exit 3", "kill -9 $$", "kill $$", "trap - EXIT; exec true", "false"] {
        let sandbox = Sandbox::new();
        let script =
            format!("export TMPX_UNTIL_EXIT=$$; tmpx file; tmpx dir; tmpx workspace; {end}");
        let ran = reaping(sandbox.sh(&script)).run();
        assert_eq!(ran.stdout.lines().count(), 3, "{ran:?}");
        // The reaper may have no name yet when the script has ended.
        wait_until(end, || sandbox.left().is_empty() && sandbox.leases().is_empty());
        wait_for_the_end(&sandbox);
    }
}

#[test]
fn a_scripts_file_exists_while_the_script_runs() {
    let sandbox = Sandbox::new();
    let (mut script, path) = living(&sandbox, "tmpx file --until-exit=$$");
    the_reaper(&sandbox);
    sandbox.tmpx(["cleanup"]).run();
    assert!(path.exists());
    script.stdin.take().unwrap().write_all(b"\n").unwrap();
    script.wait().unwrap();
    wait_for_the_end(&sandbox);
    assert!(!path.exists());
}

#[test]
fn the_reaper_looks_again_at_a_lease_that_another_process_has_locked_for_a_moment() {
    let sandbox = Sandbox::new();
    let (mut script, path) = living(&sandbox, "tmpx file --until-exit=$$");
    let reaper = the_reaper(&sandbox);
    let fds = format!("/proc/{}/fd", reaper.as_raw_nonzero());
    let watches = || {
        let fds = fs::read_dir(&fds).into_iter().flatten().flatten();
        let mut links = fds.filter_map(|fd| fs::read_link(fd.path()).ok());
        links.any(|link| link.to_string_lossy().contains("pidfd"))
    };
    wait_until("it watches the script", watches);
    let lease = sandbox.leases_dir().join(&sandbox.leases()[0]);
    let lease = fs::File::options().write(true).open(lease).unwrap();
    fcntl_lock(&lease, FlockOperation::LockExclusive).unwrap();
    drop(script.stdin.take());
    script.wait().unwrap();
    wait_until("it has seen the end of the script", || !watches());
    assert!(path.exists());
    drop(lease);
    wait_until("the file is removed", || !path.exists());
    wait_for_the_end(&sandbox);
}

#[test]
fn the_reaper_waits_for_no_creator() {
    let sandbox = Sandbox::new();
    // The creator holds the lock of its lease while it reads.
    let script = "mkfifo input; exec 9<>input; TMPX_REAPER=0 tmpx file --ttl 1h --from - <input 9>&- >path & \
                  until ls $TMPX_STATE_DIR/leases | grep -q .; do :; done; tmpx file --ttl 1ms";
    let (mut script, path) = living(&sandbox, script);
    wait_until("the file is removed", || !path.exists());
    wait_for_the_end(&sandbox);
    drop(script.stdin.take());
    script.wait().unwrap();
    let printed = sandbox.cwd().join("path");
    wait_until("the creator has read all", || !fs::read(&printed).unwrap().is_empty());
    sandbox.clean_up();
}

#[test]
fn the_reaper_removes_a_file_when_its_ttl_ends() {
    let sandbox = Sandbox::new();
    let dir = reaping(sandbox.tmpx(words("dir --ttl 80ms"))).path();
    fs::write(dir.join("file"), "").ok();
    // The reaper may start after tmpx has exited, and may exit before the test looks for it.
    wait_until("it is removed", || !dir.exists());
    wait_for_the_end(&sandbox);
}

#[test]
fn the_reaper_stops_waiting_for_what_a_cleanup_removed() {
    let sandbox = Sandbox::new();
    let path = reaping(sandbox.tmpx(words("file --ttl 1h"))).path();
    the_reaper(&sandbox);
    sandbox.tmpx([Path::new("cleanup"), Path::new("-q"), &path]).succeeds();
    wait_for_the_end(&sandbox);
}

#[test]
fn a_hundred_runs_at_once_start_one_reaper() {
    let sandbox = Sandbox::new();
    let create =
        "for n in $(seq 100); do tmpx file --until-exit=$$ > row.$n & done; wait; echo made";
    let (mut script, _) = living(&sandbox, create);
    // The others found it running and are about to exit.
    the_reaper(&sandbox);
    assert_eq!(sandbox.left().len(), 100);
    script.kill().unwrap();
    script.wait().unwrap();
    wait_for_the_end(&sandbox);
    assert_eq!(sandbox.left().len(), 0);
}

#[test]
fn the_reaper_holds_no_descriptor_or_directory_of_the_caller() {
    let sandbox = Sandbox::new();
    let create = "exec 7>seven; tmpx file --until-exit=$$ | cat";
    let (mut script, _) = living(&sandbox, create);
    let pid = the_reaper(&sandbox).as_raw_nonzero();
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let link = |name: &str| fs::read_link(proc.join(name)).unwrap();
    // The reaper changes its directory last.
    wait_until("it is in the root directory", || link("cwd") == Path::new("/"));
    assert_eq!(fs::read(proc.join("environ")).unwrap(), b"");
    for entry in fs::read_dir(proc.join("fd")).unwrap() {
        let target = fs::read_link(entry.unwrap().path()).unwrap();
        let target = target.to_str().unwrap();
        let own = target == "/dev/null"
            || target.starts_with("anon_inode:")
            || target.starts_with("pidfd:")
            || target.starts_with(sandbox.state().to_str().unwrap());
        assert!(own, "{target}");
    }
    let stat = fs::read_to_string(proc.join("stat")).unwrap();
    let session = stat.rsplit_once(") ").unwrap().1.split(' ').nth(3).unwrap();
    assert_eq!(session, pid.to_string(), "a session of its own");
    script.kill().unwrap();
    script.wait().unwrap();
    wait_for_the_end(&sandbox);
}

#[test]
fn the_reaper_sleeps_while_nothing_happens() {
    let sandbox = Sandbox::new();
    let (mut script, _) = living(&sandbox, "tmpx file --until-exit=$$");
    let pid = the_reaper(&sandbox).as_raw_nonzero();
    let switches = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(status.contains("State:\tS") || status.contains("State:\tR"));
        let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    // The lease woke it; wait until it sleeps again.
    let mut before = switches();
    loop {
        sandbox.tmpx(["list"]).succeeds();
        let now = switches();
        if now == before {
            break;
        }
        before = now;
    }
    for _ in 0..5 {
        sandbox.tmpx(["list"]).succeeds();
    }
    assert_eq!(switches(), before);
    script.kill().unwrap();
    script.wait().unwrap();
    wait_for_the_end(&sandbox);
}

#[test]
fn the_next_lease_restarts_a_killed_reaper_and_a_cleanup_replaces_it() {
    let sandbox = Sandbox::new();
    let (mut script, first) = living(&sandbox, "tmpx file --until-exit=$$");
    let reaper = the_reaper(&sandbox);
    kill_process(reaper, Signal::KILL).unwrap();
    while !reapers(&sandbox).is_empty() {
        std::thread::yield_now();
    }
    let (mut other, second) = living(&sandbox, "tmpx file --until-exit=$$");
    the_reaper(&sandbox);
    script.kill().unwrap();
    script.wait().unwrap();
    other.kill().unwrap();
    other.wait().unwrap();
    wait_for_the_end(&sandbox);
    assert!(!first.exists() && !second.exists());
}

#[test]
fn the_reaper_can_be_switched_off() {
    let sandbox = Sandbox::new();
    sandbox.sh("tmpx file --until-exit=$$ --ttl 1h").env("TMPX_REAPER", "0").path();
    assert!(reapers(&sandbox).is_empty());
    assert_eq!(sandbox.left().len(), 1);
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
}

#[test]
fn exec_and_manual_leases_start_no_reaper() {
    let sandbox = Sandbox::new();
    reaping(sandbox.tmpx(words("exec true"))).succeeds();
    reaping(sandbox.tmpx(["file"])).path();
    assert!(reapers(&sandbox).is_empty());
    sandbox.clean_up();
}

#[test]
fn a_zombie_is_dead_and_a_leader_with_running_threads_is_alive() {
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    // The leader exits, and a thread stays until its stdin is closed.
    let script = "import ctypes, os, subprocess, sys, threading\n\
                  subprocess.run(['tmpx', 'file', '--until-exit=%d' % os.getpid()])\n\
                  threading.Thread(target=sys.stdin.readline).start()\n\
                  ctypes.CDLL(None).pthread_exit(None)\n";
    fs::write(sandbox.cwd().join("leader.py"), script).unwrap();
    let (mut python, path) = living(&sandbox, "exec python3 leader.py");
    let status = format!("/proc/{}/status", python.id());
    while !fs::read_to_string(&status).unwrap().contains("State:\tZ") {
        std::thread::yield_now();
    }
    sandbox.tmpx(["cleanup"]).run();
    assert!(path.exists(), "a thread of its owner lives");
    python.stdin.take().unwrap().write_all(b"\n").unwrap();
    // A zombie that nobody has waited for, without any thread.
    wait_for_the_end(&sandbox);
    assert!(!path.exists());
    python.wait().unwrap();
}

#[test]
fn a_process_that_reuses_the_owners_number_is_not_the_owner() {
    let sandbox = Sandbox::new();
    let (mut script, path) =
        living(&sandbox, "f=$(TMPX_REAPER=0 tmpx file --until-exit=$$); echo $f");
    let lease = sandbox.state().join("leases").join(&sandbox.leases()[0]);
    edit(lease, |record| {
        let (before, after) = record.split_once("\"owner\":{\"pid\":").unwrap();
        let (pid, after) = after.split_once(",\"start\":").unwrap();
        format!("{before}\"owner\":{{\"pid\":{pid},\"start\":9{after}")
    });
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
    assert!(!path.exists());
    assert!(script.try_wait().unwrap().is_none(), "that process is left alone");
    script.kill().unwrap();
    script.wait().unwrap();
}

#[test]
fn a_daemon_that_inherited_the_variable_creates_manual_resources_with_a_note() {
    let sandbox = Sandbox::new();
    let script = "export TMPX_UNTIL_EXIT=$$\n\
                  setsid -f sh -c 'read go < fifo; tmpx file --json > row 2> note; echo > done' \
                  >/dev/null 2>&1\n";
    let script = format!("mkfifo fifo done; {script} exit");
    reaping(sandbox.sh(&script)).succeeds();
    let go = sandbox.sh("echo > fifo; read x < done; cat row note");
    let ran: Ran = go.succeeds();
    assert!(ran.stdout.contains("\"lifetime\":\"manual\""), "{ran:?}");
    assert!(ran.stdout.contains("is not a running ancestor"), "{ran:?}");
    sandbox.clean_up();
}

#[test]
fn the_fifo_can_be_opened_whatever_the_umask() {
    let sandbox = Sandbox::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut owner = std::process::Command::new("cat").stdin(reader).spawn().unwrap();
    let script = format!("umask 0777; tmpx file --until-exit={}", owner.id());
    reaping(sandbox.sh(&script)).succeeds();
    let descriptors = format!("/proc/{}/fd", the_reaper(&sandbox).as_raw_nonzero());
    let is_fifo = |path: &PathBuf| path.to_string_lossy().contains("reaper.2.");
    let fifo = loop {
        let paths =
            fs::read_dir(&descriptors).unwrap().flatten().map(|fd| fs::read_link(fd.path()));
        if let Some(fifo) = paths.flatten().find(is_fifo) {
            break fifo;
        }
    };
    assert_eq!(mode(&fifo), 0o600);
    drop(writer);
    owner.wait().unwrap();
    wait_for_the_end(&sandbox);
}

#[test]
fn a_reaper_works_without_pidfds_a_timer_or_limits() {
    for calls in [[libc::SYS_pidfd_open], [libc::SYS_timerfd_create], [libc::SYS_prlimit64]] {
        for answer in [Answer::NotImplemented, Answer::NotPermitted] {
            let sandbox = Sandbox::new();
            let script = "tmpx file --until-exit=$$; tmpx file --ttl 20ms; exec true";
            let ran = reaping(without(&sandbox, &calls, answer, &["sh", "-c", script])).run();
            assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{calls:?} {answer:?}");
            wait_until("all is removed", || sandbox.left().is_empty());
            wait_for_the_end(&sandbox);
        }
    }
}

#[test]
fn without_fifos_each_run_says_that_there_is_no_reaper() {
    let calls: &[i64] = &[
        libc::SYS_mknodat,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_mknod,
    ];
    let sandbox = Sandbox::new();
    let words = [env!("CARGO_BIN_EXE_tmpx"), "file", "--ttl", "1h"];
    let ran = reaping(without(&sandbox, calls, Answer::NotPermitted, &words)).run();
    assert_eq!(
        (ran.status, ran.stderr.as_str()),
        (
            Some(0),
            "tmpx: could not start the reaper: Operation not permitted; \
             the next 'tmpx cleanup' does its work\n"
        )
    );
    assert_eq!(reapers(&sandbox), []);
    sandbox.clean_up();
}

#[test]
fn what_has_the_name_of_the_fifo_and_is_none_is_replaced() {
    let sandbox = Sandbox::new();
    let path = reaping(sandbox.tmpx(words("file --ttl 1h"))).path();
    let reaper = the_reaper(&sandbox);
    let name = names(&sandbox.leases_dir()).into_iter().find(|name| name.starts_with("reaper."));
    // On a filesystem of its own, the store has no FIFO.
    if let Some(fifo) = name.map(|name| sandbox.leases_dir().join(name)) {
        kill_process(reaper, Signal::KILL).unwrap();
        wait_for_the_end(&sandbox);
        fs::remove_file(&fifo).unwrap();
        fs::write(&fifo, "").unwrap();
        reaping(sandbox.tmpx(words("file --ttl 1h"))).succeeds();
        the_reaper(&sandbox);
        assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
    }
    assert!(path.exists());
    sandbox.clean_up();
    wait_for_the_end(&sandbox);
}

#[test]
fn a_cleanup_removes_the_fifos_that_no_reaper_reads_and_leaves_the_others() {
    let sandbox = Sandbox::new();
    let (mut script, _) = living(&sandbox, "tmpx file --until-exit=$$");
    the_reaper(&sandbox);
    let fifos = || {
        let mut names = names(&sandbox.leases_dir());
        names.retain(|name| name.starts_with("reaper."));
        names
    };
    // That of the reaper, unless the store is on a filesystem of its own.
    let mut left = fifos();
    // Of an earlier boot, of an earlier version, and of another namespace, where a reaper runs.
    let make =
        "cd $TMPX_STATE_DIR/leases; mkfifo reaper.2.00000000.1.2.0.3.4 reaper.1.5.6 reaper.2.read";
    sandbox.sh(make).succeeds();
    let read = sandbox.leases_dir().join("reaper.2.read");
    let _reader = fs::File::options().read(true).write(true).open(&read).unwrap();
    sandbox.tmpx(["cleanup"]).expects(0, "", "tmpx: removed 0, kept 1 live\n");
    left.push("reaper.2.read".to_owned());
    left.sort();
    assert_eq!(fifos(), left);
    script.kill().unwrap();
    script.wait().unwrap();
    wait_for_the_end(&sandbox);
    fs::remove_file(read).unwrap();
}

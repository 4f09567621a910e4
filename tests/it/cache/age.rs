//! How old an output may be, and how a stale one is refreshed.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use super::fixture::{
    BOOT_ID, STORED_BOOT, STORED_WALL, age, count, edit, entry, files, printed, report, runs, store,
};
use crate::support::namespaces::with_mounts;
use crate::support::sandbox::{Sandbox, names, skip_unless};
use crate::support::wait::wait_until;

const MINUTE: u64 = 60_000;

#[test]
fn an_output_as_old_as_the_ttl_is_a_miss() {
    let sandbox = Sandbox::new();
    printed(&count(&sandbox, "--ttl 10m").run(), "run 1\n");
    age(&entry(&sandbox), 9 * MINUTE);
    printed(&count(&sandbox, "--ttl 10m").run(), "run 1\n");
    printed(&count(&sandbox, "--ttl 1h").run(), "run 1\n");
    printed(&count(&sandbox, "--ttl 5m").run(), "run 2\n");
    age(&entry(&sandbox), 5 * MINUTE);
    printed(&count(&sandbox, "--ttl 1h").run(), "run 3\n");
}

#[test]
fn the_ttl_has_a_variable_and_is_an_hour_by_default() {
    let sandbox = Sandbox::new();
    printed(&count(&sandbox, "").run(), "run 1\n");
    age(&entry(&sandbox), 59 * MINUTE);
    printed(&count(&sandbox, "").run(), "run 1\n");
    printed(&count(&sandbox, "").env("TMPX_CACHE_TTL", "30m").run(), "run 2\n");
    printed(&count(&sandbox, "--ttl 2h").env("TMPX_CACHE_TTL", "1ms").run(), "run 2\n");
}

#[test]
fn within_a_boot_the_wall_clock_does_not_count_and_across_boots_it_does() {
    let sandbox = Sandbox::new();
    count(&sandbox, "").succeeds();
    let path = entry(&sandbox);
    let set = |at: usize, number: u64| {
        edit(&path, |bytes| bytes[at..at + 8].copy_from_slice(&number.to_le_bytes()));
    };
    set(STORED_WALL, 1000);
    printed(&count(&sandbox, "").run(), "run 1\n");
    // The same entry, of another boot: it is as old as the wall clock says.
    set(BOOT_ID, 1);
    printed(&count(&sandbox, "").run(), "run 2\n");
    let path = entry(&sandbox);
    edit(&path, |bytes| {
        bytes[BOOT_ID] ^= 1;
        bytes[STORED_BOOT..STORED_BOOT + 8].fill(0xff);
    });
    printed(&count(&sandbox, "").run(), "run 2\n");
}

#[test]
fn where_the_id_of_the_boot_is_masked_the_wall_clock_counts() {
    let sandbox = Sandbox::new();
    // As in a container: each of its boots shows the same id.
    let id = "8c4e8fd2-6e1c-4b8e-9d0e-0f3f2c1d5a77\n";
    fs::write(sandbox.cwd().join("id"), id).unwrap();
    let run = |options: &str| {
        let script = format!(
            "mount --bind id /proc/sys/kernel/random/boot_id || exit 9; \
             tmpx cache run {options} -- sh -c '{}'",
            super::fixture::COUNT
        );
        with_mounts(&sandbox, &script)
    };
    let Some(first) = run("") else { return };
    if !skip_unless(first.status != Some(9), "permission to mount") {
        return;
    }
    printed(&first, "run 1\n");
    printed(&run("--refresh").unwrap(), "run 2\n");
    printed(&run("").unwrap(), "run 2\n");
    // It was stored days ago, at the same time since boot.
    let stored = super::fixture::number(&entry(&sandbox), STORED_WALL) - 2 * 86_400_000;
    edit(&entry(&sandbox), |bytes| {
        bytes[STORED_WALL..STORED_WALL + 8].copy_from_slice(&stored.to_le_bytes());
    });
    printed(&run("").unwrap(), "run 3\n");
}

#[test]
fn an_output_from_the_future_is_a_miss() {
    let sandbox = Sandbox::new();
    count(&sandbox, "").succeeds();
    let later = super::fixture::number(&entry(&sandbox), STORED_BOOT) + 1_000_000;
    edit(&entry(&sandbox), |bytes| {
        bytes[STORED_BOOT..STORED_BOOT + 8].copy_from_slice(&later.to_le_bytes());
    });
    printed(&count(&sandbox, "").run(), "run 2\n");
    let later = super::fixture::number(&entry(&sandbox), STORED_WALL) + 1_000_000;
    edit(&entry(&sandbox), |bytes| {
        bytes[BOOT_ID] ^= 1;
        bytes[STORED_WALL..STORED_WALL + 8].copy_from_slice(&later.to_le_bytes());
    });
    printed(&count(&sandbox, "").run(), "run 3\n");
}

#[test]
fn refresh_runs_the_command_and_keeps_its_output() {
    let sandbox = Sandbox::new();
    count(&sandbox, "").succeeds();
    printed(&count(&sandbox, "--refresh").run(), "run 2\n");
    printed(&count(&sandbox, "").run(), "run 2\n");
    assert_eq!(files(&sandbox).len(), 1);
}

#[test]
fn a_stale_output_is_printed_at_once_and_refreshed_once() {
    let sandbox = Sandbox::new();
    count(&sandbox, "--stale 5m").succeeds();
    age(&entry(&sandbox), 6 * MINUTE);
    let script =
        "for n in 1 2 3 4 5 6 7 8; do tmpx cache run --stale 5m -- sh -c \"$COUNT\" & done; wait";
    let ran = sandbox.sh(script).env("COUNT", super::fixture::COUNT).run();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(
        lines.iter().all(|line| ["run 1", "run 2"].contains(line)) && lines.len() == 8,
        "{ran:?}"
    );
    wait_until("the refresh ends", || count(&sandbox, "").run().stdout == "run 2\n");
    assert_eq!(runs(&sandbox), 2);
    assert_eq!(report(&sandbox, "--stale 5m")["status"], "hit");
}

#[test]
fn nobody_waits_for_a_refresh() {
    let sandbox = Sandbox::new();
    let command = "echo x >> runs; [ $(wc -l < runs) = 1 ] || { ps -o sid= -p $$ > sid; cat > in; \
        readlink /proc/$$/fd/* > fds; mkfifo done; read n < done; }; echo $(wc -l < runs)";
    let run = |options: &str| {
        let words = options.split_whitespace();
        let words = ["cache", "run"].into_iter().chain(words);
        sandbox.tmpx(words.chain(["--", "sh", "-c", command]))
    };
    run("").succeeds();
    age(&entry(&sandbox), MINUTE);
    // The substitution ends although a descriptor of the caller is a pipe that it reads.
    let script = format!(
        "exec 7>&1; echo $(tmpx cache run --stale 1s -- sh -c '{command}')$(tmpx cache run --stale 1s -- sh -c '{command}')"
    );
    printed(&sandbox.sh(&script).run(), "11\n");
    wait_until("the refresh begins", || sandbox.cwd().join("done").exists());
    assert_eq!(fs::read_to_string(sandbox.cwd().join("in")).unwrap(), "");
    let fds = fs::read_to_string(sandbox.cwd().join("fds")).unwrap();
    let pipes = fds.lines().filter(|name| name.starts_with("pipe:")).count();
    // Its standard output is the file with this list.
    assert_eq!((fds.lines().next(), pipes), (Some("/dev/null"), 1), "{fds}");
    let sid = fs::read_to_string(sandbox.cwd().join("sid")).unwrap();
    let own = sandbox.sh("ps -o sid= -p $$").succeeds().stdout;
    assert_ne!(sid.trim(), own.trim());
    fs::write(sandbox.cwd().join("done"), "x\n").unwrap();
    wait_until("the refresh ends", || run("").run().stdout == "2\n");
}

#[test]
fn a_refresh_has_the_signal_state_of_the_run() {
    let sandbox = Sandbox::new();
    let command = "echo x >> runs; grep SigIgn /proc/self/status; wc -l < runs";
    let script = format!("trap '' PIPE USR1; tmpx cache run --stale 1m -- sh -c '{command}'");
    let run = || sandbox.sh(&script).succeeds().stdout;
    let first = run();
    age(&entry(&sandbox), MINUTE);
    assert_eq!(run(), first);
    wait_until("the refresh ends", || run() != first);
    assert_eq!(run().lines().collect::<Vec<_>>(), [first.lines().next().unwrap(), "2"]);
}

#[test]
fn a_refresh_gets_the_same_standard_input() {
    let sandbox = Sandbox::new();
    let run = || {
        let args = [
            "cache",
            "run",
            "--stale",
            "0",
            "--key-stdin",
            "--",
            "sh",
            "-c",
            "echo x >> runs; cat; wc -l < runs",
        ];
        sandbox.tmpx(args).input("in\n").run()
    };
    printed(&run(), "in\n1\n");
    printed(&run(), "in\n1\n");
    wait_until("the refresh ends", || runs(&sandbox) == 2);
    wait_until("its output is kept", || run().stdout != "in\n1\n");
    wait_until("the last one ends", || {
        let before = runs(&sandbox);
        std::thread::sleep(std::time::Duration::from_millis(300));
        runs(&sandbox) == before
    });
}

#[test]
fn a_refresh_that_fails_leaves_the_old_output() {
    let sandbox = Sandbox::new();
    let command = "echo x >> runs; [ ! -e fail ] && echo good";
    let run = |options: &str| {
        let words = ["cache", "run", "--cache-failures"].into_iter().chain(options.split(' '));
        sandbox.tmpx(words.chain(["sh", "-c", command])).run()
    };
    printed(&run("--ttl 1h"), "good\n");
    age(&entry(&sandbox), 2 * MINUTE);
    fs::write(sandbox.cwd().join("fail"), "").unwrap();
    printed(&run("--stale 1m"), "good\n");
    wait_until("the refresh has run", || runs(&sandbox) == 2);
    printed(&run("--ttl 1h"), "good\n");
    assert_eq!(files(&sandbox).len(), 1);
}

#[test]
fn a_refresh_does_not_create_a_store_again() {
    let sandbox = Sandbox::new();
    let command =
        "echo x >> runs; if [ $(wc -l < runs) = 2 ]; then mkfifo go; read n < go; fi; echo x";
    let script = format!(
        "export TMPX_UNTIL_EXIT=$$; export TMPX_CACHE_DIR=$(tmpx dir); \
         tmpx cache run --stale 0 -- sh -c '{command}'; tmpx cache run --stale 0 -- sh -c '{command}'; \
         while ! [ -p go ]; do sleep 0.01; done; echo $TMPX_CACHE_DIR > dir"
    );
    printed(&sandbox.sh(&script).run(), "x\nx\n");
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
    let dir = fs::read_to_string(sandbox.cwd().join("dir")).unwrap();
    assert_eq!(sandbox.left(), [""; 0], "{dir}");
    fs::write(sandbox.cwd().join("go"), "x\n").unwrap();
    // The refresh ends when nobody holds the FIFO any more, and has no store.
    wait_until("the refresh ends", || !is_running("tmpx-cache-ref", &sandbox));
    assert_eq!(names(&sandbox.tmp()), [""; 0]);
    assert!(!store(&sandbox).exists());
}

#[test]
fn a_refresh_of_a_large_output_begins_before_it_is_read() {
    let sandbox = Sandbox::new();
    let args = ["cache", "run", "--stale", "1s", "sh", "-c", "echo x >> runs; seq 300000"];
    let first = sandbox.tmpx(args).succeeds();
    age(&entry(&sandbox), MINUTE);
    let mut command = sandbox.tmpx(args).prepared();
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    // Nobody reads the pipe.
    wait_until("the refresh runs", || runs(&sandbox) == 2);
    wait_until("the refresh ends", || !is_running("tmpx-cache-ref", &sandbox));
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert!(child.wait().unwrap().success() && out == first.raw);
    // A signal still ends a caller that waits for its reader.
    age(&entry(&sandbox), MINUTE);
    let child = sandbox.tmpx(args).prepared().stdout(Stdio::piped()).spawn().unwrap();
    wait_until("the refresh runs", || runs(&sandbox) == 3);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = child.wait_with_output().unwrap().status;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    wait_until("the refresh ends", || !is_running("tmpx-cache-ref", &sandbox));
}

#[test]
fn a_stale_output_that_cannot_be_printed_is_refreshed_too() {
    let sandbox = Sandbox::new();
    count(&sandbox, "").succeeds();
    age(&entry(&sandbox), MINUTE);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let ran = count(&sandbox, "--stale 1s").stdout(full).run_to_its_stdout();
    let message = "tmpx: could not write to stdout: No space left on device\n";
    assert_eq!((ran.status, &*ran.stderr), (Some(125), message));
    wait_until("the refresh ends", || count(&sandbox, "").run().stdout == "run 2\n");
}

#[test]
fn a_stale_time_of_zero_refreshes_at_each_hit() {
    let sandbox = Sandbox::new();
    printed(&count(&sandbox, "--stale 0").run(), "run 1\n");
    assert_eq!(report(&sandbox, "")["status"], "hit");
    for n in 1..=2 {
        assert_eq!(runs(&sandbox), n);
        printed(&count(&sandbox, "--stale 0").run(), &format!("run {n}\n"));
        wait_until("the refresh ends", || !is_running("tmpx-cache-ref", &sandbox));
    }
    printed(&count(&sandbox, "").run(), "run 3\n");
}

#[test]
fn a_refresh_that_could_not_keep_its_output_does_not_run() {
    let sandbox = Sandbox::for_nobody();
    printed(&count(&sandbox, "").by_nobody().run(), "run 1\n");
    age(&entry(&sandbox), MINUTE);
    // First no file can be created, then nothing can be locked either.
    for (name, mode) in [("", 0o500), ("lock", 0)] {
        let path = store(&sandbox).join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        for _ in 0..3 {
            printed(&count(&sandbox, "--stale 1s").by_nobody().run(), "run 1\n");
        }
        wait_until("no refresh runs", || !is_running("tmpx-cache-ref", &sandbox));
        assert_eq!(runs(&sandbox), 1, "{name}");
    }
    fs::set_permissions(store(&sandbox), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_refresh_whose_output_becomes_too_large_ends_its_command() {
    let sandbox = Sandbox::new();
    let command =
        "echo x >> runs; [ $(wc -l < runs) = 1 ] || { timeout 20 yes; echo $? > status; }";
    let args = ["cache", "run", "--max-bytes", "100K", "--stale", "1s", "--", "sh", "-c", command];
    printed(&sandbox.tmpx(args).run(), "");
    age(&entry(&sandbox), MINUTE);
    printed(&sandbox.tmpx(args).run(), "");
    let status = sandbox.cwd().join("status");
    wait_until("the command ends", || fs::read(&status).is_ok_and(|text| !text.is_empty()));
    assert_eq!(fs::read_to_string(status).unwrap(), "141\n", "by SIGPIPE");
    wait_until("the refresh ends", || !is_running("tmpx-cache-ref", &sandbox));
}

/// Whether a process of this name works in the sandbox.
fn is_running(name: &str, sandbox: &Sandbox) -> bool {
    let cwd = sandbox.cwd();
    fs::read_dir("/proc").unwrap().flatten().any(|process| {
        let path = process.path();
        fs::read_link(path.join("cwd")).is_ok_and(|dir| dir == cwd)
            && fs::read(path.join("cmdline")).is_ok_and(|line| line.starts_with(name.as_bytes()))
    })
}

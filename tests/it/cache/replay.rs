//! A hit prints what the run printed, in the same order, and ends as it ended.

use std::fs;

use super::fixture::{age, entry, files, read_report, runs, store};
use crate::support::sandbox::{Sandbox, has, mode, names};

const MIXED: &str = "echo x >> runs; for n in 1 2 3; do echo o$n; sleep 0.05; echo e$n >&2; \
                     sleep 0.05; done";

#[test]
fn a_hit_prints_stdout_and_stderr_again_and_runs_nothing() {
    let sandbox = Sandbox::new();
    for _ in 0..2 {
        let run = sandbox.tmpx(["cache", "run", "--", "sh", "-c", MIXED]);
        run.expects(0, "o1\no2\no3\n", "e1\ne2\ne3\n");
    }
    assert_eq!(runs(&sandbox), 1);
}

#[test]
fn a_hit_prints_both_streams_in_the_order_of_the_run() {
    let sandbox = Sandbox::new();
    let ordered = "o1\ne1\no2\ne2\no3\ne3\n";
    let script = format!("exec 2>&1; for n in 1 2; do tmpx cache run -- sh -c '{MIXED}'; done");
    sandbox.sh(&script).expects(0, &ordered.repeat(2), "");
    // Also into a file that is open for appending, and into one that is not.
    let script = format!(
        "tmpx cache run -- sh -c '{MIXED}' >> log 2>&1; tmpx cache run -- sh -c '{MIXED}' >> log 2>&1; \
         tmpx cache run -- sh -c '{MIXED}' > new 2>&1; cat log new"
    );
    sandbox.sh(&script).expects(0, &ordered.repeat(3), "");
    assert_eq!(runs(&sandbox), 1);
}

#[test]
fn a_stderr_that_is_full_or_closed_takes_nothing_from_stdout() {
    let sandbox = Sandbox::new();
    // Small, large, and both.
    for count in ["3", "100000"] {
        let script = format!("seq {count}; seq {count} >&2; seq {count}");
        let run = format!("tmpx cache run -- sh -c '{script}'");
        let script = format!(
            "for n in 1 2; do {run} 2>&- | cksum; {run} 2>/dev/full | cksum; done; \
             {{ seq {count}; seq {count}; }} | cksum"
        );
        let ran = sandbox.sh(&script).succeeds();
        let sums: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(sums, [sums[4]; 5], "{count}");
    }
    assert_eq!(files(&sandbox).len(), 2);
}

#[test]
fn a_hit_ends_as_the_run_ended() {
    let sandbox = Sandbox::new();
    for _ in 0..2 {
        let script = "echo x >> runs; echo out; echo err >&2; exit 7";
        let run = sandbox.tmpx(["cache", "run", "--cache-failures", "--", "sh", "-c", script]);
        run.expects(7, "out\n", "err\n");
        let script = "echo x >> runs; echo out; kill -USR1 $$";
        let ran =
            sandbox.tmpx(["cache", "run", "--cache-failures", "--", "sh", "-c", script]).run();
        assert_eq!((ran.status, ran.signal, &*ran.stdout), (None, Some(10), "out\n"));
    }
    assert_eq!(runs(&sandbox), 2);
}

#[test]
fn binary_output_of_any_size_is_replayed() {
    let sandbox = Sandbox::new();
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| n.wrapping_mul(n).to_le_bytes()[1]).collect();
    fs::write(sandbox.cwd().join("in"), &bytes).unwrap();
    let script = "for n in 1 2; do tmpx cache run cat in | cmp - in; tmpx cache run cat in > out; \
         cmp in out; : > log; tmpx cache run cat in >> log; cmp in log; done; \
         tmpx cache run --report report cat in > /dev/null; tmpx cache run true; \
         tmpx cache run true; tmpx cache run printf '\\0'; tmpx cache run printf '\\0'";
    sandbox.sh(script).expects(0, "\0\0", "");
    assert_eq!(read_report(&sandbox)["bytes"], 3_000_000);
    assert_eq!(files(&sandbox).len(), 3);
}

#[test]
fn many_small_outputs_of_both_streams_are_replayed_in_order() {
    let sandbox = Sandbox::new();
    let script = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i; echo e$i >&2; done; \
                  seq 100000; seq 100000 >&2";
    let script = format!(
        "for n in 1 2 3; do tmpx cache run -- sh -c '{script}' > out$n 2> err$n; \
         tmpx cache run -- sh -c '{script}' > both$n 2>&1; done; \
         cat both1 | wc -l; for n in 1 2; do cmp out3 out$n; cmp err3 err$n; cmp both3 both$n; done"
    );
    sandbox.sh(&script).expects(0, "206000\n", "");
    assert_eq!(files(&sandbox).len(), 1);
}

#[test]
fn a_report_says_what_happened() {
    let sandbox = Sandbox::new();
    let report = |options: &str| super::fixture::report(&sandbox, options);
    let first = report("");
    let miss = serde_json::json!({"status": "miss", "age_ms": null, "ttl_ms": 3_600_000, "bytes": 6, "exit": 0});
    assert_eq!(first, miss);
    let hit = report("--ttl 10m");
    assert_eq!(hit["status"], "hit");
    assert_eq!(
        (&hit["ttl_ms"], &hit["bytes"], &hit["exit"]),
        (&600_000.into(), &6.into(), &0.into())
    );
    assert!(hit["age_ms"].as_u64().unwrap() < 60_000);
    assert_eq!(report("--ttl 2h")["ttl_ms"], 3_600_000, "the shorter TTL counts");
    assert_eq!(report("--stale 0")["status"], "stale");
    sandbox.tmpx(["cache", "run", "--report", "report", "sh", "-c", "exit 3"]).run();
    let failed = read_report(&sandbox);
    assert_eq!((&failed["status"], &failed["exit"]), (&"uncached".into(), &3.into()));
    assert_eq!(failed["why"], "the command failed");
    sandbox.tmpx(["cache", "run", "--report", "report", "nosuch"]).run();
    let failed = read_report(&sandbox);
    assert_eq!((&failed["status"], &failed["exit"]), (&"uncached".into(), &127.into()));
    assert_eq!(failed["why"], "could not run nosuch: command not found");
}

#[test]
fn the_command_reads_nothing_and_writes_to_pipes() {
    let sandbox = Sandbox::new();
    let script = "cat; readlink /proc/self/fd/0; for n in 1 2; do [ -p /proc/self/fd/$n ] && echo pipe; done";
    let run = sandbox.tmpx(["cache", "run", "--", "sh", "-c", script]).input("of the caller");
    run.expects(0, "/dev/null\npipe\npipe\n", "");
}

#[test]
fn a_store_is_private_and_a_hit_writes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.sh("umask 0; tmpx cache run true").succeeds();
    let store = super::fixture::store(&sandbox);
    assert_eq!(mode(&store), 0o700);
    assert_eq!(mode(store.parent().unwrap()), 0o700);
    for name in names(&store) {
        assert_eq!(mode(store.join(&name)), 0o600, "{name}");
    }
    let times = || {
        let mut times = Vec::new();
        for path in [store.clone(), super::fixture::entry(&sandbox), store.join("lock")] {
            let metadata = fs::metadata(path).unwrap();
            times.push((metadata.modified().unwrap(), metadata.len()));
        }
        times
    };
    let before = times();
    sandbox.tmpx(["cache", "run", "true"]).succeeds();
    assert_eq!(times(), before);
}

/// Runs a script under strace, and returns its system calls of these names.
fn trace(sandbox: &Sandbox, calls: &str, script: &str) -> Vec<String> {
    let script = format!("strace -f -qq -o ../trace -e trace={calls} {script} > out");
    sandbox.sh(&script).succeeds();
    let text = fs::read_to_string(sandbox.root().join("trace")).unwrap();
    let call = |line: &str| line.split_once(char::is_whitespace).unwrap().1.trim().to_owned();
    text.lines().map(call).collect()
}

#[test]
fn a_small_hit_opens_and_reads_its_entry_once_and_a_large_one_is_sent_after_it_was_checked() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    let synced = trace(&sandbox, "fsync,fdatasync,syncfs,sync", "tmpx cache run echo small");
    assert_eq!(synced, [""; 0]);
    let name = files(&sandbox).remove(0);
    let calls = "openat,read,pread64,preadv,sendfile";
    // Returns the calls on an entry, without arguments.
    let calls_on = |name: &str, script: &str| {
        let lines = trace(&sandbox, calls, script);
        let opens = |line: &String| line.starts_with("openat") && line.contains(name);
        let at = lines.iter().position(opens).unwrap();
        let fd = lines[at].rsplit(' ').next().unwrap();
        let has_entry = |line: &&String| {
            let (call, arguments) = line.split_once('(').unwrap();
            let first = usize::from(call == "sendfile");
            opens(line) || arguments.split([',', ')']).nth(first).is_some_and(|n| n.trim() == fd)
        };
        let used = lines[at..].iter().filter(has_entry);
        used.map(|line| line.split_once('(').unwrap().0.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(calls_on(&name, "tmpx cache run echo small"), ["openat", "read"]);
    // How a command's output is parted depends on time, and that of a file does not.
    sandbox.sh("seq 300000 > in; tmpx cache set k < in").succeeds();
    let large = files(&sandbox).into_iter().find(|other| *other != name).unwrap();
    let used = calls_on(&large, "tmpx cache get k");
    let sent = used.iter().position(|call| call == "sendfile").unwrap();
    assert_eq!(used.iter().filter(|call| *call == "openat").count(), 1, "{used:?}");
    // 2 MB in reads of 256 KiB, before anything is sent. Later only the heads of frames are read.
    assert!((8..16).contains(&sent), "{used:?}");
    let later = used[sent..].iter().filter(|call| *call != "sendfile").count();
    assert!(later <= used.len() - sent - later, "{used:?}");
}

#[test]
fn expired_entries_are_removed_after_the_output_was_printed() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.sh("tmpx cache run echo old > out").succeeds();
    age(&entry(&sandbox), 2 * 3_600_000);
    let expired = files(&sandbox).remove(0);
    fs::remove_file(store(&sandbox).join("lock")).unwrap();
    let calls = trace(&sandbox, "write,unlinkat", "tmpx cache run echo new");
    let at = |part: &str| calls.iter().position(|call| call.contains(part)).unwrap();
    let printed = calls.iter().rposition(|call| call.starts_with("write(1, \"new")).unwrap();
    assert!(printed < at(&expired), "{calls:?}");
}

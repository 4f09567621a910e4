//! What bounds a run: disks, processors and memory, and what becomes of outputs that exceed them.

use std::fs;
use std::process::Command;

use crate::support::namespaces::with_mounts;
use crate::support::sandbox::{Sandbox, has, names, skip_unless};

#[test]
fn a_full_disk_is_named_whatever_fills_it_and_nothing_half_made_stays() {
    let sandbox = Sandbox::new();
    let script = "mkdir small; mount -t tmpfs -o size=1m small small || exit 9
        seq 300000 > in.txt; echo old > small/out
        report() { echo $?; ls -A small; }
        tmpx chunk --bytes 200K -o small/out in.txt -- cat; report; cat small/out
        tmpx chunk --bytes 200K -p small in.txt; report
        tmpx chunk -p small in.txt -- cat; report
        export TMPDIR=$PWD/small
        tmpx chunk in.txt -- cat; report
        tmpx chunk in.txt -- cat {}; report";
    let Some(ran) = with_mounts(&sandbox, script) else { return };
    assert_eq!(ran.stdout, "125\nout\nold\n1\nout\n125\nout\n125\nout\n125\nout\n", "{ran:?}");
    let full = "on the filesystem $ROOT/cwd/small: No space left on device";
    let file = "small/tmp.RANDOM/chunk-000000.txt: could not write the chunk";
    let expected = format!(
        "tmpx: could not replace small/out, {full}\n\
         tmpx: could not create file in $ROOT/cwd/small: could not write the chunk, {full}\n\
         tmpx: could not hold an output in $ROOT/cwd/small, {full}\n\
         tmpx: could not hold an output in $ROOT/cwd/small, {full}\n\
         tmpx: chunk 0 (rows 1 to 300000, in.txt from byte 1, 1988895 bytes) failed: \
         could not write $ROOT/cwd/{file}, {full}\n"
    );
    assert_eq!(ran.stderr, expected);
}

#[test]
fn an_output_that_cannot_be_read_again_fails_the_run_and_is_not_passed_on_in_part() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    // The input is a pipe, so only the output that is held in a file is read by pread, and before that
    // the libraries of a dynamic build.
    let strace = "strace -qq -o /dev/null -e inject=pread64:error=EIO:when=";
    let script = format!(
        "seq 300000 > ../in; echo old > out
        libraries=$(strace -e trace=pread64 tmpx --version 2>&1 | grep -c pread64)
        run() {{ {strace}$((libraries + $1)) -e inject=sendfile:error=EIO \
            tmpx chunk --format lines $2 -- cat < ../fifo; echo $? >> ../status; }}
        mkfifo ../fifo
        for n in 1 2; do for to in '' '--merge' '-o out' '--merge -o out'; do
            cat ../in > ../fifo & run $n \"$to\" > ../stdout; wait; cat ../stdout out
        done; done"
    );
    let ran = sandbox.sh(&script).run();
    assert_eq!(ran.stdout, "old\n".repeat(8), "{ran:?}");
    let status = fs::read_to_string(sandbox.root().join("status")).unwrap();
    assert_eq!(status, "125\n".repeat(8));
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 8, "{ran:?}");
    let message = "could not read an output again: Input/output error";
    assert!(lines.iter().all(|line| line.ends_with(message)), "{ran:?}");
}

/// Prints whether both chunks have been in work at the same time. The first one gives up after as many
/// steps of 50 ms.
fn meet(steps: u32) -> String {
    format!(
        "sh -c 'i=0; : > at.$TMPX_CHUNK; while ! [ -e at.$((1 - TMPX_CHUNK)) ]; do i=$((i + 1)); \
         [ $i -lt {steps} ] || {{ echo alone; exit; }}; sleep 0.05; done; echo met'"
    )
}

#[test]
fn as_many_commands_run_at_once_as_there_are_processors_for_tmpx() {
    if !has("taskset") || !has("nproc") {
        return;
    }
    let sandbox = Sandbox::new();
    let chunk = |options: &str, steps| {
        format!("rm -f at.*; tmpx chunk {options} --rows 1 in.txt -- {}\n", meet(steps))
    };
    let one = "seq 2 > in.txt; cpu=$(taskset -cp $$ | sed 's/.*[: ]//; s/[-,].*//'); \
               taskset -cp $cpu $$ > /dev/null; ";
    sandbox.sh(&format!("{one}{}", chunk("", 10))).expects(0, "alone\nmet\n", "");
    sandbox.sh(&format!("{one}{}", chunk("-j 2", 400))).expects(0, "met\nmet\n", "");
    let several = sandbox.sh("nproc").succeeds().stdout != "1\n";
    if several {
        sandbox.sh(&chunk("", 400)).expects(0, "met\nmet\n", "");
    } else {
        println!("skipped: only one processor");
    }
}

#[test]
fn as_many_threads_survey_a_file_as_there_are_processors_for_tmpx() {
    if !has("taskset") || !has("strace") || !has("nproc") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "seq 1000000 > in.txt; cpu=$(taskset -cp $$ | sed 's/.*[: ]//; s/[-,].*//')
        threads() { \"$@\" strace -f -qq -o trace -e trace=clone,clone3 tmpx chunk --bytes 1G in.txt > path
            grep -c 'clone.*CLONE_THREAD' trace; }
        threads taskset -c $cpu; [ $(nproc) = 1 ] || [ $(threads) -gt 0 ] || echo no thread";
    sandbox.sh(script).expects(0, "0\n", "");
    sandbox.clean_up();
}

/// A control group with a quota of one processor, which is removed again.
struct OneCpu(std::path::PathBuf);

impl OneCpu {
    fn create() -> Option<Self> {
        let name = format!("tmpx-test-{}", std::process::id());
        for (root, quota, value) in [
            ("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "100000"),
            ("/sys/fs/cgroup", "cpu.max", "100000 100000"),
        ] {
            let dir = std::path::Path::new(root).join(&name);
            if fs::create_dir(&dir).is_ok() {
                let group = Self(dir);
                if fs::write(group.0.join(quota), value).is_ok() {
                    return Some(group);
                }
            }
        }
        None
    }
}

impl Drop for OneCpu {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_quota_of_processor_time_bounds_the_commands_and_threads_that_run_at_once() {
    // Containers seldom let anybody create a control group, also where nothing else may be skipped.
    let Some(group) = OneCpu::create() else {
        println!("skipped: no control group can be created");
        return;
    };
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = format!(
        "seq 2 > in.txt; seq 1000000 > big.txt; echo $$ > {}/cgroup.procs
        strace -f -qq -o trace -e trace=clone,clone3 tmpx chunk --bytes 1G --ttl 0 big.txt > path
        grep -c 'clone.*CLONE_THREAD' trace
        exec tmpx chunk --rows 1 in.txt -- {}",
        group.0.display(),
        meet(10)
    );
    sandbox.sh(&script).expects(0, "0\nalone\nmet\n", "");
    sandbox.clean_up();
}

#[test]
fn a_chunk_has_sixteen_mebibytes_by_default() {
    let sandbox = Sandbox::in_memory();
    let script = "yes | head -c 40M > in.txt; tmpx chunk in.txt -- wc -c; \
                  tmpx chunk --format lines < in.txt -- wc -c; \
                  cat in.txt | tmpx chunk --format lines -- wc -c";
    let expected = "16777216\n16777216\n8388608\n".repeat(3);
    sandbox.sh(script).expects(0, &expected, "");
}

/// CSV with quoted line ends and a JSON array, of SIZE bytes and a little more. A record has 16 bytes.
const CSV: &str = "{ echo n,text; yes '1,\"a line\nmore\"' | head -c SIZE; } > in.csv";
const JSON: &str = "{ printf '[0'; yes ',[\"a line\\\\\",1]' | head -c SIZE; echo ]; } > in.json";

/// Returns how many bytes of memory a run of chunk has needed at most, on a file of this size.
fn peak(make: &str, size: u32, run: &str) -> u64 {
    let sandbox = Sandbox::in_memory();
    sandbox.sh(&make.replace("SIZE", &size.to_string())).succeeds();
    sandbox.sh(&format!("tmpx exec --here --report report -- {run} > /dev/null")).succeeds();
    let report = fs::read(sandbox.cwd().join("report")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    report["peak_memory_bytes"].as_u64().unwrap()
}

/// The sizes of a small and a large file: whole numbers of records.
const SMALL: u32 = 16 * 140_000;
const LARGE: u32 = 16 * 4_600_000;

#[test]
fn memory_does_not_grow_with_the_file() {
    for (make, name) in [(CSV, "in.csv"), (JSON, "in.json")] {
        let run = format!("tmpx chunk -j 2 --merge {name} -- cat");
        let (small, large) = (peak(make, SMALL, &run), peak(make, LARGE, &run));
        assert!(small.max(large) < 16 << 20, "{name}: {small} and {large} bytes");
        assert!(large < small + (2 << 20), "{name}: {small} and {large} bytes");
    }
}

#[test]
fn a_plan_needs_sixteen_bytes_a_chunk_besides() {
    for (make, name) in [(CSV, "in.csv"), (JSON, "in.json")] {
        let run = format!("sh -c '! tmpx chunk -j 1 --rows 10 {name} -- false 2>/dev/null'");
        let (small, large) = (peak(make, SMALL, &run), peak(make, LARGE, &run));
        let chunks = u64::from(LARGE / 16 / 10);
        assert!(large < (16 << 20) + 16 * chunks, "{name}: {large} bytes");
        // The list of cuts has room for a power of two of them. While it grows, it may exist twice.
        let cuts = 16 * chunks.next_power_of_two();
        assert!(large < small + cuts * 3 / 2 + (4 << 20), "{name}: {small} and {large} bytes");
    }
}

#[test]
fn a_stream_needs_the_memory_of_the_chunks_in_work_besides() {
    let run = "sh -c 'cat in.csv | tmpx chunk -j 2 --bytes 4M --format csv --merge -- cat'";
    let bytes = peak(CSV, LARGE, run);
    assert!(bytes < (16 + 2 * 4) << 20, "{bytes} bytes");
}

#[test]
fn a_stream_of_small_chunks_needs_no_more_memory_than_one_of_large_ones() {
    // The first read gets all lines: the pipe is full, or there is a file.
    let full = "{ cat in.txt; : > gate; } | { : < gate; tmpx chunk -j 1 --format lines --rows 1 -- false; }";
    let mixed = ": > f.txt & tmpx chunk -j 1 --rows 1 in.txt f.txt -- false";
    for run in [full, mixed] {
        let run = format!("sh -c '{run} 2> /dev/null; wait'");
        let bytes = peak("mkfifo gate f.txt; seq 10000 19999 | head -c 60K > in.txt", 0, &run);
        assert!(bytes < 16 << 20, "{run}: {bytes} bytes");
    }
}

#[test]
fn no_command_is_started_after_one_has_failed_and_stderr_passes_through() {
    let sandbox = Sandbox::new();
    let command = "echo $TMPX_CHUNK >&2; [ $TMPX_CHUNK = 1 ] && exit 3; echo $TMPX_CHUNK";
    let script = format!("seq 9 > in.txt; tmpx chunk -j 1 --rows 1 in.txt -- sh -c '{command}'");
    let message =
        "0\n1\ntmpx: chunk 1 (rows 2 to 2, in.txt from byte 3, 2 bytes) exited with status 3\n";
    sandbox.sh(&script).expects(3, "0\n", message);
    assert_eq!(names(&sandbox.cwd()), ["in.txt"]);
}

#[test]
fn the_format_follows_the_extension() {
    let sandbox = Sandbox::new();
    for (extension, text, second) in [
        ("csv", "a,b\n1,\"x\ny\"\n2,3\n", "a,b\n2,3\n"),
        ("tsv", "a\tb\n1\t\"x\ny\"\n2\t3\n", "a\tb\n2\t3\n"),
        ("ndjson", "1\n2\n", "2\n"),
        ("jsonl", "1\n2\n", "2\n"),
        ("json", "[1,2]", "[2]"),
        ("txt", "1\n\"2\n", "\"2\n"),
        ("log", "1\n\"2\n", "\"2\n"),
    ] {
        fs::write(sandbox.cwd().join(format!("in.{extension}")), text).unwrap();
        let command = "[ $TMPX_CHUNK = 0 ] || cat";
        let script = format!("tmpx chunk --rows 1 in.{extension} -- sh -c '{command}'");
        sandbox.sh(&script).expects(0, second, "");
    }
}

#[test]
fn a_terminal_is_no_input() {
    if !skip_unless(std::path::Path::new("/dev/ptmx").exists(), "terminals") || !has("script") {
        return;
    }
    let sandbox = Sandbox::new();
    let run = "tmpx chunk --format csv 2> message; echo $? > status";
    let mut command = Command::new("script");
    command.args(["-qec", run, "/dev/null"]);
    sandbox.command(command).run();
    let read = |name: &str| fs::read_to_string(sandbox.cwd().join(name)).unwrap();
    let message =
        "tmpx: standard input is a terminal\nhint: name a file, as in tmpx chunk big.csv\n";
    assert_eq!((read("status").as_str(), read("message").as_str()), ("2\n", message));
}

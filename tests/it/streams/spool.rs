//! `tmpx spool` buffers standard input to its end.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Command;

use crate::support::memory::peak_memory;
use crate::support::sandbox::{Sandbox, has, is_root, mode, skip_unless, words};

/// Returns this many bytes, of which no two blocks are equal.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..bytes).map(|_| next()).collect()
}

/// Returns the output of a shell pipeline.
fn out_of(sandbox: &Sandbox, script: &str, input: &[u8]) -> Vec<u8> {
    fs::write(sandbox.root().join("input"), input).unwrap();
    let script = format!("cat ../input | {script} > ../output");
    sandbox.sh(&script).succeeds();
    fs::read(sandbox.root().join("output")).unwrap()
}

#[test]
fn output_equals_input_whatever_the_size_and_the_limit() {
    let sandbox = Sandbox::new();
    for size in [0, 1, 10, 65_536, 262_143, 262_144, 262_145, 3_000_000, 9_000_000] {
        let input = noise(size);
        for limit in ["0", "1", "64K", "1M", "8M", "1G"] {
            let output = out_of(&sandbox, &format!("tmpx spool --max-size {limit}"), &input);
            assert!(output == input, "{size} bytes with --max-size {limit}");
        }
    }
}

#[test]
fn no_output_before_the_end_of_input() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("numbers"), "3\n1\n2\n").unwrap();
    let script =
        "sort numbers | tmpx spool | { read first; { echo $first; cat; } > numbers; }; cat numbers";
    sandbox.sh(script).expects(0, "1\n2\n3\n", "");
    let mut child = sandbox.tmpx(["spool"]).spawn();
    child.stdin.as_mut().unwrap().write_all(b"early ").unwrap();
    let stdout = child.stdout.take().unwrap();
    let early = std::thread::spawn(move || {
        let mut stdout = stdout;
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        text
    });
    child.stdin.take().unwrap().write_all(b"late").unwrap();
    assert_eq!(early.join().unwrap(), "early late");
    assert!(child.wait().unwrap().success());
}

#[test]
fn sponge_agrees() {
    if !has("sponge") {
        return;
    }
    let sandbox = Sandbox::new();
    for size in [0, 10, 1_000_000, 9_000_000] {
        let input = noise(size);
        let [ours, theirs] = ["tmpx spool", "sponge"].map(|tool| out_of(&sandbox, tool, &input));
        assert!(ours == theirs, "{size} bytes");
    }
    // Both end as any filter whose reader has exited.
    for tool in ["tmpx spool", "sponge"] {
        let script = format!("{{ head -c 3000000 /dev/zero | {tool}; echo $? >&2; }} | head -c 1");
        assert_eq!(sandbox.sh(&script).run().stderr, "141\n", "{tool}");
    }
}

#[test]
fn a_broken_pipe_is_an_error_if_the_caller_ignores_the_signal() {
    let sandbox = Sandbox::new();
    let script =
        "trap '' PIPE; { head -c 3000000 /dev/zero | tmpx spool; echo $? >&2; } | head -c 0";
    let ran = sandbox.sh(script).run();
    assert_eq!(ran.stderr, "tmpx: could not write to stdout: Broken pipe\n1\n");
}

#[test]
fn a_regular_file_is_passed_on_and_not_copied() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("in"), noise(9_000_000)).unwrap();
    let script = "tmpx spool --report r < in > out; cat r; cmp in out";
    let report = "{\"bytes\":9000000,\"held_in\":\"stdin\",\"rolled_over\":false}\n";
    sandbox.sh(script).expects(0, report, "");
    // From the current offset to the end, where the offset then is.
    let script = "printf abcdef > in; { dd bs=2 count=1 2>/dev/null; tmpx spool; cat; } < in";
    sandbox.sh(script).expects(0, "abcdef", "");
    // The command gets that file, also under its own path.
    let script = "tmpx spool -- sh -c 'echo $1; cat' sh {} < in";
    sandbox.sh(script).expects(0, "$ROOT/cwd/in\nabcdef", "");
    // A file that grows while it is read is read up to its old size.
    sandbox.sh("tmpx spool < in >> in; cat in").expects(0, "abcdefabcdef", "");
    // A file of the kernel has no size and is a stream.
    let version = fs::read_to_string("/proc/version").unwrap();
    sandbox.sh("tmpx spool < /proc/version").expects(0, &version, "");
    if skip_unless(fs::metadata("/sys/kernel/uevent_seqnum").is_ok(), "/sys") {
        // Each file there has the size of one page.
        let script =
            "tmpx spool -- sh -c 'stat -Lc %s /dev/stdin; wc -c' < /sys/kernel/uevent_seqnum";
        let ran = sandbox.sh(script).succeeds();
        let sizes: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(sizes[0], sizes[1]);
    }
}

#[test]
fn a_command_gets_a_seekable_read_only_file() {
    let script = "import os, fcntl\n\
        print(os.lseek(0, 0, os.SEEK_CUR), os.lseek(0, -3, os.SEEK_END), os.read(0, 3).decode())\n\
        print(fcntl.fcntl(0, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY)\n\
        for act in (lambda: os.write(0, b'x'), lambda: os.ftruncate(0, 0)):\n\
        \x20   try: print('changed', act())\n\
        \x20   except OSError: print('refused')\n";
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("look.py"), script).unwrap();
    let expected = "0 7 end\nTrue\nrefused\nrefused\n";
    for how in ["printf 'to the end' | tmpx spool", "printf 'to the end' | tmpx spool --max-size 0"]
    {
        sandbox.sh(&format!("{how} -- python3 look.py")).expects(0, expected, "");
    }
    let shifted = "printf 'xxto the end' > in; { dd bs=2 count=1 of=/dev/null 2>/dev/null; \
                   tmpx spool -- python3 look.py; } < in";
    sandbox.sh(shifted).expects(0, expected, "");
    let writable = "printf 'to the end' > in; tmpx spool -- python3 look.py <> in";
    sandbox.sh(writable).expects(0, expected, "");
}

#[test]
fn the_memory_file_is_sealed() {
    let sandbox = Sandbox::new();
    let script = "echo safe | tmpx spool -- sh -c 'echo bad > /proc/self/fd/0; cat'";
    let ran = sandbox.sh(script).run();
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "safe\n"), "{ran:?}");
}

#[test]
fn braces_become_a_path_that_can_be_opened_often_and_is_removed_afterwards() {
    let sandbox = Sandbox::new();
    for limit in ["0", "8M"] {
        let script = format!(
            "echo text | tmpx spool --max-size {limit} -- \
             sh -c 'echo $1; cat $1 $1; cat; stat -c %a $1 $(dirname $1); ls $TMPDIR' sh {{}}"
        );
        let path = "$ROOT/tmp/tmp.RANDOM/stdin\ntext\ntext\ntext\n400\n700\ntmp.RANDOM\n";
        sandbox.sh(&script).expects(0, path, "");
    }
    sandbox
        .sh("echo a | tmpx spool -I @ -- sh -c 'echo $2; cat $1' sh @ {}")
        .expects(0, "{}\na\n", "");
    sandbox.sh("echo a | tmpx spool -- echo x{} {}y").expects(0, "x{} {}y\n", "");
    let ran = sandbox.sh("mkdir here; echo a | tmpx spool -p here -- echo {}; ls here").succeeds();
    assert_eq!(ran.stdout, "$ROOT/cwd/here/tmp.RANDOM/stdin\n");
}

#[test]
fn tools_that_reject_pipes_work() {
    let sandbox = Sandbox::new();
    if has("python3") {
        sandbox.sh("echo text > a.txt; python3 -m zipfile -c ../a.zip a.txt").succeeds();
        let script = "cat ../a.zip | tmpx spool -- python3 -m zipfile -l {} | grep -o a.txt";
        sandbox.sh(script).expects(0, "a.txt\n", "");
        // The standard input itself, by its path in /dev.
        let script =
            "cat ../a.zip | tmpx spool -- python3 -m zipfile -l /dev/stdin | grep -o a.txt";
        sandbox.sh(script).expects(0, "a.txt\n", "");
        if has("unzip") {
            for limit in ["0", "8M"] {
                let script = format!(
                    "cat ../a.zip | tmpx spool --max-size {limit} -- unzip -l {{}} | grep -o a.txt"
                );
                sandbox.sh(&script).expects(0, "a.txt\n", "");
            }
        }
    }
    if has("sqlite3") {
        sandbox.sh("sqlite3 ../d.db 'create table t(n); insert into t values (7)'").succeeds();
        let script = "cat ../d.db | tmpx spool -- sqlite3 {} 'select n from t'";
        sandbox.sh(script).expects(0, "7\n", "");
        // A journal beside it is removed with it.
        sandbox.sh("sqlite3 ../d.db 'pragma journal_mode = wal'").run();
        sandbox.sh(script).expects(0, "7\n", "");
    }
    sandbox.sh("seq 100000 | tmpx spool -- tail -c 7").expects(0, "100000\n", "");
}

#[test]
fn the_commands_status_and_signal_are_passed_on() {
    let sandbox = Sandbox::new();
    for status in [0, 1, 7, 125, 255] {
        let script = format!("echo | tmpx spool -- sh -c 'exit {status}'");
        sandbox.sh(&script).expects(status, "", "");
        let script = format!("echo | tmpx spool -- sh -c 'exit {status}' sh {{}}");
        sandbox.sh(&script).expects(status, "", "");
    }
    let ran = sandbox.tmpx(["spool", "--", "sh", "-c", "kill -15 $$", "sh", "{}"]).input("x").run();
    assert_eq!(ran.signal, Some(15), "{ran:?}");
    let missing = "tmpx: could not run nosuch: command not found\n";
    sandbox.tmpx(words("spool -- nosuch {}")).input("x").expects(127, "", missing);
    let usage = "tmpx: invalid value '1X' for '--max-size <SIZE>': \
                 not a size such as 4096, 64K, 10M, 2G, 10MB or 10MiB\n";
    sandbox.tmpx(words("spool --max-size 1X")).expects(2, "", usage);
}

#[test]
fn a_signal_before_the_end_leaves_nothing() {
    let sandbox = Sandbox::new();
    let mut child = sandbox.tmpx(words("spool --max-size 0 -- cat {}")).spawn();
    child.stdin.as_mut().unwrap().write_all(&noise(1_000_000)).unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert!(!child.wait().unwrap().success());
    // Not even for a cleanup: an unnamed file ends with the process.
    assert_eq!(sandbox.left(), Vec::<String>::new());
}

#[test]
fn failures_are_reported_with_their_path() {
    let sandbox = Sandbox::new();
    let message = "tmpx: could not create file in /nodir: No such file or directory\n\
         hint: create it first: mkdir -p /nodir\n";
    sandbox.sh("echo | tmpx spool --max-size 0 -p /nodir").expects(1, "", message);
    sandbox.sh("echo | tmpx spool --max-size 0 -p /nodir -- true").expects(125, "", message);
    let message = "tmpx: could not read standard input: Bad file descriptor\n";
    sandbox.sh("tmpx spool <&-").expects(1, "", message);
    sandbox.sh("tmpx spool <&- -- cat").expects(125, "", message);
    let message = "tmpx: could not read standard input: Is a directory\n";
    sandbox.sh("tmpx spool < .").expects(1, "", message);
    let message = "tmpx: could not write to stdout: No space left on device\n";
    sandbox.sh("echo | tmpx spool > /dev/full").expects(1, "", message);
    let message = "tmpx: could not write to stdout: Bad file descriptor\n";
    sandbox.sh("echo | tmpx spool >&-").expects(1, "", message);
}

#[test]
fn a_full_disk_is_named_and_leaves_nothing() {
    if !skip_unless(is_root(), "root") || !has("unshare") {
        return;
    }
    let sandbox = Sandbox::new();
    let small = "mkdir ../small; mount -t tmpfs -o size=1m small ../small";
    let script = format!(
        "{small}; head -c 3000000 /dev/zero | tmpx spool --max-size 64K -p ../small; \
         echo $?; ls -A ../small; head -c 3000000 /dev/zero | tmpx spool -p ../small -- cat {{}}; \
         echo $?; ls -A ../small; head -c 500000 /dev/zero | TMPDIR=../small tmpx spool | wc -c"
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script]);
    let ran = sandbox.command(command).run();
    assert_eq!(ran.stdout, "1\n125\n500000\n", "{ran:?}");
    let message = |dir| {
        format!(
            "tmpx: could not write to a file in $ROOT/cwd/../small{dir}, on the filesystem \
             $ROOT/small: No space left on device\n"
        )
    };
    assert_eq!(ran.stderr, message("") + &message("/tmp.RANDOM"));
}

#[test]
fn the_report_has_the_size_and_where_it_was_held() {
    let sandbox = Sandbox::new();
    let report = |args: &str| {
        let script = format!("echo 12345 | tmpx spool --report ../report {args}");
        sandbox.sh(&script).run();
        let text = fs::read_to_string(sandbox.root().join("report")).unwrap();
        fs::remove_file(sandbox.root().join("report")).unwrap();
        sandbox.plain(&text)
    };
    let memory = "{\"bytes\":6,\"held_in\":\"memory\",\"rolled_over\":false}\n";
    assert_eq!(report("> /dev/null"), memory);
    let disk = "{\"bytes\":6,\"held_in\":\"file\",\"rolled_over\":true,\"path\":\"$ROOT/tmp\"}\n";
    assert_eq!(report("--max-size 5 > /dev/null"), disk);
    let run = "{\"bytes\":6,\"held_in\":\"memory\",\"rolled_over\":false,\"status\":7}\n";
    assert_eq!(report("-- sh -c 'exit 7'"), run);
    let message = "tmpx: --report: could not replace /nodir/r: No such file or directory\n";
    sandbox.sh("tmpx spool --report /nodir/r < /dev/zero").expects(1, "", message);
    sandbox.sh("tmpx spool --report /nodir/r -- touch ran").expects(125, "", message);
    // A later failure changes only a successful status.
    let message = "tmpx: could not replace d/r: No such file or directory\n";
    for (end, status) in [("true", 125), ("false", 1)] {
        let script = format!("mkdir d; tmpx spool --report d/r -- sh -c 'rmdir d; {end}'");
        sandbox.sh(&script).expects(status, "", message);
    }
}

/// Returns the peak memory of a process in KiB: its own, and its memory files.
fn memory(pid: u32) -> u64 {
    let fds = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().map(|fd| fd.unwrap().path());
    // A descriptor may be closed meanwhile.
    let in_memory = fds
        .filter(|fd| fs::read_link(fd).is_ok_and(|name| name.starts_with("/memfd:tmpx (deleted)")));
    let held: u64 = in_memory.filter_map(|fd| fs::metadata(fd).ok()).map(|file| file.len()).sum();
    peak_memory(pid) + held / 1024
}

#[test]
fn memory_stays_within_the_limit_and_four_mebibytes() {
    let sandbox = Sandbox::new();
    for (limit, most) in [("0", 4), ("1M", 5), ("8M", 12)] {
        let mut child = sandbox.tmpx(["spool", "--max-size", limit]).spawn();
        let mut stdin = child.stdin.as_ref().unwrap();
        for _ in 0..100 {
            stdin.write_all(&vec![1; 1024 * 1024]).unwrap();
            let peak = memory(child.id());
            assert!(peak <= most * 1024, "{peak} KiB with --max-size {limit}");
        }
        drop(child.stdin.take());
        let copied = std::io::copy(&mut child.stdout.take().unwrap(), &mut std::io::sink());
        assert_eq!(copied.unwrap(), 100 << 20);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_new_file_is_filled_from_a_large_pipe() {
    let sandbox = Sandbox::new();
    let input = noise(3_000_000);
    fs::write(sandbox.cwd().join("in"), &input).unwrap();
    let path = sandbox.sh("cat in | tmpx file --from -").path();
    assert!(fs::read(&path).unwrap() == input);
    assert_eq!(mode(&path), 0o600);
    let two = sandbox.sh("cat in | tmpx file --from - --count 2").succeeds();
    assert!(two.raw.lines().all(|path| fs::read(path).unwrap() == input));
    sandbox.clean_up();
}

#[test]
fn non_blocking_streams_are_waited_for() {
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "import os, sys, time\n\
        os.set_blocking(0, False); os.set_blocking(1, False)\n\
        os.execvp('tmpx', ['tmpx', 'spool', '--max-size', '1M'])\n";
    fs::write(sandbox.cwd().join("run.py"), script).unwrap();
    let slow = "{ head -c 2000000 /dev/zero; sleep 0.2; head -c 2000000 /dev/zero; }";
    let script = format!("{slow} | python3 run.py | {{ sleep 0.2; wc -c; }}");
    sandbox.sh(&script).expects(0, "4000000\n", "");
}

#[test]
fn the_command_inherits_nothing_but_its_input() {
    let sandbox = Sandbox::new();
    let list = "ls /proc/self/fd";
    let without = sandbox.sh(&format!("echo x | {list}")).succeeds();
    let with = sandbox.sh(&format!("echo x | tmpx spool --max-size 0 -- {list}")).succeeds();
    assert_eq!(with.stdout, without.stdout);
}

#[test]
fn a_filesystem_without_unnamed_files_works() {
    if !has("strace") {
        return;
    }
    let cases = [
        ("spool --max-size 0", "new\n"),
        ("spool --max-size 0 -- cat", "new\n"),
        ("spool --max-size 0 -- cat {}", "new\n"),
        ("replace f -- true", ""),
        ("replace f", ""),
    ];
    for (args, expected) in cases {
        let sandbox = Sandbox::new();
        // strace counts the calls of each name separately.
        let script = "echo new | strace -o ../trace -e trace=openat tmpx ARGS > /dev/null; \
            n=$(grep ^openat ../trace | grep -n O_TMPFILE | cut -d: -f1); echo old > f; \
            echo new | strace -o ../trace -e inject=openat:error=EOPNOTSUPP:when=$n tmpx ARGS; \
            grep -c O_TMPFILE.*INJECTED ../trace >&2; ls -A . $TMPDIR >&2";
        let ran = sandbox.sh(&script.replace("ARGS", args)).run();
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), expected), "{args}: {ran:?}");
        assert_eq!(ran.stderr, "1\n.:\nf\n\n$ROOT/tmp:\n", "{args}");
    }
}

#[test]
fn the_file_in_place_of_braces_has_the_suffix() {
    let sandbox = Sandbox::new();
    for options in ["", "--max-size 0 "] {
        let script = format!(
            "echo 1 | tmpx spool {options}--suffix .c -- sh -c 'basename $1; cat $1' sh {{}}"
        );
        sandbox.sh(&script).expects(0, "stdin.c\n1\n", "");
    }
    // A file is its own path only if its name ends so.
    let script = "echo 1 > a.c; tmpx spool --suffix .c -- sh -c 'basename $1' sh {} < a.c; \
                  tmpx spool --suffix .h -- sh -c 'basename $1; cat $1' sh {} < a.c";
    sandbox.sh(script).expects(0, "a.c\nstdin.h\n1\n", "");
    sandbox.sh("echo | tmpx spool --suffix -x -- basename {}").expects(0, "stdin-x\n", "");
    // gzip refuses a name without its suffix.
    sandbox.sh("seq 3 | gzip | tmpx spool --suffix .gz -- gzip -dc {}").expects(0, "1\n2\n3\n", "");
    let message = "tmpx: --suffix: COMMAND has no argument {}\n";
    sandbox.sh("tmpx spool --suffix .c -- cat").expects(2, "", message);
    sandbox.sh("tmpx spool --suffix .c").expects(2, "", message);
}

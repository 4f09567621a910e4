//! Whatever is wrong with the store: the command's output and status are untouched.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use super::fixture::{COUNT, count, entry, files, printed, runs, store};
use crate::support::filesystems::SSHFS;
use crate::support::filter::without_unnamed_files;
use crate::support::namespaces::{mounting, with_mounts};
use crate::support::sandbox::{NOBODY, Sandbox, has, is_root, mode, names, skip_unless};
use crate::support::wait::wait_until;

const OWN: &str =
    "hint: set TMPX_CACHE_DIR to a directory of its own, which only you can write to\n";

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Checks that runs work without the store, with one note, and that the other subcommands fail.
fn is_refused(sandbox: &Sandbox, message: &str, hint: &str) {
    let note =
        format!("tmpx: could not use the cache directory $ROOT/home/.cache/tmpx{message}\n{hint}");
    let before = runs(sandbox);
    for n in 1..=2 {
        count(sandbox, "").expects(0, &format!("run {}\n", before + n), &note);
    }
    for args in ["get k", "set k", "list", "clear", "clear k"] {
        let args = ["cache"].into_iter().chain(args.split(' '));
        sandbox.tmpx(args).expects(1, "", &note);
    }
}

#[test]
fn a_store_that_others_may_write_to_is_not_used() {
    let sandbox = Sandbox::new();
    count(&sandbox, "").succeeds();
    let kept = fs::read(entry(&sandbox)).unwrap();
    for mode in [0o777, 0o770, 0o707, 0o1777] {
        set_mode(&store(&sandbox), mode);
        is_refused(&sandbox, ": other users may write to it", OWN);
    }
    assert_eq!(fs::read(entry(&sandbox)).unwrap(), kept);
    set_mode(&store(&sandbox), 0o755);
    printed(&count(&sandbox, "").run(), "run 1\n");
}

#[test]
fn a_store_of_another_user_is_not_used() {
    if !skip_unless(is_root(), "root") {
        return;
    }
    let sandbox = Sandbox::new();
    count(&sandbox, "").succeeds();
    chown(store(&sandbox), Some(NOBODY), None).unwrap();
    is_refused(&sandbox, ": it belongs to another user", OWN);
    chown(store(&sandbox), Some(0), None).unwrap();
    printed(&count(&sandbox, "").run(), "run 1\n");
}

#[test]
fn a_file_in_the_store_that_another_user_may_have_written_is_not_used() {
    let sandbox = Sandbox::new();
    sandbox.tmpx(["cache", "set", "k"]).input("v").succeeds();
    let named = entry(&sandbox);
    fs::rename(&named, sandbox.cwd().join("named")).unwrap();
    count(&sandbox, "").succeeds();
    let path = entry(&sandbox);
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let hint = "hint: remove the directory, or set TMPX_CACHE_DIR to another one\n";
    let refused = |what: &str| {
        let note = format!(
            "tmpx: could not use the cache directory $ROOT/home/.cache/tmpx: {what}\n{hint}"
        );
        let next = format!("run {}\n", runs(&sandbox) + 1);
        count(&sandbox, "").expects(0, &next, &note);
        for args in ["list", "clear", "clear k"] {
            let args = ["cache"].into_iter().chain(args.split(' '));
            sandbox.tmpx(args).expects(1, "", &note);
        }
    };
    set_mode(&path, 0o622);
    refused(&format!("other users may write to {name} in it"));
    set_mode(&path, 0o600);
    if is_root() {
        chown(&path, Some(NOBODY), None).unwrap();
        refused(&format!("{name} in it belongs to another user"));
        chown(&path, Some(0), None).unwrap();
        chown(store(&sandbox).join("lock"), Some(NOBODY), None).unwrap();
        let note = format!(
            "tmpx: could not use the cache directory $ROOT/home/.cache/tmpx: lock in it belongs to another user\n{hint}"
        );
        let next = format!("run {}\n", runs(&sandbox) + 1);
        count(&sandbox, "--refresh").expects(0, &next, &note);
        sandbox.tmpx(["cache", "set", "k"]).input("v").expects(1, "", &note);
        chown(store(&sandbox).join("lock"), Some(0), None).unwrap();
    }
    printed(&count(&sandbox, "").run(), "run 1\n");
}

#[test]
fn a_store_that_is_a_symlink_or_a_file_is_not_used() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.home().join(".cache")).unwrap();
    let elsewhere = sandbox.cwd().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, store(&sandbox)).unwrap();
    let hint = "hint: set TMPX_CACHE_DIR to a directory that you can write to\n";
    is_refused(&sandbox, ": Not a directory", hint);
    assert_eq!(names(&elsewhere), [""; 0]);
    fs::remove_file(store(&sandbox)).unwrap();
    fs::write(store(&sandbox), "").unwrap();
    is_refused(&sandbox, ": Not a directory", hint);
}

#[test]
fn without_a_home_the_command_runs() {
    let sandbox = Sandbox::new();
    let note = "tmpx: there is no cache directory: HOME is not set\n\
                hint: set TMPX_CACHE_DIR to a directory of its own\n";
    count(&sandbox, "").without("HOME").expects(0, "run 1\n", note);
    sandbox.tmpx(["cache", "get", "k"]).without("HOME").expects(1, "", note);
    let note = "tmpx: TMPX_CACHE_DIR is not absolute: cache\n\
                hint: use the full path, as in TMPX_CACHE_DIR=$PWD/cache\n";
    count(&sandbox, "").env("TMPX_CACHE_DIR", "cache").expects(0, "run 2\n", note);
    printed(&count(&sandbox, "").env("XDG_CACHE_HOME", sandbox.cwd().join("xdg")).run(), "run 3\n");
    printed(&count(&sandbox, "").env("XDG_CACHE_HOME", sandbox.cwd().join("xdg")).run(), "run 3\n");
    assert!(sandbox.cwd().join("xdg/tmpx").is_dir());
}

#[test]
fn a_home_of_another_user_is_left_alone() {
    if !skip_unless(is_root(), "root") {
        return;
    }
    let sandbox = Sandbox::new();
    chown(sandbox.home(), Some(NOBODY), None).unwrap();
    is_refused_without_store(&sandbox, ": it belongs to another user", OWN);
    assert_eq!(names(&sandbox.home()), [""; 0]);
}

fn is_refused_without_store(sandbox: &Sandbox, message: &str, hint: &str) {
    let note =
        format!("tmpx: could not use the cache directory $ROOT/home/.cache/tmpx{message}\n{hint}");
    count(sandbox, "").expects(0, "run 1\n", &note);
}

#[test]
fn a_store_that_may_only_be_read_gives_hits_and_keeps_nothing() {
    let sandbox = Sandbox::for_nobody();
    count(&sandbox, "").by_nobody().succeeds();
    set_mode(&store(&sandbox), 0o500);
    printed(&count(&sandbox, "").by_nobody().run(), "run 1\n");
    let note = "tmpx: could not create file in $ROOT/home/.cache/tmpx: Permission denied\n";
    count(&sandbox, "--key other").by_nobody().expects(0, "run 2\n", note);
    assert_eq!(files(&sandbox).len(), 1);
    set_mode(&store(&sandbox), 0o700);
}

#[test]
fn on_a_full_disk_the_whole_output_is_passed_on_with_one_note() {
    let sandbox = Sandbox::new();
    let script = "mkdir -p store && mount -t tmpfs -o size=1m,mode=700 none store || exit 9
        export TMPX_CACHE_DIR=$PWD/store
        for n in 1 2; do tmpx cache run -- sh -c 'echo x >> runs; seq 300000' | cksum; done
        tmpx cache run -- sh -c 'echo x >> runs; seq 300000' > out 2>err; echo $?; cksum < out; cat err
        seq 300000 | cksum
        tmpx cache run echo small; tmpx cache run --report report echo small; grep -o hit report
        dd if=/dev/zero of=store/fill bs=4k 2>/dev/null
        tmpx cache run echo other; wc -l < runs; ls store | wc -l";
    let Some(ran) = with_mounts(&sandbox, script) else { return };
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let sum_line = lines[0];
    let note = "tmpx: could not keep the output in $ROOT/cwd/store, on the filesystem \
                $ROOT/cwd/store: No space left on device";
    assert_eq!(
        lines,
        [
            sum_line, sum_line, "0", sum_line, note, sum_line, "small", "small", "hit", "other",
            "3", "3"
        ],
    );
    let notes: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(notes.len(), 3, "{ran:?}");
    assert!(notes[..2].iter().all(|line| *line == note), "{ran:?}");
}

#[test]
fn callers_at_once_do_not_queue_up_where_the_disk_is_full() {
    let sandbox = Sandbox::new();
    // Each run lasts until all have begun.
    let script = "mkdir store && mount -t tmpfs -o size=1m,mode=700 none store || exit 9
        export TMPX_CACHE_DIR=$PWD/store
        for n in 1 2 3 4; do
            timeout 60 tmpx cache run -- sh -c 'echo x >> runs; seq 300000
                until [ $(wc -l < runs) = 4 ]; do :; done' 2>/dev/null | cksum &
        done
        wait; ls store; seq 300000 | cksum";
    let Some(ran) = with_mounts(&sandbox, script) else { return };
    if !skip_unless(ran.status != Some(9), "permission to mount") {
        return;
    }
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let sum = lines[0];
    assert_eq!(lines, [sum, sum, sum, sum, "lock", sum], "{ran:?}");
    assert_eq!(runs(&sandbox), 4);
}

#[test]
fn a_full_temp_dir_takes_no_standard_input_from_the_command() {
    let sandbox = Sandbox::new();
    // The disk is full at once, and in between.
    let script = "for size in 64k 2m; do mkdir m; mount -t tmpfs -o size=$size x m || exit 9; \
                  for n in 1 2; do seq 400000 | TMPDIR=$PWD/m tmpx cache run --key-stdin -- \
                  sh -c 'echo x >>runs; cksum'; done; ls -A m; umount m; rmdir m; done; seq 400000 | cksum";
    let Some(ran) = with_mounts(&sandbox, script) else { return };
    if !skip_unless(ran.status != Some(9), "permission to mount") {
        return;
    }
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!((&*lines, &*ran.stderr), (&[lines[0]; 5][..], ""), "{ran:?}");
    assert_eq!(runs(&sandbox), 1);
}

#[test]
fn a_read_only_or_foreign_filesystem_keeps_nothing() {
    let sandbox = Sandbox::new();
    let script = "mkdir store; mount -t tmpfs -o ro,mode=700 none store || exit 9
        export TMPX_CACHE_DIR=$PWD/store
        tmpx cache run -- sh -c 'echo x >> runs; echo out'; echo $?
        TMPX_CACHE_DIR=$PWD/store/sub tmpx cache run -- sh -c 'echo x >> runs; echo out'; echo $?
        TMPX_CACHE_DIR=/proc tmpx cache run -- sh -c 'echo x >> runs; echo out'; echo $?
        wc -l < runs";
    let Some(ran) = with_mounts(&sandbox, script) else { return };
    assert_eq!(ran.stdout, "out\n0\nout\n0\nout\n0\n3\n");
    let notes: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("tmpx: ")).collect();
    assert_eq!(notes.len(), 3, "{ran:?}");
    assert!(notes[..2].iter().all(|note| note.contains("Read-only file system")), "{ran:?}");
    let foreign = "tmpx: could not use the cache directory /proc: it is not on a local filesystem";
    assert_eq!(notes[2], foreign);
}

#[test]
fn on_a_network_filesystem_nothing_is_read_or_written() {
    let sandbox = Sandbox::new();
    let script = "chmod 700 src; again; export TMPX_CACHE_DIR=$PWD/m; \
        for n in 1 2; do tmpx cache run -- sh -c 'echo x >> runs; echo out'; done; wc -l < runs; \
        for args in 'get k' 'set k' list 'clear k' clear; do tmpx cache $args; echo $?; done; ls -A src";
    let Some(ran) = mounting(&sandbox, SSHFS, &["sshfs"], script) else { return };
    let note = "tmpx: could not use the cache directory $ROOT/cwd/m: it is not on a local filesystem\n\
                hint: set TMPX_CACHE_DIR to a directory on a local disk\n";
    assert_eq!((&*ran.stdout, ran.stderr), ("out\nout\n2\n1\n1\n1\n1\n1\n", note.repeat(7)));
}

#[test]
fn a_stdout_that_is_full_or_closed_is_a_failure_of_tmpx() {
    let sandbox = Sandbox::new();
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    sandbox.tmpx(["cache", "set", "k"]).input("v").succeeds();
    let message = "tmpx: could not write to stdout: No space left on device\n";
    let ran = sandbox.tmpx(["cache", "get", "k"]).stdout(full()).run_to_its_stdout();
    assert_eq!((ran.status, &*ran.stderr), (Some(1), message));
    for options in ["", "", "--refresh"] {
        let ran = count(&sandbox, options).stdout(full()).run_to_its_stdout();
        assert_eq!((ran.status, &*ran.stderr), (Some(125), message), "{options}");
    }
    assert_eq!(runs(&sandbox), 2, "the output is kept all the same");
    let large = "tmpx cache run seq 300000 > /dev/full; echo $?; tmpx cache run seq 300000 > /dev/full; echo $?";
    sandbox.sh(large).expects(0, "125\n125\n", &message.repeat(2));
    let closed = "tmpx cache run echo x >&-; echo $?; tmpx cache run echo x >&-; echo $?; \
        tmpx cache run echo x; tmpx cache run true >&-; echo $?; \
        tmpx cache run -- sh -c 'echo e >&2; echo o' 2>&-; echo $?";
    let message = "tmpx: could not write to stdout: Bad file descriptor\n";
    sandbox.sh(closed).expects(0, "125\n125\nx\n0\no\n0\n", &message.repeat(2));
}

#[test]
fn a_command_that_cannot_run_is_not_kept() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("text"), "").unwrap();
    for _ in 0..2 {
        let ran = sandbox.tmpx(["cache", "run", "--cache-failures", "nosuch"]).run();
        let message = "tmpx: could not run nosuch: command not found\n";
        assert_eq!((ran.status, &*ran.stderr), (Some(127), message));
        let ran = sandbox.tmpx(["cache", "run", "--cache-failures", "./text"]).run();
        assert_eq!(ran.status, Some(126), "{ran:?}");
    }
    for status in ["126", "127"] {
        let script = format!("exit {status}");
        sandbox.tmpx(["cache", "run", "--cache-failures", "--", "sh", "-c", &script]).run();
    }
    assert_eq!(files(&sandbox), [""; 0]);
}

#[test]
fn from_a_directory_that_was_removed_the_command_runs() {
    let sandbox = Sandbox::new();
    let script = "mkdir gone; cd gone; rmdir ../gone; tmpx cache run echo out; tmpx cache run --ignore-cwd echo out; \
         tmpx cache run --ignore-cwd --report ../report echo out";
    let ran = sandbox.sh(script).run();
    assert!(ran.stdout.starts_with("out\nout\n"), "{ran:?}");
    assert!(ran.stderr.starts_with("tmpx: could not find the working directory: No such file"));
}

#[test]
fn with_few_descriptors_the_command_runs_all_the_same() {
    let sandbox = Sandbox::new();
    for limit in 6..20 {
        let script = format!("ulimit -n {limit}; tmpx cache run --key {limit} echo out");
        let ran = sandbox.sh(&script).run();
        assert_eq!((ran.status, &*ran.stdout), (Some(0), "out\n"), "{limit}: {ran:?}");
        let notes = ran.stderr.lines().filter(|line| line.starts_with("tmpx: ")).count();
        assert!(notes <= 1, "{limit}: {ran:?}");
    }
}

#[test]
fn a_store_that_is_created_under_an_unusual_umask_serves_later() {
    for umask in ["777", "277", "0"] {
        let sandbox = Sandbox::for_nobody();
        let script = format!(
            "(umask {umask}; tmpx cache run echo out); tmpx cache run echo out; \
             tmpx cache set k <<E\nv\nE\ntmpx cache get k"
        );
        sandbox.sh(&script).by_nobody().expects(0, "out\nout\nv\n", "");
        assert_eq!(mode(store(&sandbox).join("lock")), 0o600, "{umask}");
        let ran = sandbox.tmpx(["cache", "clear"]).by_nobody().run();
        assert!(ran.stderr.starts_with("tmpx: removed 2 cache entries"), "{ran:?}");
    }
}

#[test]
fn stderr_may_be_closed_while_a_note_is_due() {
    let sandbox = Sandbox::new();
    let mut command = count(&sandbox, "").without("HOME").prepared();
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"run 1\n"[..]));
}

#[test]
fn a_filesystem_without_unnamed_files_keeps_outputs_too() {
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let run = |script: &str| without_unnamed_files(&sandbox, &["sh", "-c", script]).run();
    for options in ["", "--refresh ", ""] {
        let script = format!("tmpx cache run {options}-- sh -c '{COUNT}'");
        let expected = if options.is_empty() { runs(&sandbox).max(1) } else { 2 };
        printed(&run(&script), &format!("run {expected}\n"));
    }
    printed(&run("for n in 1 2; do echo $n | tmpx cache set k; tmpx cache get k; done"), "1\n2\n");
    let sums = run("for n in 1 2; do tmpx cache run seq 300000 | cksum; done | uniq | wc -l");
    printed(&sums, "1\n");
    assert_eq!(files(&sandbox).len(), 3);
    let hidden = names(&store(&sandbox)).into_iter().filter(|name| name.starts_with('.')).count();
    assert_eq!(hidden, 0);
}

#[test]
fn the_hidden_file_of_a_run_that_was_killed_is_removed_by_a_cleanup() {
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let words = [
        "tmpx",
        "cache",
        "run",
        "--",
        "sh",
        "-c",
        "echo out; echo $$ > new; mv new pid; exec sleep 60",
    ];
    let mut command = without_unnamed_files(&sandbox, &words).prepared();
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let pid = sandbox.cwd().join("pid");
    wait_until("the command runs", || pid.exists());
    let hidden =
        || names(&store(&sandbox)).into_iter().filter(|name| name.starts_with('.')).count();
    assert_eq!(hidden(), 1, "{:?}", names(&store(&sandbox)));
    child.kill().unwrap();
    child.wait().unwrap();
    let command = Pid::from_raw(fs::read_to_string(pid).unwrap().trim().parse().unwrap()).unwrap();
    kill_process(command, Signal::KILL).unwrap();
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
    assert_eq!(hidden(), 0);
}

#[test]
fn an_exhausted_quota_counts_as_a_full_disk() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    let note = "tmpx: could not keep the output in $ROOT/home/.cache/tmpx, on the filesystem FS: \
                Disk quota exceeded";
    let strace = "strace -qq -o /dev/null -e inject=CALL:error=EDQUOT";
    // The first linkat(2) only finds out whether files can be linked here.
    for call in ["pwritev", "pwrite64", "linkat:when=2+"] {
        let script = format!("{} tmpx cache run echo out", strace.replace("CALL", call));
        let ran = sandbox.sh(&script).run();
        assert_eq!((ran.status, &*ran.stdout), (Some(0), "out\n"), "{call}: {ran:?}");
        let (before, after) = note.split_once("FS").unwrap();
        let line = ran.stderr.trim_end();
        assert!(line.starts_with(before) && line.ends_with(after), "{call}: {ran:?}");
        assert_eq!(line.lines().count(), 1, "{ran:?}");
        assert_eq!(files(&sandbox), [""; 0], "{call}");
    }
}

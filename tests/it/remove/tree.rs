//! Removing trees: all of what is ours, and nothing else.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

use crate::support::sandbox::{Sandbox, has, is_root, names, skip_unless, words};

#[test]
fn symlinks_inside_are_removed_and_not_followed() {
    let sandbox = Sandbox::new();
    let precious = sandbox.cwd().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("canary"), "").unwrap();
    let dir = sandbox.dir();
    symlink(&precious, dir.join("dir-link")).unwrap();
    symlink(precious.join("canary"), dir.join("file-link")).unwrap();
    symlink("nowhere", dir.join("dangling")).unwrap();
    sandbox.tmpx(words("cleanup --all -q")).succeeds();
    assert!(precious.join("canary").exists());
}

#[test]
fn trees_that_keep_their_owner_out_are_opened_up() {
    let sandbox = Sandbox::for_nobody();
    let script = "d=$(tmpx dir); cd $d; mkdir -p a/b/c e f/g; touch a/b/c/x e/y f/g/z; \
                  ln -s /etc/hosts a/link; chmod 000 a/b/c e; chmod 500 f/g; chmod 555 f a; chmod 0 $d; \
                  chmod 400 $(tmpx file)";
    sandbox.sh(script).by_nobody().succeeds();
    sandbox.tmpx(words("cleanup --all -q")).by_nobody().succeeds();
}

/// Makes a directory in a directory in a directory …, far beyond what a path can name.
fn make_deep(top: &Path, levels: usize, name: &str) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut dir = openat(CWD, top, flags, Mode::empty()).unwrap();
    for _ in 0..levels {
        mkdirat(&dir, name, Mode::RWXU).unwrap();
        dir = openat(&dir, name, flags, Mode::empty()).unwrap();
    }
    openat(&dir, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
}

#[test]
fn depth_costs_neither_stack_nor_descriptors() {
    let sandbox = Sandbox::in_memory();
    make_deep(&sandbox.dir(), 30_000, "d");
    make_deep(&sandbox.dir(), 300, &"long".repeat(63));
    let ran = sandbox.sh("ulimit -n 64; ulimit -s 256; tmpx cleanup --all --json -q").succeeds();
    let entries: Vec<u64> = ran.json().iter().map(|one| one["entries"].as_u64().unwrap()).collect();
    assert_eq!(entries, [30_002, 302]);
}

#[test]
fn every_kind_of_entry_goes() {
    let sandbox = Sandbox::new();
    let script = "d=$(tmpx dir); mkfifo $d/fifo; truncate -s 1G $d/sparse; touch \"$d/$(printf '\\377\\n')\"; \
                  touch \"$d/$(printf '%0255d' 0)\"";
    sandbox.sh(script).succeeds();
    let dir = sandbox.tmp().join(&sandbox.left()[0]);
    let _socket = std::os::unix::net::UnixListener::bind(dir.join("socket")).unwrap();
    if is_root() {
        sandbox.sh(&format!("mknod {}/null c 1 3", dir.display())).run();
    }
    sandbox.tmpx(words("cleanup --all -q")).succeeds();
}

#[test]
fn many_entries_in_one_directory_all_go() {
    let sandbox = Sandbox::in_memory();
    let dir = sandbox.dir();
    for n in 0..9000 {
        fs::create_dir(dir.join(n.to_string())).unwrap();
        fs::write(dir.join(format!("{n}/file")), "").unwrap();
    }
    let json = sandbox.tmpx(words("cleanup --all -q --json")).succeeds().json();
    assert_eq!(json[0]["entries"], 18_001);
}

/// Runs a script as root in a mount namespace of its own.
pub(crate) fn with_mounts(sandbox: &Sandbox, script: &str) -> Option<crate::support::sandbox::Ran> {
    if !skip_unless(is_root(), "root") || !has("unshare") {
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script]);
    Some(sandbox.command(command).run())
}

#[test]
fn a_mount_point_inside_is_not_emptied_and_is_named() {
    let sandbox = Sandbox::new();
    let precious = sandbox.cwd().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("canary"), "").unwrap();
    // A bind mount of the same filesystem: device numbers would not tell.
    let script = "d=$(tmpx dir); mkdir -p $d/a/mnt $d/b; touch $d/b/x; mount --bind precious $d/a/mnt; \
                  tmpx cleanup -n --all >/dev/null; tmpx cleanup --all; ls $d; umount $d/a/mnt";
    let Some(ran) = with_mounts(&sandbox, script) else {
        return;
    };
    assert_eq!(ran.stdout, "a\n", "the rest is gone: {ran:?}");
    let failed = "tmpx: could not remove $ROOT/tmp/tmp.RANDOM/a/mnt: it is a mount point\n\
                  tmpx: removed 0, 1 in part (0 B)\n";
    assert_eq!(ran.stderr.replace("would remove", "removed"), failed.repeat(2), "{ran:?}");
    assert_eq!(names(&precious), ["canary"]);
    sandbox.clean_up();
}

#[test]
fn a_resource_that_became_a_mount_point_is_kept() {
    let sandbox = Sandbox::new();
    let precious = sandbox.cwd().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("canary"), "").unwrap();
    let script = "d=$(tmpx dir); mount --bind precious $d; tmpx cleanup --all; umount $d";
    let Some(ran) = with_mounts(&sandbox, script) else {
        return;
    };
    assert!(ran.stderr.contains("it is a mount point"), "{ran:?}");
    assert_eq!(names(&precious), ["canary"]);
    sandbox.clean_up();
}

#[test]
fn what_cannot_be_removed_is_told_once_and_the_rest_goes() {
    let sandbox = Sandbox::new();
    if !has("chattr") || !skip_unless(is_root(), "root") {
        return;
    }
    let dir = sandbox.dir();
    fs::create_dir(dir.join("sub")).unwrap();
    for name in ["a", "sub/immutable", "z"] {
        fs::write(dir.join(name), "").unwrap();
    }
    let immutable = dir.join("sub/immutable");
    let set =
        |flag: &str| Command::new("chattr").arg(flag).arg(&immutable).status().unwrap().success();
    if !skip_unless(set("+i"), "filesystem with immutable files") {
        sandbox.clean_up();
        return;
    }
    let ran = sandbox.tmpx(words("cleanup --all")).run();
    set("-i");
    assert_eq!(
        (ran.status, ran.stdout.as_str(), ran.stderr.as_str()),
        (
            Some(1),
            "",
            "tmpx: could not remove $ROOT/tmp/tmp.RANDOM/sub/immutable: Operation not permitted\n\
             tmpx: removed 0, 1 in part (0 B)\n"
        )
    );
    assert_eq!(names(&dir), ["sub"]);
    assert_eq!(sandbox.leases().len(), 1, "the lease stays");
    sandbox.clean_up();
}

#[test]
fn a_live_writer_does_not_keep_the_cleaner_for_ever() {
    let sandbox = Sandbox::new();
    let dir = sandbox.dir();
    let script = format!("cd {}; while :; do : > $RANDOM; done 2>/dev/null", dir.display());
    let mut writer = sandbox.shell("bash", &script).spawn();
    let ran = sandbox.tmpx(words("cleanup --all")).run();
    writer.kill().unwrap();
    writer.wait().unwrap();
    // Either it got through between two writes, or it gave up and said so.
    if ran.status == Some(1) {
        assert!(ran.stderr.contains("somebody keeps putting things into it"), "{ran:?}");
        assert!(dir.exists());
    }
    sandbox.clean_up();
    assert!(!Path::new(&dir).exists());
}

#[test]
fn what_is_never_found_empty_is_given_up_after_some_tries_and_told() {
    let sandbox = Sandbox::new();
    if !has("strace") {
        return;
    }
    // A writer that is always faster: each rmdir(2) finds something.
    let script = "d=$(tmpx dir); mkdir $d/sub; strace -f -o trace \
                  -e inject=unlinkat:error=ENOTEMPTY tmpx cleanup --all; grep -c unlinkat trace";
    let ran = sandbox.sh(script).run();
    assert_eq!(
        ran.stderr,
        "tmpx: could not remove $ROOT/tmp/tmp.RANDOM/sub: somebody keeps putting things into it\n\
         tmpx: removed 0\n"
    );
    assert_eq!(ran.stdout, "65\n", "tries");
    assert_eq!(sandbox.leases().len(), 1, "the lease stays");
    sandbox.clean_up();
}

#[test]
fn what_failed_is_told_in_order_and_counted_beyond_some() {
    let sandbox = Sandbox::new();
    if !has("strace") {
        return;
    }
    let dir = sandbox.dir();
    for n in 0..30 {
        fs::create_dir(dir.join(format!("{n:02}"))).unwrap();
        fs::write(dir.join(format!("{n:02}/file")), "").unwrap();
    }
    let ran =
        sandbox.sh("strace -f -o /dev/null -e inject=unlinkat:error=EIO tmpx cleanup --all").run();
    let told = |n| {
        let more = if n == 19 { " (and 10 more)" } else { "" };
        format!(
            "tmpx: could not remove $ROOT/tmp/tmp.RANDOM/{n:02}/file: Input/output error{more}\n"
        )
    };
    let expected: String = (0..20).map(told).collect();
    assert_eq!(ran.stderr, expected + "tmpx: removed 0\n");
    sandbox.clean_up();
}

#[test]
fn an_old_kernel_without_openat2_removes_and_still_spares_mount_points() {
    let sandbox = Sandbox::new();
    if !has("strace") {
        return;
    }
    let make = "d=$(tmpx dir); mkdir -p $d/a/b; touch $d/a/b/c $d/x; ";
    let inject = "strace -f -o /dev/null -e inject=openat2:error=ENOSYS ";
    sandbox.sh(&format!("{make}{inject}tmpx cleanup --all -q")).succeeds();
    sandbox
        .sh(&format!("{make}{inject}tmpx exec touch y; {inject}tmpx cleanup --all -q"))
        .succeeds();
    let precious = sandbox.cwd().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("canary"), "").unwrap();
    let script =
        format!("{make}mount --bind precious $d/a; {inject}tmpx cleanup --all; umount $d/a");
    let Some(ran) = with_mounts(&sandbox, &script) else {
        return;
    };
    assert!(ran.stderr.contains("a: it is a mount point"), "{ran:?}");
    assert_eq!(names(&precious), ["canary"]);
    sandbox.clean_up();
}

#[test]
fn without_file_handles_the_inode_and_its_birth_tell() {
    let sandbox = Sandbox::new();
    if !has("strace") {
        return;
    }
    let inject = "strace -f -o /dev/null -e inject=name_to_handle_at:error=EOPNOTSUPP ";
    sandbox.sh(&format!("{inject}tmpx file --name known; {inject}tmpx dir")).succeeds();
    sandbox.sh(&format!("{inject}tmpx cleanup --all -q")).succeeds();
}

/// Runs what follows on a kernel that lacks the calls with these numbers.
pub(crate) const WITHOUT: &str = r"
import ctypes, os, struct, sys
calls, command = sys.argv[1].split(','), sys.argv[2:]
code = [(0x20, 0, 0, 0)]
for call in calls:
    code += [(0x15, 0, 1, int(call)), (6, 0, 0, 0x50026)]
code += [(6, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *step) for step in code))
steps = (len(code) - 1) // 8
program = ctypes.create_string_buffer(struct.pack('@HP', steps, ctypes.addressof(code)))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program) == 0
os.execvp(command[0], command)
";

/// Their numbers are the same everywhere.
const OPENAT2: i64 = 437;
pub(crate) const FCHMODAT2: i64 = 452;

#[test]
fn an_old_kernel_without_fchmodat2_opens_trees_up_all_the_same() {
    let sandbox = Sandbox::for_nobody();
    if !has("python3") {
        return;
    }
    for calls in [format!("{FCHMODAT2}"), format!("{FCHMODAT2},{OPENAT2}")] {
        let script = format!(
            "d=$(tmpx dir); mkdir -p $d/a/b; touch $d/a/b/c; chmod 000 $d/a/b; chmod 500 $d/a; \
             python3 -c \"$WITHOUT\" {calls} tmpx cleanup --all -q"
        );
        sandbox.sh(&script).env("WITHOUT", WITHOUT).by_nobody().succeeds();
    }
}

#[test]
fn where_the_kernel_cannot_tell_a_mount_point_nothing_is_entered() {
    let sandbox = Sandbox::new();
    if !has("strace") {
        return;
    }
    // Neither openat2(2) refuses one, nor does statx(2) say what is one.
    let make = "d=$(tmpx dir); mkdir $d/a; touch $d/a/b; ";
    let inject =
        "strace -f -o /dev/null -e inject=openat2:error=ENOSYS -e inject=statx:error=ENOSYS ";
    let ran = sandbox.sh(&format!("{make}{inject}tmpx cleanup --all; find $d -name b")).run();
    assert!(ran.stdout.ends_with("/a/b\n"), "it is there: {ran:?}");
    assert!(ran.stderr.contains("Function not implemented"), "{ran:?}");
    assert_eq!(sandbox.leases().len(), 1, "the lease stays");
    sandbox.clean_up();
}

#[test]
fn a_million_entries_in_one_directory_cost_no_memory() {
    let sandbox = Sandbox::in_memory();
    let count = if std::env::var_os("TMPX_STRESS").is_some() { 1_000_000 } else { 20_000 };
    let make = |make: &dyn Fn(&std::os::fd::OwnedFd, &str)| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let dir = openat(CWD, sandbox.dir(), flags, Mode::empty()).unwrap();
        (0..count).for_each(|n| make(&dir, &format!("{n:0100}")));
    };
    make(&|dir, name| mkdirat(dir, name, Mode::RWXU).unwrap());
    make(&|dir, name| {
        openat(dir, name, OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
    });
    // Their names alone are more than this.
    let ran = sandbox.sh("ulimit -d 2048; tmpx cleanup --all --json").run();
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let entries: Vec<_> = ran.json().iter().map(|one| one["entries"].as_u64()).collect();
    assert_eq!(entries, [Some(count + 1); 2]);
}

#[test]
fn with_room_for_few_descriptors_one_thread_does_it_all() {
    let sandbox = Sandbox::in_memory();
    let top = sandbox.dir();
    for n in 0..300 {
        fs::create_dir_all(top.join(format!("{n}/{}", "d/".repeat(40)))).unwrap();
    }
    sandbox.sh("ulimit -n 64; tmpx cleanup --all -q").succeeds();
}

/// Runs what follows with a terminal for its standard error, and prints what that was told.
const ON_A_TERMINAL: &str = r"
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
told = b''
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    told += piece
sys.stdout.write(told.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

#[test]
fn a_terminal_is_told_of_the_progress_of_a_long_removal_only() {
    let sandbox = Sandbox::new();
    if !has("python3") || !has("strace") {
        return;
    }
    // Each rmdir(2) takes its time.
    let slow = "strace -f -o /dev/null -e inject=unlinkat:delay_enter=150ms";
    let told = |under: &str, options: &str, on_terminal: bool| {
        let python = if on_terminal { "python3 -c \"$ON_A_TERMINAL\"" } else { "" };
        let script = format!(
            "d=$(tmpx dir); mkdir -p $d/a/b/c/d/e; {python} {under} tmpx cleanup --all {options} 2>&1"
        );
        sandbox.sh(&script).env("ON_A_TERMINAL", ON_A_TERMINAL).env("TERM", "xterm").run().stdout
    };
    let shown = told(slow, "", true);
    assert!(shown.contains(" entries"), "{shown:?}");
    assert!(shown.ends_with("tmpx: removed 1 (0 B)\r\n"), "{shown:?}");
    for not_shown in [told(slow, "-q", true), told(slow, "", false)] {
        assert!(!not_shown.contains(" entries"), "{not_shown:?}");
    }
    let start = Instant::now();
    let shown = told("", "", true);
    // Unless the machine was busy with other things for so long.
    assert!(!shown.contains(" entries") || start.elapsed().as_millis() > 500, "{shown:?}");
}

#[test]
fn mount_points_in_a_large_tree_are_told_in_order_whoever_comes_to_them() {
    let sandbox = Sandbox::in_memory();
    let precious = sandbox.cwd().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("canary"), "").unwrap();
    let script = "d=$(tmpx dir); cd $d; seq -w 3000 | xargs mkdir; seq -w 3000 | sed s,$,/file, | xargs touch; \
                  for n in 0001 1000 1001 2000 2999; do mkdir $n/mnt; mount --bind $OLDPWD/precious $n/mnt; done; \
                  tmpx cleanup --all; ls; umount */mnt";
    let Some(ran) = with_mounts(&sandbox, script) else {
        return;
    };
    let kept = ["0001", "1000", "1001", "2000", "2999"];
    assert_eq!(ran.stdout, kept.map(|name| format!("{name}\n")).concat(), "the rest is gone");
    let told = |name| {
        format!("tmpx: could not remove $ROOT/tmp/tmp.RANDOM/{name}/mnt: it is a mount point\n")
    };
    assert_eq!(ran.stderr, kept.map(told).concat() + "tmpx: removed 0, 1 in part (0 B)\n");
    assert_eq!(names(&precious), ["canary"]);
    sandbox.clean_up();
}

#[test]
fn threads_come_only_where_there_is_work_for_them() {
    let sandbox = Sandbox::in_memory();
    if !has("strace") {
        return;
    }
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if cpus > 1 { cpus.min(8) } else { 0 };
    let flat = "seq 3000 | xargs touch";
    // All gone before anybody else could come.
    let flat_and_small = "seq 700 | xargs touch";
    let broad = "seq 1000 | xargs mkdir";
    let few = "seq 100 | xargs touch; seq 20 | sed s,^,d, | xargs mkdir";
    // With room for one walk's descriptors only, more threads would be of no use.
    for (make, limit, threads) in [
        (flat, 256, threads),
        (broad, 256, threads),
        (flat_and_small, 256, 0),
        (few, 256, 0),
        (broad, 48, 0),
    ] {
        let script = format!(
            "cd $(tmpx dir); {make}; ulimit -n {limit}; \
             strace -f -e trace=clone,clone3 -o $HOME/trace tmpx cleanup --all -q; grep -c CLONE_THREAD $HOME/trace"
        );
        let ran = sandbox.sh(&script).run();
        assert_eq!(ran.stdout, format!("{threads}\n"), "{make}: {ran:?}");
    }
}

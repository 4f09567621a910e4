//! Deletions under conditions that are rare: few descriptors, threads that get in each other's way, no
//! /proc, hard links, a directory that is moved away.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::remove::tree::{FCHMODAT2, WITHOUT, with_mounts};
use crate::support::sandbox::{Sandbox, has, is_root, names, skip_unless, words};

#[test]
fn a_tree_that_is_deeper_than_there_are_descriptors_goes() {
    let sandbox = Sandbox::new();
    for limit in [14, 20, 30] {
        let script = format!(
            "d=$(tmpx dir); mkdir -p $d/{}; touch $d/file; ulimit -n {limit}; tmpx cleanup --all -q",
            "d/".repeat(100)
        );
        sandbox.sh(&script).succeeds();
        assert_eq!(sandbox.left(), Vec::<String>::new(), "{limit}");
    }
}

#[test]
fn threads_that_open_up_the_same_directory_do_not_take_each_other_for_a_failure() {
    let sandbox = Sandbox::for_nobody();
    if !has("strace") {
        return;
    }
    // The first thread has lent subdirectories, and stands still before it removes one; the other
    // one opens the directory up meanwhile.
    let script = "d=$(tmpx dir); cd $d; for n in $(seq 200); do echo > $n; done; mkdir a; \
                  (cd a; mkdir 1 2 3 4 5 6 7 8 9 10 11 12); chmod 0555 a; \
                  strace -f -qq -o /dev/null -e trace=getdents64,unlinkat \
                  -e inject=getdents64:delay_enter=5000:when=3+ \
                  -e inject=unlinkat:delay_exit=40000:when=1 tmpx cleanup --all -q";
    for _ in 0..3 {
        sandbox.sh(script).by_nobody().succeeds();
    }
}

#[test]
fn where_nothing_can_be_opened_up_that_is_told_and_the_lease_stays() {
    let sandbox = Sandbox::for_nobody();
    if !skip_unless(is_root(), "root") || !has("python3") || !has("unshare") {
        return;
    }
    let made = sandbox.sh("d=$(tmpx dir); mkdir $d/a; chmod 000 $d/a $d; echo $d").by_nobody();
    let path = made.path();
    // No fchmodat2(2), and no /proc to do without it.
    let script = format!(
        "umount -l /proc || exit 9; setpriv --reuid 65534 --regid 65534 --clear-groups \
         python3 -c \"$WITHOUT\" {FCHMODAT2} tmpx cleanup --all --force -q"
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", &script]);
    let ran = sandbox.command(command).env("WITHOUT", WITHOUT).run();
    if !skip_unless(ran.status != Some(9), "leave to unmount /proc") {
        return;
    }
    let told = "tmpx: could not remove $ROOT/tmp/tmp.RANDOM: Function not implemented\n";
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(1), told), "{ran:?}");
    assert!(path.exists() && sandbox.leases().len() == 1, "{ran:?}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    sandbox.tmpx(["cleanup", "--all", "-q"]).by_nobody().succeeds();
}

#[test]
fn a_dry_run_counts_a_file_with_several_names_once_as_the_real_run_does() {
    let sandbox = Sandbox::new();
    let script = "d=$(tmpx dir); mkdir $d/sub; head -c 1M /dev/zero > $d/a; ln $d/a $d/sub/b; \
                  head -c 1M /dev/zero > kept; ln kept $d/c; \
                  tmpx cleanup --all -n --json -q; tmpx cleanup --all --json -q";
    let told = sandbox.sh(script).succeeds().json();
    assert_eq!(told[0]["entries"], told[1]["entries"]);
    assert_eq!(told[0]["bytes"], told[1]["bytes"]);
    assert_eq!(told[0]["bytes"].as_u64().unwrap() >> 20, 1, "{told:?}");
}

#[test]
fn a_directory_that_is_moved_away_meanwhile_is_not_called_removed() {
    let sandbox = Sandbox::new();
    if !has("strace") {
        return;
    }
    // It is moved when the first file is gone, and something put into it, or what has something in it
    // into its place.
    for (then, left) in
        [("echo > moved/late; d=moved", "late\n"), ("mkdir $d; echo > $d/foreign", "foreign\n")]
    {
        let script = format!(
            "d=$(tmpx dir); for n in 1 2 3 4 5 6 7 8; do echo > $d/$n; done; \
             strace -f -qq -o /dev/null -e trace=unlinkat -e inject=unlinkat:delay_exit=50000 \
             tmpx cleanup --all -q & \
             until [ $(ls $d | wc -l) -lt 8 ]; do :; done; mv $d moved; {then}; \
             wait $!; echo $?; ls $d; rm -r moved $d 2>/dev/null"
        );
        let ran = sandbox.sh(&script).run();
        assert_eq!(ran.stdout, format!("1\n{left}"), "{ran:?}");
        let told = "tmpx: could not remove $ROOT/tmp/tmp.RANDOM: it was moved while it was being removed\n";
        assert_eq!(ran.stderr, told);
    }
    assert_eq!(names(&sandbox.cwd()), Vec::<String>::new());
    sandbox.tmpx(words("cleanup -q")).succeeds();
}

#[test]
fn what_failed_in_a_directory_that_is_left_and_come_back_to_is_told_and_counted_once() {
    let sandbox = Sandbox::in_memory();
    if !has("chattr") || !skip_unless(is_root(), "root") {
        return;
    }
    // So many subdirectories that they are removed in two parts, and between these some so deep that
    // the descriptor is given back.
    let script = "d=$(tmpx dir); mkdir $d/sub; cd $d/sub; seq 5000 | xargs mkdir; \
                  for n in $(seq 100 100 5000); do mkdir -p $n/$DEEP; done; \
                  seq -f f%02.0f 25 | xargs touch; chattr +i f?? || exit 9; \
                  ulimit -n 48; tmpx cleanup --all; ls; chattr -i f??";
    let ran = sandbox.sh(script).env("DEEP", "d/".repeat(30)).run();
    if !skip_unless(ran.status != Some(9), "filesystem with immutable files") {
        return;
    }
    let name = |n| format!("f{n:02}");
    assert_eq!(ran.stdout, (1..=25).map(|n| name(n) + "\n").collect::<String>());
    let told = |n| {
        let more = if n == 20 { " (and 5 more)" } else { "" };
        let name = name(n);
        format!(
            "tmpx: could not remove $ROOT/tmp/tmp.RANDOM/sub/{name}: Operation not permitted{more}\n"
        )
    };
    let expected: String = (1..=20).map(told).collect();
    assert_eq!(ran.stderr, expected + "tmpx: removed 0, 1 in part (0 B)\n");
    sandbox.tmpx(words("cleanup --all -q")).succeeds();
}

#[test]
fn where_threads_may_have_no_working_directory_of_their_own_none_is_changed() {
    let sandbox = Sandbox::in_memory();
    if !has("strace") {
        return;
    }
    let shared = std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1);
    for (inject, changed) in [("", shared), ("-e inject=unshare:error=EPERM", false)] {
        let script = format!(
            "cd $(tmpx dir); seq 5000 | xargs touch; \
             strace -f -qq -e trace=unshare,fchdir {inject} -o $HOME/trace tmpx cleanup --all -q; \
             grep -c fchdir $HOME/trace"
        );
        let ran = sandbox.sh(&script).run();
        assert_eq!((ran.stdout.trim() != "0", ran.stderr.as_str()), (changed, ""), "{ran:?}");
    }
    assert_eq!(sandbox.left(), Vec::<String>::new());
}

#[test]
fn where_positions_count_what_is_left_nothing_is_passed_over() {
    let sandbox = Sandbox::in_memory();
    // A mount point in one of many subdirectories, all so deep that the descriptor above is given back.
    let script = "mkdir ram; mount -t ramfs none ram || exit 9; d=$(tmpx dir -p ram); mkdir $d/sub; cd $d/sub; \
                  seq -f f%g 300 | xargs touch; seq -f %g/$DEEP 3000 | xargs mkdir -p; \
                  seq -f g%g 300 | xargs touch; \
                  mkdir 700/mnt; mount -t ramfs none 700/mnt; \
                  $RUN tmpx cleanup --all; ls; umount 700/mnt; tmpx cleanup --all -q; cd $OLDPWD; umount ram";
    for run in ["", "taskset -c 0"] {
        let script = script.replace("$RUN", run).replace("$DEEP", &"d/".repeat(28));
        let Some(ran) = with_mounts(&sandbox, &script) else {
            return;
        };
        if !skip_unless(ran.status != Some(9), "leave to mount a ramfs") {
            return;
        }
        assert_eq!(ran.stdout, "700\n", "the rest is gone: {ran:?}");
        let told = "tmpx: could not remove $ROOT/cwd/ram/tmp.RANDOM/sub/700/mnt: it is a mount point\n\
                    tmpx: removed 0, 1 in part (0 B)\n";
        assert_eq!(ran.stderr, told);
        fs::remove_dir(sandbox.cwd().join("ram")).unwrap();
    }
}

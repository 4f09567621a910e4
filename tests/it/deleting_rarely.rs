//! Deletions under conditions that are rare: few descriptors, threads that get in each other's way, no
//! /proc, hard links, a directory that is moved away.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::sandbox::{Sandbox, has, is_root, names, skip_unless};

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
    if !skip_unless(is_root(), "root") || !has("strace") || !has("unshare") {
        return;
    }
    let made = sandbox.sh("d=$(tmpx dir); mkdir $d/a; chmod 000 $d/a $d; echo $d").by_nobody();
    let path = made.path();
    // No fchmodat2(2), and no /proc to do without it.
    let script = "umount -l /proc; setpriv --reuid 65534 --regid 65534 --clear-groups \
                  strace -f -qq -o /dev/null -e inject=fchmodat2:error=ENOSYS \
                  tmpx cleanup --all --force -q";
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", script]);
    let ran = sandbox.command(command).run();
    if !skip_unless(!ran.stderr.contains("umount"), "leave to unmount /proc") {
        return;
    }
    assert_ne!(ran.status, Some(0), "{ran:?}");
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
    // It is moved when the first file is gone, and something put into it.
    let script = "d=$(tmpx dir); for n in 1 2 3 4 5 6 7 8; do echo > $d/$n; done; \
                  strace -f -qq -o /dev/null -e trace=unlinkat -e inject=unlinkat:delay_exit=50000 \
                  tmpx cleanup --all -q & \
                  until [ $(ls $d | wc -l) -lt 8 ]; do :; done; mv $d moved; echo > moved/late; \
                  wait $!; echo $?; ls moved";
    let ran = sandbox.sh(script).run();
    assert_eq!(ran.stdout, "1\nlate\n", "{ran:?}");
    assert!(ran.stderr.contains("it was moved while it was being removed"), "{ran:?}");
    assert_eq!(names(&sandbox.cwd()), ["moved"]);
    sandbox.clean_up();
}

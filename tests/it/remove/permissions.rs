//! Removing trees whose permissions keep their owner out.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::remove::old_kernels::{FCHMODAT2, WITHOUT};
use crate::support::sandbox::{Sandbox, has, is_root, skip_unless, words};

#[test]
fn trees_that_keep_their_owner_out_are_opened_up() {
    let sandbox = Sandbox::for_nobody();
    let script = "d=$(tmpx dir); cd $d; mkdir -p a/b/c e f/g; touch a/b/c/x e/y f/g/z; \
                  ln -s /etc/hosts a/link; chmod 000 a/b/c e; chmod 500 f/g; chmod 555 f a; chmod 0 $d; \
                  chmod 400 $(tmpx file)";
    sandbox.sh(script).by_nobody().succeeds();
    sandbox.tmpx(words("cleanup --all -q")).by_nobody().succeeds();
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
fn root_without_its_capabilities_opens_its_trees_up_too() {
    if !skip_unless(is_root(), "root") || !has("setpriv") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "d=$(tmpx dir); mkdir -p $d/a/b; touch $d/a/b/c; chmod 000 $d/a/b; chmod 555 $d/a; \
                  setpriv --bounding-set=-all --inh-caps=-all tmpx cleanup --all -q";
    sandbox.sh(script).succeeds();
}

//! Removing trees that deny access to their owner.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::support::filter::{FCHMODAT2, filter_in};
use crate::support::sandbox::{Sandbox, has, is_root, skip_unless, words};

#[test]
fn trees_that_deny_access_to_their_owner_are_removed() {
    let sandbox = Sandbox::for_nobody();
    let script = "d=$(tmpx dir); cd $d; mkdir -p a/b/c e f/g; touch a/b/c/x e/y f/g/z; \
                  ln -s /etc/hosts a/link; chmod 000 a/b/c e; chmod 500 f/g; chmod 555 f a; chmod 0 $d; \
                  chmod 400 $(tmpx file)";
    sandbox.sh(script).by_nobody().succeeds();
    sandbox.tmpx(words("cleanup --all -q")).by_nobody().succeeds();
}

#[test]
fn threads_that_grant_access_to_the_same_directory_at_once_both_succeed() {
    let sandbox = Sandbox::for_nobody();
    if !has("strace") {
        return;
    }
    // The first thread has shared subdirectories, and is delayed before it removes one. Meanwhile
    // the other thread grants access to their parent.
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
fn if_access_cannot_be_granted_the_failure_is_reported_and_the_lease_kept() {
    let sandbox = Sandbox::for_nobody();
    if !skip_unless(is_root(), "root") || !has("python3") || !has("unshare") {
        return;
    }
    let created = sandbox.sh("d=$(tmpx dir); mkdir $d/a; chmod 000 $d/a $d; echo $d").by_nobody();
    let path = created.path();
    // The kernel lacks fchmodat2(2), and /proc, which would replace it, is not mounted.
    let script = format!(
        "umount -l /proc || exit 9; setpriv --reuid 65534 --regid 65534 --clear-groups \
         {} {} {FCHMODAT2} tmpx cleanup --all --force -q",
        filter_in(&sandbox),
        libc::ENOSYS
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", &script]);
    let ran = sandbox.command(command).run();
    if !skip_unless(ran.status != Some(9), "permission to unmount /proc") {
        return;
    }
    let message = "tmpx: could not remove $ROOT/tmp/tmp.RANDOM: Function not implemented\n";
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(1), message), "{ran:?}");
    assert!(path.exists() && sandbox.leases().len() == 1, "{ran:?}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    sandbox.tmpx(["cleanup", "--all", "-q"]).by_nobody().succeeds();
}

#[test]
fn root_without_capabilities_removes_trees_that_deny_access() {
    if !skip_unless(is_root(), "root") || !has("setpriv") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "d=$(tmpx dir); mkdir -p $d/a/b; touch $d/a/b/c; chmod 000 $d/a/b; chmod 555 $d/a; \
                  setpriv --bounding-set=-all --inh-caps=-all tmpx cleanup --all -q";
    sandbox.sh(script).succeeds();
}

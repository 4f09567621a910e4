//! Removal on kernels and filesystems that lack a system call.

use std::fs;

use crate::support::filter::{Answer, FCHMODAT2, filter_in, without};
use crate::support::namespaces::with_mounts;
use crate::support::sandbox::{Sandbox, has, names, skip_unless};

#[test]
fn without_openat2_trees_are_removed_and_mount_points_kept() {
    let sandbox = Sandbox::new();
    if !has("strace") {
        return;
    }
    let create = "d=$(tmpx dir); mkdir -p $d/a/b; touch $d/a/b/c $d/x; ";
    let inject = "strace -f -o /dev/null -e inject=openat2:error=ENOSYS ";
    sandbox.sh(&format!("{create}{inject}tmpx cleanup --all -q")).succeeds();
    sandbox
        .sh(&format!("{create}{inject}tmpx exec touch y; {inject}tmpx cleanup --all -q"))
        .succeeds();
    let precious = sandbox.cwd().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("canary"), "").unwrap();
    let script =
        format!("{create}mount --bind precious $d/a; {inject}tmpx cleanup --all; umount $d/a");
    let Some(ran) = with_mounts(&sandbox, &script) else {
        return;
    };
    assert!(ran.stderr.contains("a: it is a mount point"), "{ran:?}");
    assert_eq!(names(&precious), ["canary"]);
    sandbox.clean_up();
}

#[test]
fn without_file_handles_a_mark_identifies_a_resource() {
    let sandbox = Sandbox::new();
    if !has("strace") {
        return;
    }
    let script = "tmpx() { strace -f -o /dev/null -e inject=name_to_handle_at:error=EOPNOTSUPP tmpx \"$@\"; }; \
                  tmpx file --name ours; d=$(tmpx dir -p . --name build); touch $d/content; \
                  f=$(tmpx file --name users); rm $f; echo thesis >$f; \
                  tmpx cleanup --all 2>&1; cat $f; ls . $TMPDIR; rm $f";
    let ran = sandbox.sh(script).succeeds();
    let kept = "tmpx: kept $ROOT/tmp/users: no longer the file tmpx created (rewritten by sed -i or mv?); \
                remove it with rm\n";
    let expected = format!(
        "$ROOT/tmp/ours\n{kept}$ROOT/tmp/ours\n$ROOT/cwd/build\ntmpx: removed 2 (4.0 KiB), kept 1 replaced\n\
         thesis\n.:\n\n$ROOT/tmp:\nusers\n"
    );
    assert_eq!(ran.stdout, expected);
}

#[test]
fn without_fchmodat2_trees_that_deny_access_are_removed() {
    let sandbox = Sandbox::for_nobody();
    if !has("python3") {
        return;
    }
    for calls in [&[FCHMODAT2][..], &[FCHMODAT2, libc::SYS_openat2]] {
        let script = "d=$(tmpx dir); mkdir -p $d/a/b; touch $d/a/b/c; chmod 000 $d/a/b; \
                      chmod 500 $d/a; tmpx cleanup --all -q";
        let words = ["sh", "-c", script];
        without(&sandbox, calls, Answer::NotImplemented, &words).by_nobody().succeeds();
    }
}

#[test]
fn no_directory_is_entered_if_the_kernel_cannot_identify_mount_points() {
    let sandbox = Sandbox::new();
    if !has("python3") {
        return;
    }
    // openat2(2) refuses mount points and statx(2) reports them. Handles and /proc name the mount.
    let calls = [libc::SYS_openat2, libc::SYS_statx, libc::SYS_name_to_handle_at];
    let create = "d=$(tmpx dir); mkdir $d/a; touch $d/a/b; ";
    let script = format!("{create} tmpx cleanup --all -q; ls -A $TMPDIR");
    without(&sandbox, &calls[..2], Answer::NotImplemented, &["sh", "-c", &script])
        .expects(0, "", "");
    let filter = filter_in(&sandbox);
    let script = format!(
        "{create} umount -l /proc || exit 9; {filter} {} {},{},{} tmpx cleanup --all --force; find $d -name b",
        libc::ENOSYS,
        calls[0],
        calls[1],
        calls[2]
    );
    let Some(ran) = with_mounts(&sandbox, &script) else { return };
    if skip_unless(ran.status != Some(9), "permission to unmount /proc") {
        assert!(ran.stdout.ends_with("/a/b\n"), "it is kept: {ran:?}");
        let why = "this kernel does not report whether it is a mount point\n";
        assert!(ran.stderr.contains(why), "{ran:?}");
        assert_eq!(sandbox.leases().len(), 1, "the lease is kept: {ran:?}");
    }
    sandbox.clean_up();
}

//! Removal on kernels and filesystems that lack a system call.

use std::fs;

use crate::support::filter::{Answer, FCHMODAT2, FILTER, without};
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
fn without_file_handles_the_inode_and_its_birth_time_identify_a_resource() {
    let sandbox = Sandbox::new();
    if !has("strace") {
        return;
    }
    let inject = "strace -f -o /dev/null -e inject=name_to_handle_at:error=EOPNOTSUPP ";
    sandbox.sh(&format!("{inject}tmpx file --name known; {inject}tmpx dir")).succeeds();
    sandbox.sh(&format!("{inject}tmpx cleanup --all -q")).succeeds();
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
    let script = format!(
        "{create} umount -l /proc || exit 9; \
         python3 -c \"$FILTER\" {} {},{},{} tmpx cleanup --all; find $d -name b",
        libc::ENOSYS,
        calls[0],
        calls[1],
        calls[2]
    );
    let script = format!("FILTER='{FILTER}'; {script}");
    let Some(ran) = with_mounts(&sandbox, &script) else { return };
    if skip_unless(ran.status != Some(9), "permission to unmount /proc") {
        assert!(ran.stdout.ends_with("/a/b\n"), "it is kept: {ran:?}");
        assert_eq!(sandbox.leases().len(), 1, "the lease is kept: {ran:?}");
    }
    sandbox.clean_up();
}

//! Removal on kernels and filesystems that lack a call.

use std::fs;

use crate::support::namespaces::with_mounts;
use crate::support::sandbox::{Sandbox, has, names};

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

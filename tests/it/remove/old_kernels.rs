//! Removal on kernels and filesystems that lack a system call.

use std::fs;

use crate::support::namespaces::with_mounts;
use crate::support::sandbox::{Sandbox, has, names};

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

/// A Python script that runs a command as on a kernel that lacks some system calls. Its arguments
/// are the numbers of the calls, separated by commas, and the command.
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

// Linux gives them the same numbers on all architectures.
const OPENAT2: i64 = 437;
pub(crate) const FCHMODAT2: i64 = 452;

#[test]
fn without_fchmodat2_trees_that_deny_access_are_removed() {
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
fn no_directory_is_entered_if_the_kernel_cannot_identify_mount_points() {
    let sandbox = Sandbox::new();
    if !has("strace") {
        return;
    }
    // Neither does openat2(2) refuse mount points, nor does statx(2) report them.
    let create = "d=$(tmpx dir); mkdir $d/a; touch $d/a/b; ";
    let inject =
        "strace -f -o /dev/null -e inject=openat2:error=ENOSYS -e inject=statx:error=ENOSYS ";
    let ran = sandbox.sh(&format!("{create}{inject}tmpx cleanup --all; find $d -name b")).run();
    assert!(ran.stdout.ends_with("/a/b\n"), "it is kept: {ran:?}");
    assert!(ran.stderr.contains("Function not implemented"), "{ran:?}");
    assert_eq!(sandbox.leases().len(), 1, "the lease is kept");
    sandbox.clean_up();
}

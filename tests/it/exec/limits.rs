//! Limits of the system: each gets one clear line.

use std::process::Command;

use crate::support::sandbox::{Sandbox, has, is_root, skip_unless};

const TOO_LARGE: &str = "File too large\nhint: 'ulimit -f' prints the limit on the size of files\n";

#[test]
fn a_file_that_outgrows_the_limit_is_an_error_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let run = |tmpx: &str| {
        sandbox.shell("bash", &format!("ulimit -f 64; yes | head -c 1M | tmpx {tmpx}"))
    };
    let message = format!(
        "tmpx: could not create file in $ROOT/tmp: could not copy standard input: {TOO_LARGE}"
    );
    run("file --from -").expects(1, "", &message);
    run("replace file").expects(1, "", &format!("tmpx: could not replace file: {TOO_LARGE}"));
    let message = format!("tmpx: could not write to a file in $ROOT/tmp: {TOO_LARGE}");
    run("spool --max-size 1K").expects(1, "", &message);
    std::fs::write(sandbox.cwd().join("in"), "x".repeat(100_000)).unwrap();
    let message = format!("tmpx: could not copy in: {TOO_LARGE}");
    run("exec --in in true").expects(125, "", &message);
    std::fs::remove_file(sandbox.cwd().join("in")).unwrap();
    assert_eq!(crate::support::sandbox::names(&sandbox.cwd()), Vec::<String>::new());
}

#[test]
fn where_no_file_can_have_a_byte_no_temp_dir_is_usable_and_no_output_is_kept() {
    let sandbox = Sandbox::new();
    let run = |tmpx: &str| sandbox.shell("bash", &format!("ulimit -f 0; tmpx {tmpx}"));
    let message = "tmpx: no usable temporary directory\n\
                   hint: 'tmpx gettempdir --all' shows every candidate\n";
    run("gettempdir").expects(1, "", message);
    assert_eq!(sandbox.left(), [""; 0]);
    let message = format!("tmpx: could not keep the output in $ROOT/home/.cache/tmpx: {TOO_LARGE}");
    run("cache run echo out").expects(0, "out\n", &message);
    sandbox.sh("tmpx cache list").expects(0, "", "");
}

#[test]
fn a_command_that_exceeds_the_limit_dies_as_without_tmpx() {
    let sandbox = Sandbox::new();
    for run in ["", "tmpx exec"] {
        let script = format!("ulimit -f 64; {run} head -c 1M /dev/zero >file; echo $?; rm file");
        sandbox.shell("bash", &format!("exec 2>/dev/null; {script}")).expects(0, "153\n", "");
    }
}

#[test]
fn too_few_descriptors_get_a_line_with_the_limit() {
    let sandbox = Sandbox::new();
    let ran = sandbox.sh("ulimit -n 4; tmpx exec true").run();
    let message =
        "tmpx: could not write to the state directory $ROOT/home/state: Too many open files\n";
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(125), message));
    for limit in 5..12 {
        let ran = sandbox.sh(&format!("ulimit -n {limit}; tmpx exec true")).run();
        let lines = ran.stderr.lines().filter(|line| line.starts_with("tmpx: ")).count();
        assert!(lines <= 1, "{limit}: {ran:?}");
        assert!(ran.stderr.is_empty() || ran.stderr.contains(": Too many open files\n"), "{ran:?}");
        // The workspace is removed, or tmpx says that it is not, and a cleanup removes it.
        let hint = "hint: some of the new resources are left; 'tmpx cleanup' removes them\n";
        let says_so =
            ran.stderr.starts_with("tmpx: could not remove ") || ran.stderr.ends_with(hint);
        let is_left = !(sandbox.left().is_empty() && sandbox.leases().is_empty());
        assert_eq!(says_so, is_left, "{limit}: {ran:?}");
        sandbox.tmpx(["cleanup", "-q"]).succeeds();
    }
}

#[test]
fn a_program_on_a_filesystem_without_programs_is_explained() {
    if !skip_unless(is_root(), "root") || !has("unshare") {
        return;
    }
    let sandbox = Sandbox::new();
    let script =
        "mkdir m; mount -t tmpfs -o noexec x m; echo true >m/run; chmod +x m/run; tmpx exec m/run";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script]);
    let message = "tmpx: could not run m/run: Permission denied\n\
                   hint: its filesystem is mounted noexec; a script can be passed to its interpreter\n";
    sandbox.command(command).expects(126, "", message);
}

#[test]
fn a_file_that_fuse_keeps_because_it_is_open_is_explained() {
    let has_fuse = std::path::Path::new("/dev/fuse").exists();
    if !skip_unless(is_root() && has_fuse, "FUSE")
        || !["bindfs", "strace", "unshare"].into_iter().all(has)
    {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "mkdir a m; bindfs a m; dir=$(tmpx dir -p m); echo x >$dir/f; \
                  tail -f $dir/f >/dev/null & until [ -e /proc/$!/fd/3 ]; do :; done; \
                  strace -qq -f -o trace -e trace=getdents64 tmpx cleanup $dir; kill $!; \
                  wait $! 2>/dev/null; tmpx cleanup --all --force -q; umount m; \
                  [ $(wc -l <trace) -lt 20 ] || wc -l trace; rm -r a m trace";
    let mut command = Command::new("unshare");
    command.args(["-m", "bash", "-c", script]);
    let ran = sandbox.command(command).run();
    let why = "a process has a file in it open, which this filesystem keeps as .fuse_hidden*";
    assert!(ran.stderr.contains(&format!("$ROOT/cwd/m/tmp.RANDOM: {why}\n")), "{ran:?}");
    // Without the file, reading the directory again is of no use.
    assert_eq!(ran.stdout, "");
}

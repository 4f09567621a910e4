//! Temp dirs that cannot be used, or whose path means something else to every process.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::sandbox::{Sandbox, is_root, names, skip_unless, words};

/// Creates a directory that belongs to root, with this mode.
fn foreign(sandbox: &Sandbox, mode: u32) -> std::path::PathBuf {
    let dir = sandbox.root().join("foreign");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
    dir
}

/// A login session of another user leaves its TMPDIR behind in su(1) or sudo(8).
#[test]
fn a_temp_dir_of_another_user_is_passed_over() {
    if !skip_unless(is_root(), "root") {
        return;
    }
    for mode in [0o700, 0o711, 0o755] {
        let sandbox = Sandbox::for_nobody();
        let foreign = foreign(&sandbox, mode);
        for args in ["file", "dir", "file --count 3", "file --name n", "dir --name d", "workspace"]
        {
            let run = sandbox.tmpx(words(args)).env("TMPDIR", &foreign).env("TMP", sandbox.tmp());
            let ran = run.by_nobody().run();
            let ignored = "tmpx: ignoring TMPDIR=$ROOT/foreign: Permission denied\n";
            assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ignored), "{args}: {ran:?}");
            assert!(ran.stdout.starts_with("$ROOT/tmp/"), "{args}: {ran:?}");
        }
        let run = sandbox.tmpx(words("exec -- pwd")).env("TMPDIR", &foreign);
        let ran = run.env("TMP", sandbox.tmp()).by_nobody().run();
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "$ROOT/tmp/tmp.RANDOM\n"));
        sandbox.tmpx(words("cleanup --all -q")).by_nobody().succeeds();
    }
}

#[test]
fn what_a_named_directory_refuses_leaves_no_lease_and_is_no_leftover() {
    if !skip_unless(is_root(), "root") {
        return;
    }
    let sandbox = Sandbox::for_nobody();
    let foreign = foreign(&sandbox, 0o700);
    for (args, kind) in [("file", "file"), ("dir", "directory"), ("file --name n", "file")] {
        let mut args = words(args);
        args.extend(["-p".into(), foreign.clone().into_os_string()]);
        let message =
            format!("tmpx: could not create {kind} in $ROOT/foreign: Permission denied\n");
        sandbox.tmpx(&args).by_nobody().expects(1, "", &message);
        assert_eq!(sandbox.leases(), Vec::<String>::new());
    }
    let script = "tmpx exec --out made:../foreign/ -- touch made";
    let ran = sandbox.sh(script).by_nobody().run();
    assert!(ran.stderr.contains("Permission denied"), "{ran:?}");
    // The workspace with the result is kept, and nothing else.
    assert_eq!(sandbox.left().len(), 1);
    sandbox.tmpx(words("cleanup --all -q")).by_nobody().succeeds();
}

#[test]
fn a_path_through_proc_self_is_not_passed_on() {
    let sandbox = Sandbox::new();
    let script = "export TMPDIR=/proc/self/cwd; cd ../tmp; \
                  tmpx exec -- sh -c 'mktemp -u; echo $TMPX_WORKSPACE $TMPDIR; mktemp -d >/dev/null'; \
                  tmpx exec --here -- sh -c 'ls -d $TMPDIR $TMPX_WORKSPACE'; \
                  (cd /; ls -d $(cd $OLDPWD; tmpx file; tmpx dir))";
    let ran = sandbox.sh(script).succeeds();
    assert!(!ran.stdout.contains("/proc"), "{ran:?}");
    sandbox.tmpx(words("cleanup --all -q")).succeeds();
}

/// As in Python, TMPDIR is made absolute by its text alone. A path on the command line leads where it leads
/// other programs.
#[test]
fn two_dots_after_a_symlink_lead_elsewhere_in_tmpdir_than_on_the_command_line() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.cwd().join("far/away")).unwrap();
    std::os::unix::fs::symlink("far/away", sandbox.cwd().join("l")).unwrap();
    let far = sandbox.cwd().join("far");
    for args in ["file", "dir", "workspace"] {
        let path = sandbox.tmpx(words(&format!("{args} -p l/.."))).path();
        assert_eq!(path.parent().unwrap(), sandbox.cwd().join("l/.."), "{args}");
        assert_eq!(path.parent().unwrap().canonicalize().unwrap(), far, "{args}");
        let path = sandbox.tmpx([args]).env("TMPDIR", "l/..").path();
        assert_eq!(path.parent().unwrap(), sandbox.cwd(), "{args}");
        sandbox.clean_up();
        assert_eq!(names(&far), ["away"], "{args}");
        assert_eq!(names(&sandbox.cwd()), ["far", "l"], "{args}");
    }
}

//! `tmpx exec --out` when the command, somebody else, or what lies at the target is against it.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, symlink};

use crate::support::sandbox::{KEPT, Ran, Sandbox, names, words};

fn exec(sandbox: &Sandbox, options: &str, script: &str) -> Ran {
    let args = words(&format!("exec {options} -- sh -c"));
    sandbox.tmpx(args.into_iter().chain([script.into()])).run()
}

#[test]
fn what_lies_in_a_directory_that_does_not_let_us_in_is_saved_too() {
    let sandbox = Sandbox::for_nobody();
    for (options, script, saved) in [
        ("--out-always *:got/", "echo precious > x; chmod 0300 .", "x"),
        (
            "--out **/*.txt:got/",
            "mkdir res; echo > res/a.txt; echo > b.txt; chmod 0300 res",
            "b.txt res",
        ),
        ("--out res/x:got/", "mkdir res; echo > res/x; chmod 0 res", "x"),
    ] {
        let args = words(&format!("exec {options} -- sh -c"));
        let run = sandbox.tmpx(args.into_iter().chain([script.into()])).by_nobody();
        run.gives(0, "", "");
        assert_eq!(names(&sandbox.cwd().join("got")).join(" "), saved, "{options}");
        fs::remove_dir_all(sandbox.cwd().join("got")).unwrap();
    }
}

#[test]
fn what_is_no_file_is_neither_saved_nor_replaced() {
    let sandbox = Sandbox::new();
    let ran = exec(&sandbox, "--out f", "mkfifo f");
    let message = format!("tmpx: f is neither file, directory nor symlink\n{KEPT}");
    assert_eq!((ran.status, ran.stderr), (Some(125), message));
    sandbox.clean_up();

    let fifo = sandbox.cwd().join("fifo");
    sandbox.sh("mkfifo fifo").succeeds();
    symlink("/proc/self/fd/1", sandbox.cwd().join("stdout")).unwrap();
    symlink("fifo", sandbox.cwd().join("link")).unwrap();
    for target in ["fifo", "stdout", "link"] {
        let ran = exec(&sandbox, &format!("--out x:{target}"), "echo > x");
        let message =
            format!("tmpx: could not save $ROOT/cwd/{target}: it is no regular file\n{KEPT}");
        assert_eq!((ran.status, ran.stderr), (Some(125), message));
        sandbox.clean_up();
    }
    assert!(fs::metadata(fifo).unwrap().file_type().is_fifo());
    assert_eq!(names(&sandbox.cwd()), ["fifo", "link", "stdout"]);
}

#[test]
fn a_link_that_was_saved_in_one_run_leads_nowhere_in_the_next() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.cwd().join("victim")).unwrap();
    let plant = format!("ln -s {} d", sandbox.cwd().join("victim").display());
    assert_eq!(exec(&sandbox, "--out *:results/", &plant).status, Some(0));
    let ran = exec(&sandbox, "--out *:results/", "mkdir d; echo > d/x");
    let message = format!(
        "tmpx: could not save $ROOT/cwd/results/d: $ROOT/cwd/results/d is no directory\n{KEPT}"
    );
    assert_eq!((ran.status, ran.stderr), (Some(125), message));
    assert_eq!(names(&sandbox.cwd().join("victim")), Vec::<String>::new());
    sandbox.clean_up();
    // The directory that the user names may be a link.
    symlink("victim", sandbox.cwd().join("mine")).unwrap();
    assert_eq!(exec(&sandbox, "--out *:mine/", "mkdir d; echo > d/x").status, Some(0));
    assert_eq!(names(&sandbox.cwd().join("victim/d")), ["x"]);
}

#[test]
fn outputs_come_from_the_workspace_whatever_has_its_path() {
    let sandbox = Sandbox::new();
    let secret = sandbox.root().join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("shadow"), "secret").unwrap();
    let swap = format!(
        "echo mine > result; mv $TMPX_WORKSPACE $TMPDIR/../../moved; ln -s {} $TMPX_WORKSPACE",
        secret.display()
    );
    let ran = exec(&sandbox, "--out *:got/", &swap);
    assert_eq!(names(&sandbox.cwd().join("got")), ["result"], "{ran:?}");
    assert_eq!(fs::read(secret.join("shadow")).unwrap(), b"secret");
    sandbox.sh("rm -rf $TMPDIR/moved $TMPDIR/tmp.*").succeeds();
    sandbox.clean_up();
}

#[test]
fn a_straggler_cannot_lead_a_save_out_of_the_workspace() {
    let sandbox = Sandbox::new();
    let secret = sandbox.root().join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("f"), "secret").unwrap();
    let script = format!(
        "mkdir d e; echo plain > d/f; ln -s {} e/d; \
         while :; do mv d x; mv e/d d; mv d e/d; mv x d; done >/dev/null 2>&1 &",
        secret.display()
    );
    for _ in 0..20 {
        let ran = exec(&sandbox, "--out-always d/f:got/", &script);
        let pid = ran.stderr.lines().find_map(|line| {
            line.strip_prefix("tmpx: still running: sh (process ")?.strip_suffix(')')
        });
        if let Some(pid) = pid {
            sandbox.sh(&format!("kill -9 {pid}")).run();
        }
        let got = fs::read_to_string(sandbox.cwd().join("got/f")).unwrap_or_default();
        assert_ne!(got, "secret", "{ran:?}");
        sandbox.sh("rm -rf got").succeeds();
        sandbox.clean_up();
    }
    sandbox.sh("rm -rf $TMPDIR/*").succeeds();
}

#[test]
fn a_signal_ends_a_save_and_the_results_stay_in_the_workspace() {
    let sandbox = Sandbox::new();
    // What is left running asks tmpx to end when the first copy is there, under its hidden name.
    let script = "for n in $(seq 5000); do echo > $n; done; (until set -- \"$OLDPWD\"/got/.tmpx.*; \
                  [ -e \"$1\" ]; do :; done; kill -TERM $PPID) >/dev/null 2>&1 &";
    let ran = exec(&sandbox, "--out *:got/", script);
    assert_eq!(ran.signal, Some(15), "{ran:?}");
    assert!(ran.stderr.contains(KEPT), "{ran:?}");
    assert_eq!(names(&sandbox.cwd()), Vec::<String>::new());
    let kept = sandbox.tmp().join(&sandbox.left()[0]);
    assert_eq!(names(&kept).len(), 5001);
    sandbox.clean_up();
}

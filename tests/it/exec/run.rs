//! `tmpx exec`: the workspace and the status.

use std::fs;

use crate::support::sandbox::{KEPT, Sandbox, names, words};

#[test]
fn exec_copies_inputs_runs_the_command_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("README.md"), "five words are in here\n").unwrap();
    let script = "wc -w README.md > count; cat count";
    let args = ["exec", "--in", "README.md", "--", "sh", "-c", script];
    sandbox.tmpx(args).expects(0, "5 README.md\n", "");
    assert_eq!(names(&sandbox.cwd()), ["README.md"]);
}

#[test]
fn the_workspace_is_private_and_empty_and_the_working_directory() {
    let sandbox = Sandbox::new();
    let script = "pwd; stat -c %a . .tmp; ls; echo $PWD; echo $OLDPWD; echo $TMPX_WORKSPACE; \
                  echo $TMPDIR; cd $OLDPWD; pwd";
    let ran = sandbox.tmpx(["exec", "sh", "-c", script]).succeeds();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let workspace = "$ROOT/tmp/tmp.RANDOM";
    assert_eq!(
        lines,
        [
            workspace,
            "700",
            "700",
            workspace,
            "$ROOT/cwd",
            workspace,
            "$ROOT/tmp/tmp.RANDOM/.tmp",
            "$ROOT/cwd"
        ]
    );
}

#[test]
fn here_runs_the_command_in_the_callers_directory() {
    let sandbox = Sandbox::new();
    let script = "pwd; echo \"[$OLDPWD]\"; ls -d $TMPX_WORKSPACE $TMPDIR";
    let ran = sandbox.tmpx(["exec", "--here", "sh", "-c", script]).succeeds();
    assert_eq!(ran.stdout, "$ROOT/cwd\n[]\n$ROOT/tmp/tmp.RANDOM\n$ROOT/tmp/tmp.RANDOM/.tmp\n");
}

#[test]
fn the_commands_status_is_passed_on() {
    let sandbox = Sandbox::new();
    for status in [0, 1, 7, 125, 255] {
        let script = format!("exit {status}");
        sandbox.tmpx(["exec", "--", "sh", "-c", &script]).expects(status, "", "");
    }
}

#[test]
fn tmpx_dies_by_the_signal_that_kills_the_command() {
    let sandbox = Sandbox::new();
    for signal in [1, 2, 3, 6, 9, 11, 13, 15] {
        let ran = sandbox.tmpx(["exec", "sh", "-c", &format!("kill -{signal} $$")]).run();
        assert_eq!((ran.signal, ran.stderr.as_str()), (Some(signal), ""), "{ran:?}");
    }
}

#[test]
fn a_failure_of_tmpx_exits_with_125_and_bad_usage_with_2() {
    let sandbox = Sandbox::new();
    let message = "tmpx: --in nosuch: No such file or directory\n";
    sandbox.tmpx(words("exec --in nosuch true")).expects(125, "", message);
    let message = "tmpx: could not create directory in /nodir: No such file or directory\n\
         hint: create it first: mkdir -p /nodir\n";
    sandbox.tmpx(words("exec -p /nodir true")).expects(125, "", message);
    let message = "tmpx: --mkdir ../x: must be a path inside the workspace, without ..\n";
    sandbox.tmpx(words("exec --mkdir ../x true")).expects(2, "", message);
    let message =
        "tmpx: --out /etc/passwd: must be a relative path inside the workspace, without ..\n";
    sandbox.tmpx(words("exec --out /etc/passwd true")).expects(2, "", message);
}

#[test]
fn keep_makes_the_workspace_manual_and_prints_its_path() {
    let sandbox = Sandbox::new();
    let ran = sandbox.tmpx(words("exec --keep -- touch made")).run();
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), KEPT));
    let kept = sandbox.tmp().join(&sandbox.left()[0]);
    assert_eq!(names(&kept), [".tmp", "made"]);
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
    assert!(kept.exists(), "manual");
    sandbox.tmpx(words("cleanup -q --all")).succeeds();
    for (when, command, stays) in
        [("on-failure", "false", 1), ("on-failure", "true", 0), ("always", "true", 1)]
    {
        sandbox.tmpx(["exec", &format!("--keep={when}"), command]).run();
        assert_eq!(sandbox.left().len(), stays, "{when} {command}");
        sandbox.clean_up();
    }
}

#[test]
fn exec_has_the_place_and_session_options_of_dir() {
    let sandbox = Sandbox::new();
    let script = "echo $TMPX_WORKSPACE; stat -c %a $TMPX_WORKSPACE; tmpx list --json --session s";
    let args = words("exec -p . --prefix job- -s -end -m 750 --session s -- sh -c");
    let ran = sandbox.tmpx(args.into_iter().chain([script.into()])).succeeds();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("$ROOT/cwd/job-") && lines[0].ends_with("-end"), "{ran:?}");
    assert_eq!(lines[1], "750");
    assert_eq!(lines.len(), 3);
    assert_eq!(names(&sandbox.cwd()), Vec::<String>::new());
}

#[test]
fn resources_in_the_workspace_are_removed_with_it() {
    let sandbox = Sandbox::new();
    let script = "tmpx file; tmpx dir; mktemp; tmpx exec touch x";
    let ran = sandbox.tmpx(["exec", "sh", "-c", script]).succeeds();
    assert!(ran.stdout.lines().all(|path| path.starts_with("$ROOT/tmp/tmp.RANDOM/.tmp/")));
    assert_eq!(sandbox.left(), Vec::<String>::new());
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
}

#[test]
fn a_command_may_remove_its_workspace_itself() {
    let sandbox = Sandbox::new();
    sandbox.tmpx(["exec", "sh", "-c", "rm -rf $TMPX_WORKSPACE"]).expects(0, "", "");
}

#[test]
fn a_workspace_with_unreadable_directories_is_removed() {
    let sandbox = Sandbox::for_nobody();
    let script = "mkdir -p a/b/c; touch a/b/c/d; chmod 000 a/b/c; chmod 555 a/b; chmod 0 a .";
    sandbox.tmpx(["exec", "sh", "-c", script]).by_nobody().expects(0, "", "");
}

//! Several jobs of one user at a time: none removes the resources of another live script.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;

use crate::support::sandbox::{Sandbox, has, words};

/// Starts a script that creates a resource, prints its path, and lives until its stdin is closed.
fn living_job(sandbox: &Sandbox, create: &str) -> (std::process::Child, String) {
    let script = format!("{create}; read wait; echo $(ls -d $f)");
    let mut job = sandbox.sh(&script).spawn();
    let mut line = String::new();
    BufReader::new(job.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (job, line.trim_end().to_owned())
}

fn finish(mut job: std::process::Child) -> String {
    job.stdin.take().unwrap().write_all(b"\n").unwrap();
    let mut rest = String::new();
    job.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
    assert!(job.wait().unwrap().success());
    rest.trim_end().to_owned()
}

#[test]
fn a_broad_cleanup_keeps_resources_of_another_living_script() {
    for cleanup in ["cleanup --all", "cleanup --older-than 0"] {
        let sandbox = Sandbox::new();
        let (job, path) = living_job(&sandbox, "f=$(tmpx file); echo $f");
        let ran = sandbox.tmpx(words(cleanup)).run();
        assert!(Path::new(&path).exists(), "{ran:?}");
        let expected = format!(
            "tmpx: kept $ROOT/tmp/tmp.RANDOM: created by sh ({}), which still runs\n\
             tmpx: removed 0, kept 1 of another job\n\
             hint: if no other job runs: tmpx {}\n",
            job.id(),
            cleanup.replace("cleanup", "cleanup --other-jobs"),
        );
        assert_eq!((ran.status, ran.stderr), (Some(0), expected));
        assert_eq!(finish(job), path, "it was there to the end");
        sandbox.tmpx(words(cleanup)).run();
        assert!(!Path::new(&path).exists(), "{cleanup}: the job is over");
    }
}

#[test]
fn a_session_and_other_jobs_together_remove_what_other_living_scripts_created_in_the_session() {
    let sandbox = Sandbox::new();
    let (job, path) =
        living_job(&sandbox, "f=$(tmpx file --session s); tmpx file >/dev/null; echo $f");
    let removed = "tmpx: removed 1 (0 B)\n";
    sandbox.tmpx(words("cleanup --other-jobs --session s")).expects(
        0,
        "$ROOT/tmp/tmp.RANDOM\n",
        removed,
    );
    assert!(!Path::new(&path).exists());
    let (other, path) = living_job(&sandbox, "f=$(tmpx file); echo $f");
    let ran = sandbox.tmpx(words("cleanup --other-jobs --older-than 0 -q")).run();
    assert!(!Path::new(&path).exists(), "{ran:?}");
    drop((job, other));
}

#[test]
fn many_kept_resources_of_one_owner_are_reported_in_one_line() {
    let sandbox = Sandbox::new();
    let (job, _) = living_job(&sandbox, "f=$(tmpx file --count 204 | tail -n 1); echo $f");
    let expected = format!(
        "tmpx: kept 204: created by sh ({}), which still runs\n\
         tmpx: removed 0, kept 204 of another job\n\
         hint: if no other job runs: tmpx cleanup --other-jobs --all\n",
        job.id(),
    );
    sandbox.tmpx(words("cleanup --all")).expects(0, "", &expected);
    sandbox.tmpx(words("cleanup --all -q")).expects(0, "", "");
    let ran = sandbox.tmpx(words("cleanup --other-jobs --all")).run();
    assert_eq!(ran.stdout.lines().count(), 204, "the hint does what it says: {ran:?}");
    drop(job.stdin);
}

#[test]
fn many_live_resources_of_one_owner_are_reported_in_one_line() {
    let sandbox = Sandbox::new();
    let create = "f=$(tmpx file --until-exit=$$ --count 204 | tail -n 1); echo $f";
    let (job, _) = living_job(&sandbox, create);
    let totals = "tmpx: removed 0, kept 204 live\n";
    let expected = format!(
        "tmpx: kept 204: live until sh ({}) exits\n{totals}\
         hint: tmpx cleanup --force --all removes what is live too\n",
        job.id(),
    );
    sandbox.tmpx(words("cleanup --all")).expects(0, "", &expected);
    sandbox.tmpx(words("cleanup --all -q")).expects(0, "", "");
    sandbox.tmpx(["cleanup"]).expects(0, "", totals);
    finish(job);
    sandbox.tmpx(words("cleanup -q")).succeeds();
}

#[test]
fn a_script_removes_its_own_resources_with_a_broad_cleanup() {
    let sandbox = Sandbox::new();
    let script = "f=$(tmpx file); g=$(tmpx dir); tmpx cleanup --all -q; ls $TMPDIR";
    sandbox.sh(script).expects(0, "", "");
}

#[test]
fn a_session_a_path_or_force_reaches_another_job() {
    for cleanup in ["cleanup -q --session s", "cleanup -q PATH", "cleanup -q --all --force"] {
        let sandbox = Sandbox::new();
        let (job, path) = living_job(&sandbox, "f=$(tmpx file --session s); echo $f");
        sandbox.tmpx(words(&cleanup.replace("PATH", &path))).succeeds();
        assert!(!Path::new(&path).exists(), "{cleanup}");
        drop(job.stdin);
    }
}

#[test]
fn a_state_directory_of_its_own_isolates_a_job() {
    let sandbox = Sandbox::new();
    let state = sandbox.cwd().join("state");
    let path = sandbox.tmpx(["file"]).env("TMPX_STATE_DIR", &state).path();
    sandbox.tmpx(words("cleanup --all --force")).expects(0, "", "tmpx: removed 0\n");
    assert!(path.exists());
    sandbox.tmpx(words("cleanup --all -q")).env("TMPX_STATE_DIR", &state).succeeds();
    assert!(!path.exists());
}

/// The ways in which shells run a command. In each, the caller must be the script and not a
/// subshell.
const IDIOMS: [&str; 9] = [
    "f=$(tmpx file)",
    "f=$(tmpx file | cat)",
    "f=$(tmpx file || exit)",
    "f=$(FOO=1 tmpx file 2>/dev/null)",
    "m() { tmpx file; }; f=$(m)",
    "m() { ( f=$(tmpx file); echo $f ); }; f=$(m)",
    "f=$(timeout 5 tmpx file)",
    "f=$(nice tmpx file)",
    "tmpx file > made; f=$(cat made)",
];

#[test]
fn in_every_shell_and_idiom_the_script_is_the_caller_and_the_owner() {
    let shells: Vec<&str> = ["bash", "dash", "zsh", "busybox ash"]
        .into_iter()
        .filter(|shell| has(shell.split(' ').next().unwrap()))
        .collect();
    assert!(!shells.is_empty());
    for shell in shells {
        for idiom in IDIOMS {
            let sandbox = Sandbox::new();
            let idiom = idiom.replace("tmpx file", "tmpx file --until-exit");
            let script =
                format!("{idiom}\ntmpx cleanup -q; echo $$ $f; tmpx list --json; ls $f\n:");
            let ran = sandbox.shell(shell, &script).succeeds();
            let mut lines = ran.raw.lines();
            let (pid, path) = lines.next().unwrap().split_once(' ').unwrap();
            let listed: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
            assert_eq!(listed["caller"].to_string(), pid, "{shell}: {idiom}");
            assert_eq!(listed["owner"].to_string(), pid, "{shell}: {idiom}");
            assert_eq!(lines.next(), Some(path), "{shell}: {idiom}: it was removed");
            sandbox.tmpx(["cleanup", "-q"]).succeeds();
            assert!(!Path::new(path).exists(), "{shell}: {idiom}: it is still there");
        }
    }
}

#[test]
fn a_script_that_runs_itself_and_a_sourced_file_are_callers() {
    let sandbox = Sandbox::new();
    let script = "#!/bin/sh\nif [ $# = 0 ]; then sh ./self inner; exit; fi\n\
                  f=$(tmpx file); echo $$ $f\n";
    std::fs::write(sandbox.cwd().join("self"), script).unwrap();
    std::fs::write(sandbox.cwd().join("lib"), "f=$(tmpx file)\n").unwrap();
    for start in ["sh ./self", ". ./lib; echo $$ $f"] {
        let ran = sandbox.sh(&format!("{start}\n:")).succeeds();
        let (pid, _) = ran.raw.trim_end().split_once(' ').unwrap();
        let listed = sandbox.tmpx(words("list --json")).succeeds().json();
        assert_eq!(listed[0]["caller"].to_string(), pid, "{start}");
        sandbox.clean_up();
    }
}

#[test]
fn a_script_that_execs_the_cleanup_is_not_another_job() {
    let sandbox = Sandbox::new();
    // bash calls exec(2) for its last command.
    let ran = sandbox.shell("bash", "tmpx dir; exec tmpx cleanup --all -q").succeeds();
    assert_eq!(ran.stdout, "$ROOT/tmp/tmp.RANDOM\n");
}

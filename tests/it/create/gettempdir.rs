//! `tmpx gettempdir`: Python's rules.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::sandbox::{Sandbox, has, words};

#[test]
fn the_first_usable_variable_wins() {
    let sandbox = Sandbox::new();
    sandbox.tmpx(["gettempdir"]).expects(0, "$ROOT/tmp\n", "");
    let run = |vars: &[(&str, &str)]| {
        let start = sandbox.tmpx(["gettempdir"]).without("TMPDIR");
        vars.iter().fold(start, |run, &(name, value)| run.env(name, value)).succeeds().stdout
    };
    let (tmp, home) = (sandbox.tmp(), sandbox.home());
    let (tmp, home) = (tmp.to_str().unwrap(), home.to_str().unwrap());
    assert_eq!(run(&[("TMPDIR", ""), ("TEMP", tmp), ("TMP", home)]), "$ROOT/tmp\n");
    assert_eq!(run(&[("TMPDIR", "/nodir"), ("TMP", home)]), "$ROOT/home\n");
    assert_eq!(run(&[]), "/tmp\n");
    assert_eq!(run(&[("TMPDIR", "../tmp/./")]), "$ROOT/tmp\n");
}

#[test]
fn an_unwritable_directory_is_skipped() {
    let sandbox = Sandbox::for_nobody();
    let locked = sandbox.root().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    let run = sandbox.tmpx(["gettempdir"]).env("TMPDIR", &locked).env("TEMP", sandbox.tmp());
    run.by_nobody().expects(0, "$ROOT/tmp\n", "");
}

#[test]
fn all_shows_every_candidate_and_why_it_was_skipped() {
    let sandbox = Sandbox::new();
    let all =
        sandbox.tmpx(words("gettempdir --all")).env("TMPDIR", "/nodir").env("TMP", sandbox.tmp());
    let ran = all.succeeds();
    let lines: Vec<Vec<&str>> =
        ran.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..3], ["/nodir", "TMPDIR", "No"]);
    assert_eq!(lines[1], ["$ROOT/tmp", "TMP", "chosen"]);
    assert_eq!(lines[2], ["/tmp", "-", "usable"]);
    let json = sandbox.tmpx(words("gettempdir --all --json")).succeeds().json();
    assert_eq!(json[0]["variable"], "TMPDIR");
    assert_eq!(json[0]["chosen"], true);
    assert_eq!(json[1]["usable"], true);
}

#[test]
fn the_columns_of_all_are_aligned_whatever_the_paths_are() {
    let sandbox = Sandbox::new();
    let long = sandbox.tmp().join("a-directory-with-a-long-name/\u{6f22}\u{5b57}");
    fs::create_dir_all(&long).unwrap();
    let ran = sandbox.tmpx(words("gettempdir --all")).env("TMPDIR", &long).succeeds();
    let rows: Vec<&str> = ran.raw.lines().collect();
    // Both characters take two columns.
    let first = rows[0].find("  TMPDIR  chosen").expect(&ran.raw) - 2;
    for row in &rows[1..4] {
        assert_eq!(row.find("  -       "), Some(first), "{}", ran.raw);
    }
    fs::remove_dir_all(sandbox.tmp().join("a-directory-with-a-long-name")).unwrap();
}

#[test]
fn the_probe_leaves_nothing() {
    let sandbox = Sandbox::new();
    sandbox.tmpx(words("gettempdir --all")).succeeds();
    assert!(sandbox.left().is_empty());
    assert!(sandbox.leases().is_empty());
}

#[test]
fn it_agrees_with_python() {
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let python = "python3 -c 'import tempfile; print(tempfile.gettempdir())'";
    for vars in ["TMPDIR=", "TMPDIR=/nodir TEMP=./", "TMPDIR= TMP=../home/../tmp", "TEMP=/dev/null"]
    {
        let of = |command: &str| sandbox.sh(&format!("{vars} {command}")).succeeds().stdout;
        assert_eq!(of("tmpx gettempdir"), of(python), "{vars}");
    }
}

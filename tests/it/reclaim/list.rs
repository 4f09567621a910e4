//! `tmpx list`: the resources and their states.

use std::fs;

use crate::support::lease::edit;
use crate::support::sandbox::{Sandbox, has, words};

#[test]
fn an_empty_list_prints_nothing_to_a_pipe() {
    let sandbox = Sandbox::new();
    sandbox.tmpx(["list"]).expects(0, "", "");
}

#[test]
fn a_pipe_gets_only_the_paths() {
    let sandbox = Sandbox::new();
    let path = sandbox.file();
    let ran = sandbox.tmpx(["list"]).succeeds();
    assert_eq!(ran.raw, format!("{}\n", path.display()));
    let ran = sandbox.tmpx(words("list -0")).succeeds();
    assert_eq!(ran.raw, format!("{}\0", path.display()));
    sandbox.clean_up();
}

#[test]
fn json_has_state_age_owner_and_size() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.file(), vec![b'x'; 4096]).unwrap();
    let listed = sandbox.tmpx(words("list --json")).succeeds().json();
    let one = &listed[0];
    assert_eq!(one["state"], "manual");
    assert_eq!(one["lifetime"], "manual");
    assert_eq!(one["kind"], "file");
    assert_eq!(one["bytes"], 4096);
    assert!(one["age_ms"].as_u64().unwrap() < 60_000);
    assert_eq!(one["owner"], serde_json::Value::Null);
    sandbox.clean_up();
}

#[test]
fn each_state_has_its_word() {
    let sandbox = Sandbox::new();
    let state = || {
        let listed = sandbox.tmpx(words("list --json")).succeeds().json();
        listed.iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let path = sandbox.file();
    assert_eq!(state(), ["manual"]);
    fs::remove_file(&path).unwrap();
    assert_eq!(state(), [""; 0], "what does not exist is not listed");
    sandbox.clean_up();
    sandbox.tmpx(words("file --ttl 0")).path();
    assert_eq!(state(), ["ended"]);
    sandbox.clean_up();
    sandbox.tmpx(words("file --ttl 1h")).path();
    assert_eq!(state(), ["timed"]);
    sandbox.clean_up();
    let live = sandbox.sh("tmpx file --until-exit=$$ >/dev/null; tmpx list --json; exit");
    assert_eq!(live.succeeds().json()[0]["state"], "live");
    sandbox.clean_up();
    let inside = sandbox.tmpx(words("exec -- tmpx list --json")).succeeds().json();
    assert_eq!(inside[0]["state"], "in_use");
    assert_eq!(inside[0]["lifetime"], "command");
}

#[test]
fn a_rewritten_file_is_replaced_only_if_a_cleanup_would_keep_it() {
    let sandbox = Sandbox::new();
    for (args, state) in [("file", "manual"), ("file --name report.csv", "replaced")] {
        let path = sandbox.tmpx(words(args)).path();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        let listed = sandbox.tmpx(words("list --json")).succeeds().json();
        assert_eq!(listed[0]["state"], state, "{args}");
        let ran = sandbox.tmpx(["cleanup"]).run();
        assert!(ran.stderr.contains(&format!("removed 0, kept 1 {state}\n")), "{ran:?}");
        sandbox.tmpx(words("cleanup --all -q")).run();
        assert_eq!(path.exists(), state == "replaced");
        let _ = fs::remove_file(path);
    }
}

#[test]
fn a_selection_narrows_the_list() {
    let sandbox = Sandbox::new();
    sandbox.file();
    let path = sandbox.tmpx(words("file --session s")).path();
    let ran = sandbox.tmpx(words("list --session s")).succeeds();
    assert_eq!(ran.raw, format!("{}\n", path.display()));
    sandbox.tmpx(words("list --older-than 1h")).expects(0, "", "");
    sandbox.clean_up();
}

#[test]
fn a_terminal_gets_a_table() {
    if !has("script") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.tmpx(words("file --session nightly --ttl 2h")).path();
    let ran = sandbox.sh("script -qec 'tmpx list' /dev/null").run();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{ran:?}");
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>(),
        ["STATE", "AGE", "LEFT", "SIZE", "SESSION", "PATH"],
        "nothing has an owner"
    );
    assert_eq!(lines[2], "total 1, 0 B");
    assert!(lines[1].contains("timed") && lines[1].contains("nightly"), "{ran:?}");
    assert!(lines[1].trim_end().ends_with("tmp.RANDOM"), "{ran:?}");
    sandbox.clean_up();
}

#[test]
fn columns_are_aligned_with_wide_and_combining_characters() {
    if !has("script") {
        return;
    }
    let sandbox = Sandbox::new();
    for session in ["日本", "cafe\u{301}", "plain"] {
        sandbox.tmpx(["file", "--session", session]).path();
    }
    let ran = sandbox.sh("script -qec 'tmpx list' /dev/null").run();
    let before = |line: &str| line.split_once("$ROOT").map(|(before, _)| before.to_owned());
    let lines: Vec<String> = ran.stdout.lines().filter_map(before).collect();
    let session = |line: &String| line.split_whitespace().last().map(str::to_owned);
    let padding: Vec<usize> = lines.iter().map(|line| line.len() - line.trim_end().len()).collect();
    assert_eq!(
        lines.iter().filter_map(session).collect::<Vec<_>>(),
        ["日本", "cafe\u{301}", "plain"]
    );
    assert_eq!(padding, [5, 5, 4], "the widest is SESSION, of seven columns: {ran:?}");
    sandbox.clean_up();
}

#[test]
fn a_path_narrows_the_list_and_a_foreign_one_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.file();
    let path = sandbox.file();
    let path = path.to_str().unwrap();
    let ran = sandbox.tmpx(["list", path]).succeeds();
    assert_eq!(ran.raw, format!("{path}\n"));
    fs::write(sandbox.cwd().join("foreign"), "").unwrap();
    let ran = sandbox.tmpx(["list", path, "foreign", "nosuch"]).run();
    assert_eq!((ran.status, ran.raw.as_str()), (Some(1), format!("{path}\n").as_str()));
    let message = "tmpx: foreign: no lease of this user covers it\ntmpx: nosuch: does not exist\n";
    assert_eq!(ran.stderr, message);
    sandbox.clean_up();
}

#[test]
fn the_size_of_a_directory_is_that_of_du() {
    let sandbox = Sandbox::new();
    let dir = sandbox.dir();
    fs::create_dir_all(dir.join("a/b/c")).unwrap();
    fs::write(dir.join("a/file"), vec![b'x'; 10_000]).unwrap();
    let bytes = sandbox.tmpx(words("list --json")).succeeds().json()[0]["bytes"].to_string();
    let du = format!("du -s --block-size=1 {} | cut -f 1", dir.display());
    assert_eq!(sandbox.sh(&du).succeeds().raw.trim_end(), bytes);
    let dry = sandbox.tmpx(words("cleanup --all -n --json -q")).succeeds().json();
    let real = sandbox.tmpx(words("cleanup --all --json -q")).succeeds().json();
    assert_eq!(dry[0]["bytes"].to_string(), bytes);
    assert_eq!(real[0]["bytes"].to_string(), bytes);
}

#[test]
fn listing_never_blocks_a_cleanup() {
    let sandbox = Sandbox::new();
    sandbox.sh("for n in $(seq 30); do tmpx file; done").succeeds();
    let script = "while :; do tmpx list >/dev/null; done & tmpx cleanup --all -q; kill $!";
    sandbox.sh(script).run();
    assert_eq!(sandbox.left(), Vec::<String>::new());
}

#[test]
fn a_lease_from_the_far_future_is_listed() {
    let sandbox = Sandbox::new();
    sandbox.file();
    let lease = sandbox.state().join("leases").join(&sandbox.leases()[0]);
    edit(lease, |record| {
        let (before, rest) = record.split_once("\"wall_ms\":").unwrap();
        let (_, after) = rest.split_once(',').unwrap();
        format!("{before}\"wall_ms\":9999999999999999,{after}")
    });
    let listed = sandbox.tmpx(words("list --json")).succeeds().json();
    assert_eq!(listed[0]["created"], "9999-12-31T23:59:59.999Z");
    sandbox.clean_up();
}

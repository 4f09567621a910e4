//! `tmpx cleanup`: what it removes, keeps and reports.

use std::fs;
use std::path::Path;

use crate::support::lease::seal;
use crate::support::sandbox::{Sandbox, has, words};

const HINT: &str = "hint: tmpx cleanup --all removes manual and timed ones too\n";

#[test]
fn manual_resources_are_kept_until_a_cleanup_selects_them() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.file(), "0123456789").unwrap();
    sandbox.dir();
    let kept = format!("tmpx: removed 0, kept 2 manual\n{HINT}");
    sandbox.tmpx(["cleanup"]).expects(0, "", &kept);
    assert_eq!(sandbox.left().len(), 2);
    let both = "$ROOT/tmp/tmp.RANDOM\n$ROOT/tmp/tmp.RANDOM\n";
    let ran = sandbox.tmpx(words("cleanup --all")).run();
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), both));
    assert!(ran.stderr.starts_with("tmpx: removed 2 ("), "{}", ran.stderr);
}

#[test]
fn a_dry_run_lists_exactly_what_the_real_run_removes() {
    let sandbox = Sandbox::new();
    for n in 0..3 {
        let dir = sandbox.dir();
        fs::create_dir(dir.join("sub")).unwrap();
        fs::write(dir.join("sub/file"), vec![b'x'; n * 5000]).unwrap();
    }
    sandbox.file();
    let count = |summary: &str| summary.split_once("remove").unwrap().1.to_owned();
    let dry = sandbox.tmpx(words("cleanup -n --all")).run();
    assert_eq!(sandbox.left().len(), 4, "nothing has gone yet");
    let json = sandbox.tmpx(words("cleanup -n --all --json -q")).succeeds().json();
    assert!(json.iter().all(|one| one["action"] == "would_remove"));
    let real = sandbox.tmpx(words("cleanup --all")).run();
    assert_eq!(dry.raw, real.raw);
    assert_eq!(count(&dry.stderr).trim_start(), count(&real.stderr).trim_start_matches("d "));
}

/// What a small directory itself occupies.
fn own_blocks(sandbox: &Sandbox) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(&sandbox.cwd().metadata().unwrap()) * 512
}

#[test]
fn json_has_the_freed_bytes() {
    let sandbox = Sandbox::new();
    let dir = sandbox.dir();
    fs::write(dir.join("a"), vec![b'x'; 8192]).unwrap();
    fs::hard_link(dir.join("a"), sandbox.cwd().join("other")).unwrap();
    fs::write(dir.join("b"), vec![b'x'; 8192]).unwrap();
    let json = sandbox.tmpx(words("cleanup --all --json --quiet")).succeeds().json();
    assert_eq!(json[0]["action"], "removed");
    assert_eq!(json[0]["entries"], 3);
    let own_blocks = own_blocks(&sandbox);
    assert_eq!(json[0]["bytes"], 8192 + own_blocks, "what has another link stays on the disk");
}

#[test]
fn a_session_is_removed_as_a_whole_and_nothing_else() {
    let sandbox = Sandbox::new();
    let other = sandbox.file();
    sandbox.tmpx(words("file --session ci")).path();
    sandbox.tmpx(["dir"]).env("TMPX_SESSION", "ci").path();
    let ran = sandbox.tmpx(words("cleanup --session ci")).run();
    assert_eq!(ran.stdout.lines().count(), 2, "{ran:?}");
    assert_eq!(ran.stderr_without_size(), "tmpx: removed 2\n");
    assert_eq!(sandbox.left(), [other.file_name().unwrap().to_str().unwrap()]);
    sandbox.clean_up();
}

#[test]
fn tmpx_session_labels_resources_and_never_narrows_a_cleanup() {
    let sandbox = Sandbox::new();
    sandbox.file();
    sandbox.tmpx(words("cleanup --all -q")).env("TMPX_SESSION", "ci").succeeds();
}

#[test]
fn older_than_compares_the_age_of_the_lease() {
    let sandbox = Sandbox::new();
    sandbox.file();
    sandbox.tmpx(words("cleanup --older-than 1h")).expects(0, "", "tmpx: removed 0\n");
    age(&sandbox, 2 * 3_600_000);
    let ran = sandbox.tmpx(words("cleanup --older-than 1h")).run();
    assert_eq!(ran.stderr, "tmpx: removed 1 (0 B)\n");
}

/// Makes all leases older, as if the machine had restarted since: ages then depend on the wall
/// clock.
fn age(sandbox: &Sandbox, by_ms: u64) {
    for id in sandbox.leases() {
        let path = sandbox.leases_dir().join(id);
        let record = fs::read_to_string(&path).unwrap();
        let after = |key: &str, end: char| {
            let (_, rest) = record.split_once(key).unwrap();
            rest.split_once(end).unwrap().0.to_owned()
        };
        let (boot, wall) = (after("\"boot\":\"", '"'), after("\"wall_ms\":", ','));
        let earlier = wall.parse::<u64>().unwrap() - by_ms;
        let aged = record.replace(&boot, "an-earlier-boot").replace(&wall, &earlier.to_string());
        fs::write(&path, seal(&aged)).unwrap();
    }
}

#[test]
fn a_path_removes_only_that_resource() {
    let sandbox = Sandbox::new();
    let created = sandbox.tmpx(words("file --count 3")).succeeds();
    let paths: Vec<&str> = created.raw.lines().collect();
    let ran = sandbox.tmpx(["cleanup", paths[1]]).run();
    assert_eq!(ran.stderr, "tmpx: removed 1 (0 B)\n");
    assert_eq!(ran.raw, format!("{}\n", paths[1]));
    assert!(Path::new(paths[0]).exists() && !Path::new(paths[1]).exists());
    let name = Path::new(paths[0]).file_name().unwrap();
    sandbox
        .tmpx([Path::new("cleanup"), Path::new("-q"), Path::new(name)])
        .cwd(sandbox.tmp())
        .succeeds();
    sandbox.tmpx(["cleanup", "-q", paths[2]]).succeeds();
}

/// Creates resources, and removes them all by their paths. Returns how many system calls that takes.
fn calls_to_remove(create: &str) -> u64 {
    let sandbox = Sandbox::in_memory();
    let script =
        format!("{create} >made; strace -qq -o trace tmpx cleanup -q $(cat made); wc -l <trace");
    let ran = sandbox.sh(&script).succeeds();
    ran.stdout.trim().parse().unwrap()
}

#[test]
fn a_cleanup_of_ten_times_the_paths_takes_no_more_system_calls_for_each() {
    if !has("strace") {
        return;
    }
    for (create, most) in
        [("tmpx file --count N", 1000), ("for i in $(seq N); do tmpx file; done", 200)]
    {
        let calls = |paths: u64| calls_to_remove(&create.replace('N', &paths.to_string()));
        let [few, some, many] = [most / 100, most / 10, most].map(calls);
        let (first, second) = (some - few, many - some);
        // Ten times the difference, and a little more for longer lists of names.
        assert!(second < first * 11, "{create}: {few}, {some}, {many}");
    }
}

#[test]
fn what_is_gone_already_is_no_failure() {
    let sandbox = Sandbox::new();
    let path = sandbox.file();
    fs::remove_file(&path).unwrap();
    let path = path.to_str().unwrap();
    let message = "tmpx: nothing to remove: $ROOT/tmp/tmp.RANDOM does not exist\ntmpx: removed 0\n";
    sandbox.tmpx(["cleanup", path]).expects(0, "", message);
    sandbox.tmpx(["cleanup", "--force", path]).expects(0, "", message);
    sandbox.tmpx(["cleanup", "--quiet", path, "nosuch"]).expects(0, "", "");
}

#[test]
fn a_session_without_resources_is_named() {
    let sandbox = Sandbox::new();
    sandbox.tmpx(words("file --session nightly")).path();
    let message = "tmpx: no resources in session nigthly\n";
    sandbox.tmpx(words("cleanup --session nigthly")).expects(0, "", message);
    sandbox.tmpx(words("cleanup -q --session nigthly")).expects(0, "", "");
    let nothing = "tmpx: removed 0\n";
    sandbox.tmpx(words("cleanup --session nightly --older-than 1h")).expects(0, "", nothing);
    sandbox.tmpx(words("cleanup -q --session nightly")).succeeds();
}

#[test]
fn quiet_prints_nothing() {
    let sandbox = Sandbox::new();
    sandbox.file();
    sandbox.tmpx(words("cleanup -q")).expects(0, "", "");
    sandbox.tmpx(words("cleanup --all -q")).expects(0, "", "");
}

#[test]
fn a_timed_resource_is_kept_until_its_time_or_a_selection() {
    let sandbox = Sandbox::new();
    let path = sandbox.tmpx(words("file --ttl 1h")).path();
    let ran = sandbox.tmpx(["cleanup"]).run();
    assert_eq!(ran.stderr, format!("tmpx: removed 0, kept 1 timed\n{HINT}"));
    sandbox.tmpx(words("cleanup --all -q")).succeeds();
    assert!(!path.exists());
}

#[test]
fn hidden_names_are_not_counted_after_their_rename() {
    let sandbox = Sandbox::new();
    let args = ["exec", "--keep", "--out", "?:saved/", "--", "sh", "-c", "touch a b c"];
    assert_eq!(sandbox.tmpx(args).run().status, Some(0));
    let message = "tmpx: removed 0, kept 1 manual\n\
                   hint: tmpx cleanup --all removes manual and timed ones too\n";
    sandbox.tmpx(["cleanup"]).expects(0, "", message);
    sandbox.clean_up();
}

#[test]
fn a_name_cannot_control_the_terminal() {
    let sandbox = Sandbox::new();
    let ran = sandbox.tmpx(["cleanup", "\u{1b}[31mred\n"]).run();
    assert!(ran.stderr.starts_with("tmpx: nothing to remove: \\u{1b}[31mred\\n "), "{ran:?}");
    let listed = sandbox.tmpx(["file", "--name", "\u{1b}[31m", "--ttl", "0"]).run();
    assert_eq!(listed.status, Some(0));
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
}

//! Values under keys of the user's own: set, get, clear and list.

use super::fixture::{age, count, entry, files, printed, runs, store};
use crate::support::sandbox::Sandbox;

fn set(sandbox: &Sandbox, key: &str, value: impl Into<Vec<u8>>) {
    sandbox.tmpx(["cache", "set", key]).input(value).expects(0, "", "");
}

#[test]
fn get_prints_what_set_stored() {
    let sandbox = Sandbox::new();
    sandbox.tmpx(["cache", "get", "k"]).expects(1, "", "");
    set(&sandbox, "k", "one\0two");
    sandbox.tmpx(["cache", "get", "k"]).expects(0, "one\0two", "");
    set(&sandbox, "k", "");
    sandbox.tmpx(["cache", "get", "k"]).expects(0, "", "");
    set(&sandbox, "k", "x".repeat(3_000_000));
    assert_eq!(sandbox.tmpx(["cache", "get", "k"]).succeeds().raw.len(), 3_000_000);
    sandbox.tmpx(["cache", "get", "K"]).expects(1, "", "");
    assert_eq!(files(&sandbox).len(), 1);
}

#[test]
fn a_value_expires() {
    let sandbox = Sandbox::new();
    sandbox.tmpx(["cache", "set", "--ttl", "10m", "k"]).input("v").succeeds();
    age(&entry(&sandbox), 9 * 60_000);
    sandbox.tmpx(["cache", "get", "k"]).expects(0, "v", "");
    age(&entry(&sandbox), 60_000);
    sandbox.tmpx(["cache", "get", "k"]).expects(1, "", "");
    sandbox.tmpx(["cache", "set", "k"]).env("TMPX_CACHE_TTL", "5m").input("v").succeeds();
    age(&entry(&sandbox), 6 * 60_000);
    sandbox.tmpx(["cache", "get", "k"]).expects(1, "", "");
}

#[test]
fn clear_removes_a_key_and_the_runs_with_it_or_everything() {
    let sandbox = Sandbox::new();
    set(&sandbox, "a", "1");
    set(&sandbox, "b", "2");
    count(&sandbox, "--key a").succeeds();
    count(&sandbox, "--key b --key a").succeeds();
    count(&sandbox, "--key b").succeeds();
    std::fs::write(store(&sandbox).join("notes.txt"), "mine").unwrap();
    sandbox.tmpx(["cache", "clear", "-q", "a"]).expects(0, "", "");
    sandbox.tmpx(["cache", "get", "a"]).expects(1, "", "");
    sandbox.tmpx(["cache", "get", "b"]).expects(0, "2", "");
    printed(&count(&sandbox, "--key b").run(), "run 3\n");
    printed(&count(&sandbox, "--key a").run(), "run 4\n");
    sandbox.tmpx(["cache", "clear", "-q"]).expects(0, "", "");
    assert_eq!(files(&sandbox), ["notes.txt"], "it is not tmpx's");
    sandbox.tmpx(["cache", "clear"]).expects(0, "", "tmpx: removed 0 cache entries\n");
}

#[test]
fn without_a_store_there_is_nothing() {
    let sandbox = Sandbox::new();
    sandbox.tmpx(["cache", "get", "k"]).expects(1, "", "");
    let nothing = "tmpx: removed 0 cache entries\n";
    sandbox.tmpx(["cache", "clear"]).expects(0, "", nothing);
    sandbox.tmpx(["cache", "clear", "k"]).expects(0, "", nothing);
    sandbox.tmpx(["cache", "list"]).expects(0, "", "");
    sandbox.tmpx(["cache", "list", "--json"]).expects(0, "", "");
    assert!(!store(&sandbox).exists(), "nothing was created");
}

#[test]
fn a_run_that_began_before_clear_is_not_kept() {
    let sandbox = Sandbox::new();
    let script = "echo x >> runs; tmpx cache clear -q; echo out";
    let args = ["cache", "run", "--report", "report", "--", "sh", "-c", script];
    sandbox.tmpx(args).expects(0, "out\n", "");
    assert_eq!(
        super::fixture::read_report(&sandbox)["why"],
        "the cache was cleared during the run"
    );
    assert_eq!((files(&sandbox).len(), runs(&sandbox)), (0, 1));
}

#[test]
fn list_shows_what_has_not_expired_without_control_characters() {
    let sandbox = Sandbox::new();
    set(&sandbox, "a\u{1b}[31m key", "12345");
    age(&entry(&sandbox), 120_000);
    let words = ["cache", "run", "--ttl", "2h", "--", "echo", "a b", "\u{7}"];
    sandbox.tmpx(words).succeeds();
    let list = sandbox.tmpx(["cache", "list"]).succeeds().raw;
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["AGE", "LEFT", "SIZE", "KEY"]);
    assert!(lines[1].ends_with("2h   6 B  echo 'a b' '\\u{7}'"), "{list}");
    assert!(
        lines[2].trim_start().starts_with("2m") && lines[2].ends_with("  5 B  a\\u{1b}[31m key"),
        "{list}"
    );
    let rows = sandbox.tmpx(["cache", "list", "--json"]).succeeds().json();
    assert_eq!(rows[0]["key"], serde_json::Value::Null);
    assert_eq!(rows[0]["argv"], serde_json::json!(["echo", "a b", "\u{7}"]));
    assert_eq!((&rows[0]["bytes"], &rows[0]["status"]), (&6.into(), &0.into()));
    assert_eq!(rows[1]["key"], "a\u{1b}[31m key");
    assert_eq!(rows[1]["argv"], serde_json::json!([]));
    let (age_ms, left_ms) =
        (rows[1]["age_ms"].as_u64().unwrap(), rows[1]["left_ms"].as_u64().unwrap());
    assert!(age_ms >= 120_000 && age_ms + left_ms == 3_600_000, "{rows:?}");
    let fields: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["age_ms", "argv", "bytes", "key", "left_ms", "status"]);
    age(&entry_of(&sandbox, "12345"), 3_600_000);
    assert_eq!(sandbox.tmpx(["cache", "list", "--json"]).succeeds().json().len(), 1);
}

/// The entry that contains a text.
fn entry_of(sandbox: &Sandbox, text: &str) -> std::path::PathBuf {
    let paths = files(sandbox).into_iter().map(|name| store(sandbox).join(name));
    let contains = |path: &std::path::PathBuf| {
        std::fs::read(path).unwrap().windows(text.len()).any(|bytes| bytes == text.as_bytes())
    };
    paths.into_iter().find(contains).unwrap()
}

#[test]
fn a_value_larger_than_the_store_is_refused() {
    let sandbox = Sandbox::new();
    let run =
        sandbox.tmpx(["cache", "set", "k"]).env("TMPX_CACHE_MAX", "10K").input("x".repeat(20_000));
    run.expects(1, "", "tmpx: could not keep standard input: the output is larger than 10 KiB\n");
    assert_eq!(files(&sandbox), [""; 0]);
}

#[test]
fn a_value_that_arrives_slowly_replaces_the_old_one_only_at_its_end() {
    let sandbox = Sandbox::new();
    set(&sandbox, "k", "old");
    let script = "{ echo new; mkfifo go; read n < go; } | tmpx cache set k & \
        while ! [ -p go ]; do sleep 0.01; done; tmpx cache get k; echo > go; wait; tmpx cache get k";
    sandbox.sh(script).expects(0, "oldnew\n", "");
}

#[test]
fn clear_says_how_much_it_removed_unless_it_is_quiet() {
    let sandbox = Sandbox::new();
    let clear = |args: &[&str]| {
        sandbox.sh("for k in a b c; do echo $k | tmpx cache set $k; done").expects(0, "", "");
        let ran = sandbox.tmpx(["cache", "clear"].iter().chain(args)).run();
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), ""));
        ran.stderr
    };
    let one = clear(&["a"]);
    assert!(one.starts_with("tmpx: removed 1 cache entry (") && one.ends_with(" B)\n"), "{one}");
    let all = clear(&[]);
    assert!(all.starts_with("tmpx: removed 3 cache entries ("), "{all}");
    assert_eq!(clear(&["--quiet"]), "");
    assert_eq!(files(&sandbox).len(), 0);
}

//! Removing trees: all of their entries, and nothing else.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::sandbox::{Sandbox, is_root, words};

#[test]
fn symlinks_in_a_tree_are_removed_and_not_followed() {
    let sandbox = Sandbox::new();
    let precious = sandbox.cwd().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("canary"), "").unwrap();
    let dir = sandbox.dir();
    symlink(&precious, dir.join("dir-link")).unwrap();
    symlink(precious.join("canary"), dir.join("file-link")).unwrap();
    symlink("nowhere", dir.join("dangling")).unwrap();
    sandbox.tmpx(words("cleanup --all -q")).succeeds();
    assert!(precious.join("canary").exists());
}

#[test]
fn entries_of_every_type_are_removed() {
    let sandbox = Sandbox::new();
    let script = "d=$(tmpx dir); mkfifo $d/fifo; truncate -s 1G $d/sparse; touch \"$d/$(printf '\\377\\n')\"; \
                  touch \"$d/$(printf '%0255d' 0)\"";
    sandbox.sh(script).succeeds();
    let dir = sandbox.tmp().join(&sandbox.left()[0]);
    let _socket = std::os::unix::net::UnixListener::bind(dir.join("socket")).unwrap();
    if is_root() {
        sandbox.sh(&format!("mknod {}/null c 1 3", dir.display())).run();
    }
    sandbox.tmpx(words("cleanup --all -q")).succeeds();
}

#[test]
fn all_of_many_subdirectories_are_removed_and_counted() {
    let sandbox = Sandbox::in_memory();
    let dir = sandbox.dir();
    for n in 0..9000 {
        fs::create_dir(dir.join(n.to_string())).unwrap();
        fs::write(dir.join(format!("{n}/file")), "").unwrap();
    }
    let json = sandbox.tmpx(words("cleanup --all -q --json")).succeeds().json();
    assert_eq!(json[0]["entries"], 18_001);
}

#[test]
fn a_dry_run_counts_a_file_with_hard_links_once_as_the_real_run_does() {
    let sandbox = Sandbox::new();
    let script = "d=$(tmpx dir); mkdir $d/sub; head -c 1M /dev/zero > $d/a; ln $d/a $d/sub/b; \
                  head -c 1M /dev/zero > kept; ln kept $d/c; \
                  tmpx cleanup --all -n --json -q; tmpx cleanup --all --json -q";
    let reported = sandbox.sh(script).succeeds().json();
    assert_eq!(reported[0]["entries"], reported[1]["entries"]);
    assert_eq!(reported[0]["bytes"], reported[1]["bytes"]);
    assert_eq!(reported[0]["bytes"].as_u64().unwrap() >> 20, 1, "{reported:?}");
}

//! Removing very deep and very large trees under tight limits of descriptors, stack and memory.

use std::fs;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

use crate::support::sandbox::Sandbox;

/// Creates nested directories, far deeper than a path can name.
fn create_deep(top: &Path, levels: usize, name: &str) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut dir = openat(CWD, top, flags, Mode::empty()).unwrap();
    for _ in 0..levels {
        mkdirat(&dir, name, Mode::RWXU).unwrap();
        dir = openat(&dir, name, flags, Mode::empty()).unwrap();
    }
    openat(&dir, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
}

#[test]
fn a_deep_tree_needs_neither_more_stack_nor_more_descriptors() {
    let sandbox = Sandbox::in_memory();
    create_deep(&sandbox.dir(), 30_000, "d");
    create_deep(&sandbox.dir(), 300, &"long".repeat(63));
    let ran = sandbox.sh("ulimit -n 64; ulimit -s 256; tmpx cleanup --all --json -q").succeeds();
    let entries: Vec<u64> = ran.json().iter().map(|one| one["entries"].as_u64().unwrap()).collect();
    assert_eq!(entries, [30_002, 302]);
}

#[test]
fn memory_does_not_grow_with_the_entries_of_a_directory() {
    let sandbox = Sandbox::in_memory();
    let count = if std::env::var_os("TMPX_STRESS").is_some() { 1_000_000 } else { 20_000 };
    let create_all = |create: &dyn Fn(&std::os::fd::OwnedFd, &str)| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let dir = openat(CWD, sandbox.dir(), flags, Mode::empty()).unwrap();
        (0..count).for_each(|n| create(&dir, &format!("{n:0100}")));
    };
    create_all(&|dir, name| mkdirat(dir, name, Mode::RWXU).unwrap());
    create_all(&|dir, name| {
        openat(dir, name, OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
    });
    // The names alone need more memory than this.
    let ran = sandbox.sh("ulimit -d 2048; tmpx cleanup --all --json").run();
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let entries: Vec<_> = ran.json().iter().map(|one| one["entries"].as_u64()).collect();
    assert_eq!(entries, [Some(count + 1); 2]);
}

#[test]
fn one_thread_removes_the_tree_if_descriptors_are_few() {
    let sandbox = Sandbox::in_memory();
    let top = sandbox.dir();
    for n in 0..300 {
        fs::create_dir_all(top.join(format!("{n}/{}", "d/".repeat(40)))).unwrap();
    }
    sandbox.sh("ulimit -n 64; tmpx cleanup --all -q").succeeds();
}

#[test]
fn a_tree_deeper_than_the_descriptor_limit_is_removed() {
    let sandbox = Sandbox::new();
    for limit in [14, 20, 30] {
        let script = format!(
            "d=$(tmpx dir); mkdir -p $d/{}; touch $d/file; ulimit -n {limit}; tmpx cleanup --all -q",
            "d/".repeat(100)
        );
        sandbox.sh(&script).succeeds();
        assert_eq!(sandbox.left(), Vec::<String>::new(), "{limit}");
    }
}

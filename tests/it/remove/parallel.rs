//! Removal by several threads.

use std::fs;

use crate::support::sandbox::{Sandbox, has, words};

#[test]
fn threads_start_only_if_there_is_enough_work() {
    let sandbox = Sandbox::in_memory();
    if !has("strace") {
        return;
    }
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if cpus > 1 { cpus.min(8) } else { 0 };
    let flat = "seq 3000 | xargs touch";
    // One thread is finished before others could start.
    let flat_and_small = "seq 700 | xargs touch";
    let broad = "seq 1000 | xargs mkdir";
    let few = "seq 100 | xargs touch; seq 20 | sed s,^,d, | xargs mkdir";
    // In the last case descriptors suffice for one walk only.
    for (create, limit, threads) in [
        (flat, 256, threads),
        (broad, 256, threads),
        (flat_and_small, 256, 0),
        (few, 256, 0),
        (broad, 48, 0),
    ] {
        let script = format!(
            "cd $(tmpx dir); {create}; ulimit -n {limit}; \
             strace -f -e trace=clone,clone3 -o $HOME/trace tmpx cleanup --all -q; grep -c CLONE_THREAD $HOME/trace"
        );
        let ran = sandbox.sh(&script).run();
        assert_eq!(ran.stdout, format!("{threads}\n"), "{create}: {ran:?}");
    }
}

#[test]
fn threads_that_cannot_have_their_own_working_directory_change_none() {
    let sandbox = Sandbox::in_memory();
    if !has("strace") {
        return;
    }
    let shared = std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1);
    for (inject, changed) in [("", shared), ("-e inject=unshare:error=EPERM", false)] {
        let script = format!(
            "cd $(tmpx dir); seq 5000 | xargs touch; \
             strace -f -qq -e trace=unshare,fchdir {inject} -o $HOME/trace tmpx cleanup --all -q; \
             grep -c fchdir $HOME/trace"
        );
        let ran = sandbox.sh(&script).run();
        assert_eq!((ran.stdout.trim() != "0", ran.stderr.as_str()), (changed, ""), "{ran:?}");
    }
    assert_eq!(sandbox.left(), Vec::<String>::new());
}

#[test]
fn one_run_removes_a_wide_and_deep_tree_and_list_counts_the_same_entries() {
    let sandbox = Sandbox::in_memory();
    let top = sandbox.dir();
    for n in 0..6000 {
        let deep = if n % 40 == 0 { "/d".repeat(30) } else { String::new() };
        fs::create_dir_all(top.join(format!("x/{n}{deep}"))).unwrap();
    }
    let listed = sandbox.tmpx(words("list --json")).succeeds().json();
    let removed = sandbox.tmpx(words("cleanup --all -q --json")).succeeds().json();
    assert_eq!(removed[0]["entries"], 2 + 6000 + 150 * 30);
    assert_eq!(listed[0]["entries"], removed[0]["entries"]);
}

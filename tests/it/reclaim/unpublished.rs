//! Creators that are killed before their file or directory has the name that the user chose: that name may
//! be another one's, of which no command says a word.

use std::fs;

use crate::support::sandbox::{Ran, Sandbox, has, names, words};

/// Kills tmpx before it makes a call for the Nth time.
fn killed(sandbox: &Sandbox, call: &str, number: usize, args: &str) -> Ran {
    let inject = format!("inject={call}:error=EIO:signal=SIGKILL:when={number}");
    let script = format!("exec strace -qq -o /dev/null -e {inject} tmpx {args}");
    let ran = sandbox.sh(&script).run();
    assert_eq!(ran.signal, Some(9), "{ran:?}");
    ran
}

/// Creates what has the name already, and kills a creator that wants it too, before the first rename or
/// before the second one, to the name with a number. Returns the hidden name.
fn abandoned(sandbox: &Sandbox, before: &str, args: &str, rename: usize) -> String {
    sandbox.sh(before).succeeds();
    let theirs = names(&sandbox.cwd());
    killed(sandbox, "renameat2", rename, args);
    let mut left = names(&sandbox.cwd());
    left.retain(|name| !theirs.contains(name));
    assert!(left.len() == 1 && left[0].starts_with(".tmpx."), "{left:?}");
    left.remove(0)
}

/// A file and a directory that others have, each with the creator that wants its name.
const TAKEN: [(&str, &str); 3] = [
    ("echo mine >taken", "file -p . --name taken"),
    ("mkdir taken; echo mine >taken/file", "dir -p . --name taken"),
    ("mkdir taken; echo mine >taken/file", "file -p . --name taken"),
];

#[test]
fn what_a_killed_creator_leaves_is_listed_and_removed_under_the_name_that_it_has() {
    if !has("strace") {
        return;
    }
    for (before, args) in TAKEN {
        for rename in [1, 2] {
            let sandbox = Sandbox::new();
            let hidden = abandoned(&sandbox, before, args, rename);
            let path = format!("$ROOT/cwd/{hidden}\n");
            sandbox.tmpx(["list"]).expects(0, &path, "");
            let others = "tmpx: taken: not created by tmpx for this user\n";
            // Killed before the second rename, it wanted the name with a number.
            let wanted = if rename == 1 { &path } else { "" };
            sandbox.tmpx(["list", "taken"]).expects(1, wanted, others);
            assert_eq!(sandbox.tmpx(words("cleanup -n")).run().stdout, path, "{args}");
            let ran = sandbox.tmpx(["cleanup"]).run();
            let said = (ran.status, ran.stdout.as_str(), ran.stderr_without_size());
            assert_eq!(said, (Some(0), path.as_str(), "tmpx: removed 1\n".to_owned()), "{args}");
            sandbox.tmpx(["cleanup"]).expects(0, "", "tmpx: removed 0\n");
            assert_eq!(names(&sandbox.cwd()), ["taken"], "{args}");
            sandbox.sh("cat taken taken/file 2>/dev/null; :").expects(0, "mine\n", "");
        }
    }
}

#[test]
fn what_a_killed_creator_leaves_is_removed_by_the_path_that_list_prints() {
    if !has("strace") {
        return;
    }
    for (before, args) in TAKEN {
        let sandbox = Sandbox::new();
        let hidden = abandoned(&sandbox, before, args, 1);
        sandbox.tmpx(["cleanup", "-q", &hidden]).expects(0, "", "");
        assert_eq!(names(&sandbox.cwd()), ["taken"], "{args}");
    }
}

#[test]
fn a_cleanup_after_a_killed_cleanup_says_nothing_of_what_had_the_name_before() {
    if !has("strace") {
        return;
    }
    for (before, args) in TAKEN {
        let sandbox = Sandbox::new();
        abandoned(&sandbox, before, args, 1);
        // The first entry is removed, and the lease is not yet.
        killed(&sandbox, "unlinkat", 2, "cleanup");
        assert_eq!((names(&sandbox.cwd()).len(), sandbox.leases().len()), (1, 1), "{args}");
        sandbox.tmpx(["list"]).expects(0, "", "");
        sandbox.tmpx(["cleanup"]).expects(0, "", "tmpx: removed 0\n");
        assert_eq!(sandbox.leases(), [""; 0], "{args}");
        sandbox.sh("cat taken taken/file 2>/dev/null; :").expects(0, "mine\n", "");
    }
}

/// Where a rename cannot refuse to replace, the creator makes an empty directory first.
#[test]
fn an_empty_directory_under_the_name_may_be_of_the_killed_creator_and_is_reported_once() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    abandoned(&sandbox, "mkdir taken", "dir -p . --name taken", 1);
    killed(&sandbox, "unlinkat", 2, "cleanup");
    let kept = "tmpx: kept $ROOT/cwd/taken: no longer the directory tmpx created; remove it with rm -r\n\
                tmpx: removed 0, kept 1 replaced\n";
    sandbox.tmpx(["cleanup"]).expects(0, "", kept);
    sandbox.tmpx(["cleanup"]).expects(0, "", "tmpx: removed 0\n");
    assert_eq!(names(&sandbox.cwd()), ["taken"]);
}

/// After the commit, the caller knows the name, and it was the resource's.
#[test]
fn a_published_file_that_another_one_replaces_is_still_reported() {
    let sandbox = Sandbox::new();
    sandbox.sh("f=$(tmpx file -p . --name ours); echo mine >new; mv new $f").succeeds();
    let kept = "tmpx: kept $ROOT/cwd/ours: no longer the file tmpx created (rewritten by sed -i or mv?); \
                remove it with rm\ntmpx: removed 0, kept 1 replaced\n";
    sandbox.tmpx(words("cleanup --all")).expects(0, "", kept);
    assert_eq!(fs::read(sandbox.cwd().join("ours")).unwrap(), b"mine\n");
}

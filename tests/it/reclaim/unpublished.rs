//! Creators that are killed before their file or directory has the name that the user chose: that name may
//! be another one's, of which no command says a word.

use std::fs;

use crate::support::filesystems::{BINDFS, BINDFS_WITHOUT_MARKS, UNPROVABLE};
use crate::support::namespaces::mounting;
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
            let others = "tmpx: taken: no lease of this user covers it\n";
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

/// The creator holds the lock, and has announced the name that it cannot get yet.
#[test]
fn what_a_living_creator_has_not_published_is_kept_under_the_name_that_it_has() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "strace -qq -o trace -e trace=renameat2 -e inject=renameat2:error=EIO:signal=SIGSTOP:when=1 \
            sh -c 'echo $$ >pid; exec tmpx file -p . --name ours' & \
        until grep -q 'stopped by SIGSTOP' trace 2>/dev/null; do :; done; \
        tmpx cleanup -n .tmpx.*; echo $?; tmpx cleanup --force .tmpx.*; echo $?; tmpx list .tmpx.*; echo $?; \
        kill -CONT $(cat pid); wait $!; echo $?; rm pid trace; ls -A";
    let ran = sandbox.sh(script).run();
    assert_eq!(without_hidden_names(&ran.stdout), "1\n1\n$ROOT/cwd/HIDDEN\n0\n1\n", "{ran:?}");
    let kept = "tmpx: kept $ROOT/cwd/HIDDEN: in use\n";
    let force = "hint: tmpx cleanup --force -n HIDDEN removes what is in use too\n";
    let expected = format!(
        "{kept}tmpx: would remove 0, kept 1 in use\n{force}{kept}tmpx: removed 0, kept 1 in use\n"
    );
    let stderr = without_hidden_names(&ran.stderr);
    assert!(stderr.starts_with(&expected), "{ran:?}");
}

/// Where a rename cannot refuse to replace, a file has both names for a moment.
#[test]
fn a_file_with_two_proven_names_is_known_by_both() {
    if !has("strace") {
        return;
    }
    let script = "strace -qq -o trace -e inject=unlinkat:error=EIO:signal=SIGSTOP:when=1 \
            sh -c 'echo $$ >pid; exec tmpx file -p m --name ours' & \
        until grep -q 'stopped by SIGSTOP' trace 2>/dev/null; do :; done; \
        ls -A m | wc -l; tmpx cleanup -n m/.tmpx.*; tmpx list m/.tmpx.*; tmpx list m/ours; \
        kill -CONT $(cat pid); wait $!; tmpx cleanup -q; ls -A m";
    let sandbox = Sandbox::new();
    let Some(ran) = mounting(&sandbox, BINDFS, &["bindfs"], script) else { return };
    let path = "$ROOT/cwd/m/ours\n";
    assert_eq!(ran.stdout, format!("2\n{path}{path}"), "{ran:?}");
    let kept = "tmpx: kept $ROOT/cwd/m/ours: in use\ntmpx: would remove 0, kept 1 in use\nhint: ";
    assert!(ran.stderr.starts_with(kept) && !ran.stderr.contains("not created"), "{ran:?}");
}

/// Replaces the hidden names in a text.
fn without_hidden_names(text: &str) -> String {
    let mut parts = text.split(".tmpx.");
    let first = parts.next().unwrap_or_default().to_owned();
    let is_random = |c: char| c.is_ascii_alphanumeric();
    parts.fold(first, |text, part| text + "HIDDEN" + part.trim_start_matches(is_random))
}

/// Runs a script at each filesystem on which nothing can be proven. There, `abandon` has killed a creator of
/// the kind `$1` that wants the name `$2`, and `hidden` is the name that it has left.
fn where_nothing_is_proven(script: &str, check: impl Fn(&Ran)) {
    if !has("strace") {
        return;
    }
    let script = format!(
        "abandon() {{ strace -qq -o trace -e inject=renameat2:error=EIO:signal=SIGKILL:when=1 \
             tmpx $1 -p m --name $2 --session s 2>/dev/null; hidden=$(cd m; echo .tmpx.*); }}; {script}"
    );
    let bindfs: (&str, &[&str]) = (BINDFS_WITHOUT_MARKS, &["bindfs"]);
    for (filesystem, tools) in UNPROVABLE.into_iter().chain([bindfs]) {
        let sandbox = Sandbox::new();
        let Some(ran) = mounting(&sandbox, filesystem, tools, &script) else { continue };
        println!("{filesystem}");
        check(&Ran {
            stdout: without_hidden_names(&ran.stdout),
            stderr: without_hidden_names(&ran.stderr.replace("Killed\n", "")),
            ..ran
        });
    }
}

/// The lines about a file that may be the resource, and how to remove it.
const UNPROVEN: &str =
    "tmpx: kept $ROOT/cwd/m/taken: nothing proves that it is the file tmpx created\n";
const HINT: &str = "hint: tmpx cleanup --force $ROOT/cwd/m/taken removes it all the same\n";

#[test]
fn force_by_the_hidden_path_keeps_the_users_file_under_the_chosen_name() {
    let ways = [
        "tmpx cleanup --force m/$hidden",
        "tmpx list | xargs tmpx cleanup --force",
        "tmpx cleanup --force --session s m/$hidden",
        "tmpx cleanup --force --all m/$hidden",
        "tmpx cleanup --force m/.tmpx.*",
        "ln -s m link; tmpx cleanup --force link/$hidden",
        "cd m; tmpx cleanup --force ./$hidden; cd ..",
        "tmpx cleanup --force --all",
        "tmpx cleanup --force --session s",
    ];
    let each = |way| {
        format!(
            "echo mine >m/taken; abandon file taken; tmpx cleanup -n --force m/$hidden; {way}; \
             cat m/taken; ls -A m; tmpx list; rm m/taken; tmpx cleanup -q"
        )
    };
    let hidden = "$ROOT/cwd/m/HIDDEN\n";
    let expected = format!("{hidden}{hidden}mine\ntaken\n$ROOT/cwd/m/taken\n").repeat(ways.len());
    let said = |act| format!("{UNPROVEN}tmpx: {act} 1 (0 B), kept 1 unproven\n{HINT}");
    let stderr = (said("would remove") + &said("removed")).repeat(ways.len());
    where_nothing_is_proven(&ways.map(each).join("; "), |ran| {
        assert_eq!(ran.stdout.replace("/cwd/m/./", "/cwd/m/"), expected, "{ran:?}");
        assert_eq!(ran.stderr.replace("4.0 KiB", "0 B"), stderr);
    });
}

#[test]
fn force_by_the_chosen_path_prints_each_of_the_two_entries_that_it_removes() {
    let script = "echo a >m/taken; abandon file taken; tmpx cleanup -nq --force m/taken; \
                  tmpx cleanup -n --json --force m/taken | grep -c would_remove; \
                  tmpx cleanup --force m/taken; ls -A m; tmpx list";
    where_nothing_is_proven(script, |ran| {
        let both = "$ROOT/cwd/m/HIDDEN\n$ROOT/cwd/m/taken\n";
        assert_eq!(ran.stdout, format!("2\n{both}"), "{ran:?}");
        assert!(ran.stderr.contains("tmpx: removed 2 ("), "{ran:?}");
    });
}

#[test]
fn force_by_a_hidden_path_that_is_gone_removes_nothing() {
    let script = "echo mine >m/taken; abandon file taken; rm m/$hidden; tmpx cleanup -q --force m/$hidden; \
                  mkdir m/dir; echo mine >m/dir/file; abandon dir dir; rmdir m/$hidden; \
                  tmpx cleanup --force m/$hidden 2>&1; cat m/taken m/dir/file; \
                  tmpx list m/$hidden 2>&1; rm -r m/taken m/dir; tmpx cleanup -q";
    where_nothing_is_proven(script, |ran| {
        let expected = "tmpx: nothing to remove: m/HIDDEN does not exist\ntmpx: removed 0\nmine\nmine\n\
                        tmpx: m/HIDDEN: does not exist\n";
        assert_eq!(ran.stdout, expected, "{ran:?}");
    });
}

#[test]
fn force_by_the_hidden_path_keeps_the_users_directory_and_removes_what_alone_is_there() {
    let script = "mkdir m/dir; echo mine >m/dir/file; abandon dir dir; tmpx cleanup -q --force m/$hidden; \
                  cat m/dir/file; ls -A m; rm -r m/dir; tmpx list; \
                  for kind in file dir workspace; do abandon $kind free; ls -A m | wc -l; \
                  tmpx cleanup -q --force m/$hidden; ls -A m; tmpx list; done";
    where_nothing_is_proven(script, |ran| {
        assert_eq!(ran.stdout, "mine\ndir\n1\n1\n1\n", "{ran:?}");
        assert_eq!(ran.stderr, "", "{ran:?}");
    });
}

/// From its publication on, a resource has no more to do with its first name.
#[test]
fn a_published_file_is_not_selected_by_the_hidden_name_that_it_had() {
    let sandbox = Sandbox::new();
    sandbox.tmpx(words("file -p . --name ours")).succeeds();
    let lease = fs::read_to_string(sandbox.leases_dir().join(&sandbox.leases()[0])).unwrap();
    let hidden: String = lease[lease.find(".tmpx.").unwrap()..].split('"').next().unwrap().into();
    for force in [&[][..], &["--force"]] {
        let nothing =
            format!("tmpx: nothing to remove: {hidden} does not exist\ntmpx: removed 0\n");
        sandbox.tmpx([&["cleanup", &hidden], force].concat()).expects(0, "", &nothing);
    }
    sandbox.tmpx(words("cleanup -q ours")).expects(0, "", "");
}

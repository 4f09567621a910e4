//! What removal reports about entries that it could not remove.

use std::fs;
use std::process::Command;

use crate::support::sandbox::{NOBODY, Sandbox, has, is_root, names, skip_unless, words};

#[test]
fn an_immutable_file_is_reported_once_and_everything_else_is_removed() {
    let sandbox = Sandbox::new();
    if !has("chattr") || !skip_unless(is_root(), "root") {
        return;
    }
    let dir = sandbox.dir();
    fs::create_dir(dir.join("sub")).unwrap();
    for name in ["a", "sub/immutable", "z"] {
        fs::write(dir.join(name), "").unwrap();
    }
    let immutable = dir.join("sub/immutable");
    let set =
        |flag: &str| Command::new("chattr").arg(flag).arg(&immutable).status().unwrap().success();
    if !skip_unless(set("+i"), "filesystem with immutable files") {
        sandbox.clean_up();
        return;
    }
    let ran = sandbox.tmpx(words("cleanup --all")).run();
    set("-i");
    assert_eq!(
        (ran.status, ran.stdout.as_str(), ran.stderr_without_size().as_str()),
        (
            Some(1),
            "",
            "tmpx: could not remove $ROOT/tmp/tmp.RANDOM/sub/immutable: Operation not permitted\n\
             tmpx: removed 0, 1 in part\n\
             hint: $ROOT/tmp/tmp.RANDOM/sub/immutable is immutable; root can change that: \
             chattr -i $ROOT/tmp/tmp.RANDOM/sub/immutable\n"
        )
    );
    assert_eq!(names(&dir), ["sub"]);
    assert_eq!(sandbox.leases().len(), 1, "the lease is kept");
    sandbox.clean_up();
}

#[test]
fn failures_are_reported_in_path_order_and_only_counted_beyond_twenty() {
    let sandbox = Sandbox::new();
    if !has("strace") {
        return;
    }
    let dir = sandbox.dir();
    for n in 0..30 {
        fs::create_dir(dir.join(format!("{n:02}"))).unwrap();
        fs::write(dir.join(format!("{n:02}/file")), "").unwrap();
    }
    let ran =
        sandbox.sh("strace -f -o /dev/null -e inject=unlinkat:error=EIO tmpx cleanup --all").run();
    let message = |n| {
        let more = if n == 19 { " (and 10 more)" } else { "" };
        format!(
            "tmpx: could not remove $ROOT/tmp/tmp.RANDOM/{n:02}/file: Input/output error{more}\n"
        )
    };
    let expected: String = (0..20).map(message).collect();
    assert_eq!(ran.stderr_without_size(), expected + "tmpx: removed 0\n");
    sandbox.clean_up();
}

#[test]
fn failures_are_reported_and_counted_once_in_a_directory_that_is_read_twice() {
    let sandbox = Sandbox::in_memory();
    if !has("chattr") || !skip_unless(is_root(), "root") {
        return;
    }
    // The subdirectories are so many that they are removed in two parts. Some are so deep that the
    // descriptor of the directory above is closed in between, so it is read twice.
    let script = "d=$(tmpx dir); mkdir $d/sub; cd $d/sub; seq 5000 | xargs mkdir; \
                  for n in $(seq 100 100 5000); do mkdir -p $n/$DEEP; done; \
                  seq -f f%02.0f 25 | xargs touch; chattr +i f?? || exit 9; \
                  ulimit -n 48; tmpx cleanup --all; ls; chattr -i f??";
    let ran = sandbox.sh(script).env("DEEP", "d/".repeat(30)).run();
    if !skip_unless(ran.status != Some(9), "filesystem with immutable files") {
        return;
    }
    let name = |n| format!("f{n:02}");
    assert_eq!(ran.stdout, (1..=25).map(|n| name(n) + "\n").collect::<String>());
    let message = |n| {
        let more = if n == 20 { " (and 5 more)" } else { "" };
        let name = name(n);
        format!(
            "tmpx: could not remove $ROOT/tmp/tmp.RANDOM/sub/{name}: Operation not permitted{more}\n"
        )
    };
    let expected: String = (1..=20).map(message).collect();
    let hint = "hint: $ROOT/tmp/tmp.RANDOM/sub/f01 is immutable; root can change that: \
                chattr -i $ROOT/tmp/tmp.RANDOM/sub/f01\n";
    assert_eq!(ran.stderr_without_size(), expected + "tmpx: removed 0, 1 in part\n" + hint);
    sandbox.tmpx(words("cleanup --all -q")).succeeds();
}

#[test]
fn a_hint_names_the_attribute_or_the_other_user_that_prevents_a_removal() {
    let sandbox = Sandbox::for_nobody();
    if !has("chattr") || !skip_unless(is_root(), "root") {
        return;
    }
    let dir = sandbox.tmpx(["dir"]).by_nobody().path();
    let sub = dir.join("it's");
    // As a container leaves it, which runs as root.
    fs::create_dir(&sub).unwrap();
    fs::write(sub.join("log"), "").unwrap();
    let cleanup = || sandbox.tmpx(words("cleanup --all")).by_nobody().run().stderr_without_size();
    let failed = "tmpx: could not remove $ROOT/tmp/tmp.RANDOM/it's/log: Permission denied\ntmpx: removed 0\n";
    let foreign = "hint: $ROOT/tmp/tmp.RANDOM/it's belongs to user 0; that user or root can remove the rest\n";
    assert_eq!(cleanup(), format!("{failed}{foreign}"));
    std::os::unix::fs::chown(&sub, Some(NOBODY), None).unwrap();
    let set = |flag: &str| Command::new("chattr").arg(flag).arg(&sub).status().unwrap().success();
    if skip_unless(set("+a"), "filesystem with immutable files") {
        let stderr = cleanup();
        set("-a");
        let failed = failed.replace("Permission denied", "Operation not permitted");
        let path = "$ROOT/tmp/tmp.RANDOM/it's";
        let hint = format!(
            "hint: {path} is append-only; root can change that: chattr -a '$ROOT/tmp/tmp.RANDOM/it'\\''s'\n"
        );
        assert_eq!(stderr, format!("{failed}{hint}"));
    }
    sandbox.tmpx(words("cleanup --all -q")).by_nobody().succeeds();
}

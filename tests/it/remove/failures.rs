//! What removal reports about entries that it could not remove.

use std::fs;
use std::process::Command;

use crate::support::sandbox::{Sandbox, has, is_root, names, skip_unless, words};

#[test]
fn what_cannot_be_removed_is_told_once_and_the_rest_goes() {
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
        (ran.status, ran.stdout.as_str(), ran.stderr.as_str()),
        (
            Some(1),
            "",
            "tmpx: could not remove $ROOT/tmp/tmp.RANDOM/sub/immutable: Operation not permitted\n\
             tmpx: removed 0, 1 in part (0 B)\n"
        )
    );
    assert_eq!(names(&dir), ["sub"]);
    assert_eq!(sandbox.leases().len(), 1, "the lease stays");
    sandbox.clean_up();
}

#[test]
fn what_failed_is_told_in_order_and_counted_beyond_some() {
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
    let told = |n| {
        let more = if n == 19 { " (and 10 more)" } else { "" };
        format!(
            "tmpx: could not remove $ROOT/tmp/tmp.RANDOM/{n:02}/file: Input/output error{more}\n"
        )
    };
    let expected: String = (0..20).map(told).collect();
    assert_eq!(ran.stderr, expected + "tmpx: removed 0\n");
    sandbox.clean_up();
}

#[test]
fn what_failed_in_a_directory_that_is_left_and_come_back_to_is_told_and_counted_once() {
    let sandbox = Sandbox::in_memory();
    if !has("chattr") || !skip_unless(is_root(), "root") {
        return;
    }
    // So many subdirectories that they are removed in two parts, and between these some so deep that
    // the descriptor is given back.
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
    let told = |n| {
        let more = if n == 20 { " (and 5 more)" } else { "" };
        let name = name(n);
        format!(
            "tmpx: could not remove $ROOT/tmp/tmp.RANDOM/sub/{name}: Operation not permitted{more}\n"
        )
    };
    let expected: String = (1..=20).map(told).collect();
    assert_eq!(ran.stderr, expected + "tmpx: removed 0, 1 in part (0 B)\n");
    sandbox.tmpx(words("cleanup --all -q")).succeeds();
}

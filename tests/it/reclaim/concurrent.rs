//! Several cleanups at once, and cleanups beside running commands.

use crate::support::sandbox::Sandbox;

#[test]
fn two_cleanups_at_once_both_succeed() {
    let sandbox = Sandbox::new();
    sandbox.sh("for n in $(seq 40); do tmpx dir; done").succeeds();
    let script = "tmpx cleanup --all & tmpx cleanup --all & wait";
    let ran = sandbox.sh(script).run();
    let mut paths: Vec<&str> = ran.raw.lines().collect();
    assert_eq!(paths.len(), 40, "{ran:?}");
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), 40, "each is reported by the run that removed it");
}

#[test]
fn cleanups_at_once_do_not_report_each_other() {
    let sandbox = Sandbox::new();
    sandbox.sh("for n in $(seq 60); do tmpx file --ttl 0; done").succeeds();
    let ran = sandbox.sh("tmpx cleanup & tmpx cleanup & wait").run();
    assert!(!ran.stderr.contains("in use"), "{ran:?}");
    let path = sandbox.dir();
    let both = format!("tmpx cleanup -q {0} & tmpx cleanup -q {0} && wait $!", path.display());
    let ran = sandbox.sh(&both).run();
    // The later cleanup may find nothing, but never reports a foreign file.
    assert!(
        ran.status == Some(0) || ran.stderr.ends_with(": No such file or directory\n"),
        "{ran:?}"
    );
}

#[test]
fn a_printed_path_can_be_cleaned_up_at_once() {
    let sandbox = Sandbox::new();
    let script = "n=0; while [ $n -lt 60 ]; do tmpx file | { read f; tmpx cleanup -q $f; } || exit 1; \
                  n=$((n+1)); done";
    sandbox.sh(script).succeeds();
}

#[test]
fn a_directory_with_a_running_workspace_inside_is_kept() {
    let sandbox = Sandbox::new();
    let script = "d=$(tmpx dir); mkfifo go; TMPDIR=$d tmpx exec sh -c 'echo > ../../../cwd/go; \
                  read x < ../../../cwd/go; echo data > result && cat result' & read x < go; \
                  tmpx cleanup $d; echo > go; wait; tmpx cleanup -q $d";
    let ran = sandbox.sh(script).run();
    assert_eq!(ran.stdout, "data\n", "{ran:?}");
    assert!(ran.stderr.contains("kept $ROOT/tmp/tmp.RANDOM: in use\n"), "{ran:?}");
}

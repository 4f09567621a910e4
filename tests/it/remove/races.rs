//! Removal while another process changes the tree.

use std::path::Path;

use crate::support::sandbox::{Sandbox, has, names, words};

#[test]
fn a_live_writer_does_not_keep_the_cleaner_for_ever() {
    let sandbox = Sandbox::new();
    let dir = sandbox.dir();
    let script = format!("cd {}; while :; do : > $RANDOM; done 2>/dev/null", dir.display());
    let mut writer = sandbox.shell("bash", &script).spawn();
    let ran = sandbox.tmpx(words("cleanup --all")).run();
    writer.kill().unwrap();
    writer.wait().unwrap();
    // Either it got through between two writes, or it gave up and said so.
    if ran.status == Some(1) {
        assert!(ran.stderr.contains("another process keeps adding entries"), "{ran:?}");
        assert!(dir.exists());
    }
    sandbox.clean_up();
    assert!(!Path::new(&dir).exists());
}

#[test]
fn what_is_never_found_empty_is_given_up_after_some_tries_and_told() {
    let sandbox = Sandbox::new();
    if !has("strace") {
        return;
    }
    // A writer that is always faster: each rmdir(2) finds something.
    let script = "d=$(tmpx dir); mkdir $d/sub; strace -f -o trace \
                  -e inject=unlinkat:error=ENOTEMPTY tmpx cleanup --all; grep -c unlinkat trace";
    let ran = sandbox.sh(script).run();
    assert_eq!(
        ran.stderr,
        "tmpx: could not remove $ROOT/tmp/tmp.RANDOM/sub: another process keeps adding entries\n\
         tmpx: removed 0\n"
    );
    assert_eq!(ran.stdout, "65\n", "tries");
    assert_eq!(sandbox.leases().len(), 1, "the lease stays");
    sandbox.clean_up();
}

#[test]
fn a_directory_that_is_moved_away_meanwhile_is_not_called_removed() {
    let sandbox = Sandbox::new();
    if !has("strace") {
        return;
    }
    // It is moved when the first file is gone, and something put into it, or what has something in it
    // into its place.
    for (then, left) in
        [("echo > moved/late; d=moved", "late\n"), ("mkdir $d; echo > $d/foreign", "foreign\n")]
    {
        let script = format!(
            "d=$(tmpx dir); for n in 1 2 3 4 5 6 7 8; do echo > $d/$n; done; \
             strace -f -qq -o /dev/null -e trace=unlinkat -e inject=unlinkat:delay_exit=50000 \
             tmpx cleanup --all -q & \
             until [ $(ls $d | wc -l) -lt 8 ]; do :; done; mv $d moved; {then}; \
             wait $!; echo $?; ls $d; rm -r moved $d 2>/dev/null"
        );
        let ran = sandbox.sh(&script).run();
        assert_eq!(ran.stdout, format!("1\n{left}"), "{ran:?}");
        let told = "tmpx: could not remove $ROOT/tmp/tmp.RANDOM: it was moved while it was being removed\n";
        assert_eq!(ran.stderr, told);
    }
    assert_eq!(names(&sandbox.cwd()), Vec::<String>::new());
    sandbox.tmpx(words("cleanup -q")).succeeds();
}

//! Removal while another process changes the tree.

use std::path::Path;

use crate::support::sandbox::{Sandbox, has, names, words};

#[test]
fn a_busy_writer_does_not_block_a_cleanup_forever() {
    let sandbox = Sandbox::new();
    let dir = sandbox.dir();
    let script = format!("cd {}; while :; do : > $RANDOM; done 2>/dev/null", dir.display());
    let mut writer = sandbox.shell("bash", &script).spawn();
    let ran = sandbox.tmpx(words("cleanup --all")).run();
    writer.kill().unwrap();
    writer.wait().unwrap();
    // Either it removed the directory between two writes, or it gave up and reported that.
    if ran.status == Some(1) {
        assert!(ran.stderr.contains("another process keeps adding entries"), "{ran:?}");
        assert!(dir.exists());
    }
    sandbox.clean_up();
    assert!(!Path::new(&dir).exists());
}

#[test]
fn a_directory_that_never_becomes_empty_is_reported_after_64_retries() {
    let sandbox = Sandbox::new();
    if !has("strace") {
        return;
    }
    // As if a writer were always faster: each rmdir(2) finds an entry.
    let script = "d=$(tmpx dir); mkdir $d/sub; strace -f -o trace \
                  -e inject=unlinkat:error=ENOTEMPTY tmpx cleanup --all; grep -c unlinkat trace";
    let ran = sandbox.sh(script).run();
    assert_eq!(
        ran.stderr,
        "tmpx: could not remove $ROOT/tmp/tmp.RANDOM/sub: another process keeps adding entries\n\
         tmpx: removed 0\n"
    );
    assert_eq!(ran.stdout, "65\n", "attempts");
    assert_eq!(sandbox.leases().len(), 1, "the lease is kept");
    sandbox.clean_up();
}

#[test]
fn a_directory_that_is_moved_meanwhile_is_not_reported_as_removed() {
    let sandbox = Sandbox::new();
    if !has("strace") {
        return;
    }
    // It is moved once the first file is removed. Then either a file is created in it, or another
    // directory that is not empty gets its name.
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
        let message = "tmpx: could not remove $ROOT/tmp/tmp.RANDOM: it was moved while it was being removed\n";
        assert_eq!(ran.stderr, message);
    }
    assert_eq!(names(&sandbox.cwd()), Vec::<String>::new());
    sandbox.tmpx(words("cleanup -q")).succeeds();
}

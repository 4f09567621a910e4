//! Copying a tree into a workspace while its owner works against it.

use std::fs;

use crate::support::sandbox::{Sandbox, has, words};

/// Swaps `data/d` for a symlink to `secret` while tmpx has read `data` and not yet opened `d`: it is
/// held where it sets the times of the first copied file.
const SWAP: &str = "
    strace -f -qq -o /dev/null -e trace=utimensat -e inject=utimensat:delay_enter=1000000:when=1 \
        tmpx exec --in data -- find . -name key &
    for n in $(seq 500); do [ -e $TMPDIR/*/data/file ] && break; sleep 0.01; done
    mv data/d moved
    ln -s ../secret data/d
    wait $!";

#[test]
fn a_directory_that_is_swapped_for_a_symlink_during_the_copy_is_not_followed() {
    let sandbox = Sandbox::new();
    if !has("strace") {
        return;
    }
    for dir in ["data/d", "secret"] {
        fs::create_dir_all(sandbox.cwd().join(dir)).unwrap();
    }
    fs::write(sandbox.cwd().join("data/file"), "").unwrap();
    fs::write(sandbox.cwd().join("secret/key"), "").unwrap();
    sandbox.sh(SWAP).expects(125, "", "tmpx: could not copy data/d: Not a directory\n");
}

#[test]
fn a_tree_much_deeper_than_the_limit_on_open_files_is_copied() {
    let sandbox = Sandbox::in_memory();
    // A path of 6000 bytes is longer than a system call accepts.
    let script = "
        d=$(printf 'd/%.0s' $(seq 1000))
        tree=$(tmpx dir)
        (cd $tree; for n in 1 2 3; do mkdir -p $d; cd -P $d; done; echo deep > file)
        ulimit -n 64
        tmpx exec --in $tree:copy -- sh -c 'cd -P copy/$0; cd -P $0; cd -P $0; cat file' $d";
    sandbox.sh(script).expects(0, "deep\n", "");
    sandbox.clean_up();
}

#[test]
fn a_target_directory_that_does_not_exist_is_created_and_no_dangling_symlink_is_followed() {
    let sandbox = Sandbox::new();
    sandbox.tmpx(words("exec --out x:new/../other/deep/ -- touch x")).succeeds();
    assert!(sandbox.cwd().join("other/deep/x").is_file());
    std::os::unix::fs::symlink("nowhere", sandbox.cwd().join("link")).unwrap();
    let ran = sandbox.tmpx(words("exec --out x:link/ -- touch x")).run();
    assert!(
        ran.stderr.starts_with("tmpx: could not save $ROOT/cwd/link/x: File exists\n"),
        "{ran:?}"
    );
    assert!(!sandbox.cwd().join("nowhere").exists());
    sandbox.clean_up();
}

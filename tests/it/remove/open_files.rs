//! Files that a process has open while they are removed, on a filesystem that keeps these under another
//! name: each removal of an open file gives it a new one, and frees nothing.

use crate::support::filesystems::BINDFS;
use crate::support::namespaces::mounting;
use crate::support::sandbox::{Ran, Sandbox};

/// Creates a directory with a file of many blocks that is open, and defines what shows the row of a cleanup.
const OPEN: &str = r#"
    d=$(tmpx dir -p m); head -c 65536 /dev/urandom >$d/f; sync; exec 7<$d/f; size=$(($(stat -c %b $d/f) * 512))
    row() {
        tmpx cleanup --json $d 7<&- 2>/dev/null | grep -o '"action":"[a-z]*"\|"entries":[0-9]*\|"bytes":[0-9]*' |
            sed "s/:$size$/:FILE/" | paste -sd ,
    }
"#;

/// Waits until FUSE has heard that the file is closed, and removes the rest.
const CLOSE: &str =
    "exec 7<&-; while ls -A $d | grep -q fuse_hidden; do :; done; tmpx cleanup $d; ls m";

fn run(sandbox: &Sandbox, script: &str) -> Option<Ran> {
    mounting(sandbox, BINDFS, &["bindfs"], &format!("{OPEN}\n{script}\n{CLOSE}"))
}

#[test]
fn a_file_that_is_kept_because_it_is_open_counts_once() {
    let sandbox = Sandbox::new();
    let Some(ran) = run(&sandbox, "row; row; ls -A $d | sed 's/hidden.*/hidden/'") else { return };
    let first = "\"action\":\"failed\",\"entries\":1,\"bytes\":FILE\n";
    let second = "\"action\":\"failed\",\"entries\":0,\"bytes\":0\n";
    let last = ".fuse_hidden\n$ROOT/cwd/m/tmp.RANDOM\n";
    assert_eq!(ran.stdout, format!("{first}{second}{last}"), "{ran:?}");
    assert_eq!(ran.stderr_without_size(), "tmpx: removed 1\n");
}

#[test]
fn it_counts_once_also_if_the_directory_is_read_again_and_again() {
    let sandbox = Sandbox::new();
    // Another process keeps adding files without content.
    let script = "touch go; while [ -e go ]; do { true >$d/x; } 2>/dev/null; done 7<&- & \
                  until [ -e $d/x ]; do :; done; row | sed 's/.*,//'; row | sed 's/.*,//'; rm go; wait";
    let Some(ran) = run(&sandbox, script) else { return };
    assert_eq!(ran.stdout, "\"bytes\":FILE\n\"bytes\":0\n$ROOT/cwd/m/tmp.RANDOM\n", "{ran:?}");
    assert_eq!(ran.stderr_without_size(), "tmpx: removed 1\n");
}

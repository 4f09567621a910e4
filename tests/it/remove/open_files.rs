//! Files that a process has open while they are removed, on a filesystem that keeps these under another
//! name.

use crate::support::filesystems::BINDFS;
use crate::support::namespaces::mounting;
use crate::support::sandbox::Sandbox;

/// Creates a directory with a file of many blocks that is open, and says how many bytes that occupies.
const OPEN: &str = "d=$(tmpx dir -p m); head -c 65536 /dev/urandom >$d/f; sync; exec 7<$d/f; \
                    b=$(($(stat -c %b $d/f) * 512)); ";

/// Waits until FUSE has heard that the file is closed.
const CLOSE: &str = "exec 7<&-; while ls -A $d | grep -q fuse_hidden; do :; done; ";

#[test]
fn a_file_that_is_kept_because_it_is_open_counts_once() {
    let sandbox = Sandbox::new();
    let script = format!(
        "{OPEN} tmpx cleanup --json $d 7<&- 2>/dev/null | grep -o '\"action\":\"[a-z]*\"\\|\"entries\":[0-9]*\\|\"bytes\":[0-9]*' | \
         sed s/:$b$/:FILE/; ls -A $d | sed 's/hidden.*/hidden/'; {CLOSE} tmpx cleanup -q $d; ls m"
    );
    let Some(ran) = mounting(&sandbox, BINDFS, &["bindfs"], &script) else { return };
    let expected = "\"action\":\"failed\"\n\"entries\":1\n\"bytes\":FILE\n.fuse_hidden\n";
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (expected, ""));
}

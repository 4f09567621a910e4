//! Copies need no blocks of their own on a filesystem that can share blocks.

use std::process::Command;

use crate::support::sandbox::{Sandbox, has, is_root, skip_unless};

/// Each copying command, followed by the number of free MiB of the filesystem.
const SCRIPT: &str = "
set -e
truncate -s 320M image
mkfs.xfs -q -m reflink=1 image
mkdir disk
mount -o loop image disk 2>/dev/null || { echo no mount; exit; }
cd disk
mkdir tmp
export TMPDIR=$PWD/tmp
free() { sync; echo $(($(stat -f -c '%f * %S' .) / 1048576)); }
head -c 48M /dev/urandom > big
free
f=$(tmpx file --from big)
free
tmpx exec --in big --out big:saved -- sh -c 'printf more >> big'
free
printf more | tmpx replace --append big
free
cmp big saved
tmpx cleanup --all -q
";

#[test]
fn copies_share_blocks_if_the_filesystem_can() {
    let sandbox = Sandbox::new();
    if !skip_unless(is_root(), "root") || !has("mkfs.xfs") || !has("unshare") {
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", SCRIPT]);
    let ran = sandbox.command(command).run();
    if ran.stdout == "no mount\n" {
        eprintln!("skipped: no loop device, or no XFS");
        return;
    }
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    let free: Vec<i64> = ran.stdout.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(free.len(), 4, "{ran:?}");
    assert!(free.iter().all(|now| free[0] - now < 8), "each copy would take 48 MiB: {free:?}");
}

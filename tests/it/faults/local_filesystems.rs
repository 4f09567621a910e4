//! All subcommands on each local filesystem, on kernels that lack the newer calls.

use std::fs;

use crate::faults::unknown_calls::{SCRIPT, difference};
use crate::support::filesystems::{BTRFS, EXT4, TMPFS, XFS};
use crate::support::filter::{SINCE_4_18, shell_function};
use crate::support::namespaces::mounting;
use crate::support::sandbox::{Ran, Sandbox, has};

/// Returns a list of calls for a filter.
fn numbers(calls: &[(&str, i64)]) -> String {
    let numbers: Vec<String> = calls.iter().map(|(_, number)| number.to_string()).collect();
    numbers.join(",")
}

/// Runs a script in `m`, with the directories of a sandbox there. Only in the full gate: it takes long.
fn run_there(filesystem: &str, tools: &[&str], script: &str) -> Option<Ran> {
    if !has("python3") || std::env::var_os("TMPX_STRESS").is_none() {
        return None;
    }
    let sandbox = Sandbox::new();
    fs::write(sandbox.root().join("every_command.sh"), SCRIPT).unwrap();
    let script = format!(
        "{filter} root=$PWD/m; cd m; mkdir tmp home cwd; export TMPDIR=$root/tmp HOME=$root/home; \
         export TMPX_STATE_DIR=$HOME/state; cd cwd; {script}\ncd $root/..",
        filter = shell_function(&sandbox),
    );
    mounting(&sandbox, filesystem, tools, &script)
}

/// Compares what all subcommands print and leave on a filesystem with and without the newer calls.
fn assert_works_without_newer_calls(filesystem: &str, tools: &[&str]) {
    let run = |calls: &[(&str, i64)]| {
        let script =
            format!("filter {} '{}' sh $root/../../every_command.sh", libc::ENOSYS, numbers(calls));
        let ran = run_there(filesystem, tools, &script)?;
        Some(format!("{}{}", ran.stdout, ran.stderr))
    };
    let Some(expected) = run(&[]) else { return };
    assert!(!expected.contains("$ tmpx: ") && expected.contains("$ tmpx list"), "{expected}");
    let found = run(SINCE_4_18).unwrap();
    assert!(found == expected, "{}", difference(&expected, &found));
}

/// Kills tmpx before the first calls of each name, and cleans up. The lifetimes are over at once, since a kill
/// may also come after the commit: now and then, a run prunes the store then.
const KILLS: &str = r#"
    kills=0
    tmpx cleanup -q "$(tmpx file)"
    left() { ls -A "$TMPDIR" "$TMPX_STATE_DIR/leases" | grep -v :$ | grep .; }
    for call in name_to_handle_at openat mkdirat write fsetxattr renameat2 unlinkat pwrite64; do
        for args in 'file --ttl 0 --name data.csv' 'dir --ttl 0 --name build' 'exec -- true'; do
            when=1
            until strace -qq -o /dev/null -e inject=$call:signal=KILL:when=$when tmpx $args >/dev/null; do
                kills=$((kills + 1)) when=$((when + 1))
                while tmpx list --json | grep -q in_use; do :; done
                tmpx cleanup -q
                left
                [ $when -lt 8 ] || break
            done
            tmpx cleanup -q --all
        done
    done 2>stderr
    grep -v Killed stderr
    left
    [ $kills -gt 40 ] || echo killed $kills times
"#;

/// Kills tmpx at a few calls, without the newer ones. A cleanup must leave nothing.
fn assert_leaks_nothing_without_newer_calls(filesystem: &str, tools: &[&str]) {
    if !has("strace") {
        return;
    }
    let script = format!(
        "cat >kills <<'END'\n{KILLS}END\nfilter {} {} sh kills",
        libc::ENOSYS,
        numbers(SINCE_4_18)
    );
    let Some(ran) = run_there(filesystem, tools, &script) else { return };
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""), "{filesystem}");
}

macro_rules! filesystems {
    ($($works:ident $leaks:ident $filesystem:ident $tools:expr;)*) => {$(
        #[test]
        fn $works() {
            assert_works_without_newer_calls($filesystem, $tools);
        }

        #[test]
        fn $leaks() {
            assert_leaks_nothing_without_newer_calls($filesystem, $tools);
        }
    )*};
}

filesystems! {
    every_subcommand_works_on_ext4_without_newer_calls a_kill_leaves_nothing_on_ext4_without_newer_calls EXT4 &["mkfs.ext4"];
    every_subcommand_works_on_xfs_without_newer_calls a_kill_leaves_nothing_on_xfs_without_newer_calls XFS &["mkfs.xfs", "losetup"];
    every_subcommand_works_on_btrfs_without_newer_calls a_kill_leaves_nothing_on_btrfs_without_newer_calls BTRFS &["mkfs.btrfs"];
    every_subcommand_works_on_tmpfs_without_newer_calls a_kill_leaves_nothing_on_tmpfs_without_newer_calls TMPFS &[];
}

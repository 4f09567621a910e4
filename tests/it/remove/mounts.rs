//! Removal never enters a mount point, and misses no entry around one.

use std::fs;

use crate::support::namespaces::with_mounts;
use crate::support::sandbox::{Sandbox, names, skip_unless};

#[test]
fn a_mount_point_in_a_tree_is_kept_and_reported() {
    let sandbox = Sandbox::new();
    let precious = sandbox.cwd().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("canary"), "").unwrap();
    // A bind mount of the same filesystem has the same device number as its surroundings.
    let script = "d=$(tmpx dir); mkdir -p $d/a/mnt $d/b; touch $d/b/x; mount --bind precious $d/a/mnt; \
                  tmpx cleanup -n --all >/dev/null; tmpx cleanup --all; ls $d; umount $d/a/mnt";
    let Some(ran) = with_mounts(&sandbox, script) else {
        return;
    };
    assert_eq!(ran.stdout, "a\n", "everything else is removed: {ran:?}");
    let failed = "tmpx: could not remove $ROOT/tmp/tmp.RANDOM/a/mnt: it is a mount point\n\
                  tmpx: removed 0, 1 in part\n";
    assert_eq!(
        ran.stderr_without_size().replace("would remove", "removed"),
        failed.repeat(2),
        "{ran:?}"
    );
    assert_eq!(names(&precious), ["canary"]);
    sandbox.clean_up();
}

#[test]
fn a_resource_that_became_a_mount_point_is_kept() {
    let sandbox = Sandbox::new();
    let precious = sandbox.cwd().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("canary"), "").unwrap();
    let script = "d=$(tmpx dir); mount --bind precious $d; tmpx cleanup --all; umount $d";
    let Some(ran) = with_mounts(&sandbox, script) else {
        return;
    };
    assert!(ran.stderr.contains("it is a mount point"), "{ran:?}");
    assert_eq!(names(&precious), ["canary"]);
    sandbox.clean_up();
}

#[test]
fn mount_points_are_reported_in_path_order_whichever_thread_finds_them() {
    let sandbox = Sandbox::in_memory();
    let precious = sandbox.cwd().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("canary"), "").unwrap();
    let script = "d=$(tmpx dir); cd $d; seq -w 3000 | xargs mkdir; seq -w 3000 | sed s,$,/file, | xargs touch; \
                  for n in 0001 1000 1001 2000 2999; do mkdir $n/mnt; mount --bind $OLDPWD/precious $n/mnt; done; \
                  tmpx cleanup --all; ls; umount */mnt";
    let Some(ran) = with_mounts(&sandbox, script) else {
        return;
    };
    let kept = ["0001", "1000", "1001", "2000", "2999"];
    assert_eq!(
        ran.stdout,
        kept.map(|name| format!("{name}\n")).concat(),
        "everything else is removed"
    );
    let message = |name| {
        format!("tmpx: could not remove $ROOT/tmp/tmp.RANDOM/{name}/mnt: it is a mount point\n")
    };
    assert_eq!(
        ran.stderr_without_size(),
        kept.map(message).concat() + "tmpx: removed 0, 1 in part\n"
    );
    assert_eq!(names(&precious), ["canary"]);
    sandbox.clean_up();
}

#[test]
fn no_entry_is_missed_on_a_filesystem_whose_positions_count_the_remaining_entries() {
    let sandbox = Sandbox::in_memory();
    // One of many subdirectories holds a mount point. All are so deep that the descriptor of the
    // directory above is closed meanwhile.
    let script = "mkdir ram; mount -t ramfs none ram || exit 9; d=$(tmpx dir -p ram); mkdir $d/sub; cd $d/sub; \
                  seq -f f%g 300 | xargs touch; seq -f %g/$DEEP 3000 | xargs mkdir -p; \
                  seq -f g%g 300 | xargs touch; \
                  mkdir 700/mnt; mount -t ramfs none 700/mnt; \
                  $RUN tmpx cleanup --all; ls; umount 700/mnt; tmpx cleanup --all -q; cd $OLDPWD; umount ram";
    for run in ["", "taskset -c 0"] {
        let script = script.replace("$RUN", run).replace("$DEEP", &"d/".repeat(28));
        let Some(ran) = with_mounts(&sandbox, &script) else {
            return;
        };
        if !skip_unless(ran.status != Some(9), "permission to mount a ramfs") {
            return;
        }
        assert_eq!(ran.stdout, "700\n", "everything else is removed: {ran:?}");
        let message = "tmpx: could not remove $ROOT/cwd/ram/tmp.RANDOM/sub/700/mnt: it is a mount point\n\
                    tmpx: removed 0, 1 in part\n";
        assert_eq!(ran.stderr_without_size(), message);
        fs::remove_dir(sandbox.cwd().join("ram")).unwrap();
    }
}

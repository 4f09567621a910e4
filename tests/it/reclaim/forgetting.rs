//! When the lease of a resource that cannot be found ends.

use std::fs;
use std::path::Path;

use crate::support::lease::edit;
use crate::support::namespaces::with_mounts;
use crate::support::sandbox::{Ran, Sandbox, has, names, skip_unless, words};
use crate::support::wait::wait_until;

/// Thirty days, in milliseconds.
const MONTH_MS: u64 = 30 * 24 * 3_600_000;

/// The hint of a cleanup with these arguments that keeps what is out of sight.
fn forget(args: &str) -> String {
    format!("hint: tmpx cleanup --forget {args} ends the leases of what is out of sight\n")
}

/// The only lease of a sandbox, as text.
fn lease(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.leases_dir().join(&sandbox.leases()[0])).unwrap()
}

/// Changes the only lease of a sandbox.
fn edit_lease(sandbox: &Sandbox, change: impl FnOnce(&str) -> String) {
    edit(sandbox.leases_dir().join(&sandbox.leases()[0]), change);
}

/// Makes the only lease of a sandbox one that was written before a restart.
fn age_by_a_boot(sandbox: &Sandbox) {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    edit_lease(sandbox, |text| text.replace(boot.trim(), "01234567-89ab-cdef-0123-456789abcdef"));
}

/// Makes the last sighting in the only lease of a sandbox older.
fn age_the_sighting(sandbox: &Sandbox, by_ms: u64) {
    edit_lease(sandbox, |text| {
        let (before, after) = text.split_once("\"unseen\":").unwrap();
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let since: u64 = after[..digits].parse().unwrap();
        format!("{before}\"unseen\":{}{}", since - by_ms, &after[digits..])
    });
}

/// A sandbox of a user without privileges, with a file in `cwd/build`.
fn with_file_in_build() -> Sandbox {
    let sandbox = Sandbox::for_nobody();
    let made = sandbox.sh("mkdir build; tmpx file -p build").by_nobody();
    made.succeeds();
    sandbox
}

#[test]
fn what_is_in_a_moved_directory_is_out_of_sight_until_it_is_back() {
    let sandbox = with_file_in_build();
    let file = sandbox.cwd().join("build").join(&names(&sandbox.cwd().join("build"))[0]);
    let mv = |script| sandbox.sh(script).by_nobody().succeeds();
    mv("mv build moved");
    let run = |args: &str| sandbox.tmpx(words(args)).by_nobody();
    run("cleanup").expects(0, "", "tmpx: removed 0, kept 1 out of sight\n");
    let why = "the directory was removed or moved";
    let line = format!("tmpx: kept 1 out of sight in $ROOT/cwd/build: {why}\n");
    run("cleanup --all").expects(
        0,
        "",
        &format!("{line}tmpx: removed 0, kept 1 out of sight\n{}", forget("--all")),
    );
    run("list").expects(0, "", &format!("tmpx: 1 out of sight in $ROOT/cwd/build: {why}\n"));
    let json = run("list --json").succeeds().json();
    assert_eq!(json[0]["state"], "out_of_sight");
    let named = sandbox.tmpx(["cleanup".as_ref(), file.as_os_str()]).by_nobody();
    named.expects(
        1,
        "",
        &format!(
            "tmpx: kept $ROOT/cwd/build/tmp.RANDOM: out of sight: {why}\n\
             tmpx: removed 0, kept 1 out of sight\n{}",
            forget("$ROOT/cwd/build/tmp.RANDOM")
        ),
    );
    mv("mv moved build");
    run("cleanup --all -q").succeeds();
    assert!(!file.exists());
}

#[test]
fn another_directory_in_the_place_proves_nothing() {
    let sandbox = with_file_in_build();
    sandbox.sh("mv build moved; mkdir build").by_nobody().succeeds();
    let kept = "tmpx: kept 1 out of sight in $ROOT/cwd/build: another directory has its place\n\
                tmpx: removed 0, kept 1 out of sight\n";
    sandbox.tmpx(words("cleanup --all")).by_nobody().expects(
        0,
        "",
        &(kept.to_owned() + &forget("--all")),
    );
    sandbox.sh("rmdir build; mv moved build").by_nobody().succeeds();
    sandbox.tmpx(words("cleanup --all -q")).by_nobody().succeeds();
    assert_eq!(names(&sandbox.cwd().join("build")), Vec::<String>::new());
}

#[test]
fn what_seems_to_be_removed_is_given_up_after_thirty_days_out_of_sight() {
    let sandbox = with_file_in_build();
    let cleanup = || sandbox.tmpx(["cleanup"]).by_nobody();
    sandbox.sh("rm -r build").by_nobody().succeeds();
    let kept = "tmpx: removed 0, kept 1 out of sight\n";
    cleanup().expects(0, "", kept);
    age_the_sighting(&sandbox, MONTH_MS - 60_000);
    cleanup().expects(0, "", kept);
    // A dry run changes nothing.
    age_the_sighting(&sandbox, 60_000);
    let would =
        "tmpx: would end the leases of 1 resource in $ROOT/cwd/build, out of sight for 30 days\n";
    sandbox.tmpx(words("cleanup -n -q")).by_nobody().expects(0, "", would);
    assert_eq!(sandbox.leases().len(), 1);
    let gave_up = "tmpx: ended the leases of 1 resource in $ROOT/cwd/build, out of sight for 30 days\ntmpx: removed 0\n";
    cleanup().expects(0, "", gave_up);
}

#[test]
fn a_sighting_starts_the_thirty_days_again() {
    let sandbox = with_file_in_build();
    let run = |script| sandbox.sh(script).by_nobody().run();
    run("mv build moved; tmpx cleanup");
    age_the_sighting(&sandbox, MONTH_MS);
    run("mv moved build; tmpx cleanup");
    assert!(lease(&sandbox).contains("\"seen\":"));
    let ran =
        run("mv build moved; tmpx cleanup; tmpx cleanup; mv moved build; tmpx cleanup -q --all");
    let kept = "tmpx: removed 0, kept 1 out of sight\n";
    assert_eq!(ran.stderr, kept.repeat(2));
}

#[test]
fn forget_ends_leases_out_of_sight_and_removes_nothing() {
    let sandbox = with_file_in_build();
    let run = |script: &str| sandbox.sh(script).by_nobody().run();
    run("mv build moved; tmpx file --ttl 0; tmpx file; tmpx file --until-exit=$$ -p moved");
    let ran =
        run("mv moved gone; tmpx cleanup --forget -n; tmpx cleanup --forget; ls gone | wc -l");
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        (
            "2\n",
            "tmpx: would end the leases of 2 resources\ntmpx: ended the leases of 2 resources\n"
        )
    );
    assert_eq!((sandbox.left().len(), sandbox.leases().len()), (2, 2));
    let path = sandbox.tmp().join(&sandbox.left()[0]);
    let named = sandbox.tmpx(["cleanup".as_ref(), "--forget".as_ref(), path.as_os_str()]);
    named.by_nobody().expects(
        1,
        "",
        "tmpx: kept $ROOT/tmp/tmp.RANDOM: in sight\ntmpx: ended the leases of 0 resources\n",
    );
    run("tmpx cleanup -q --all");
}

#[test]
fn force_removes_nothing_out_of_sight_and_keeps_its_lease() {
    let sandbox = with_file_in_build();
    sandbox.tmpx(words("cleanup --all -q")).by_nobody().succeeds();
    let script = "f=$(tmpx file -p build); mv build moved; tmpx cleanup --force $f; mv moved build; \
                  tmpx cleanup --force -q $f; ls build";
    let ran = sandbox.sh(script).by_nobody().run();
    assert!(ran.stderr.contains(", kept 1 out of sight\n"), "{ran:?}");
    assert_eq!((ran.stdout.as_str(), sandbox.leases().len()), ("", 0), "{ran:?}");
}

#[test]
fn forget_keeps_what_a_living_owner_has_out_of_sight() {
    let sandbox = with_file_in_build();
    sandbox.tmpx(words("cleanup --all -q")).by_nobody().succeeds();
    let script = "tmpx file --until-exit=$$ -p build >path; mv build moved; tmpx cleanup --forget; \
                  mv moved build; tmpx cleanup $(cat path) -q";
    let ran = sandbox.sh(script).by_nobody().run();
    assert_eq!(ran.stderr, "tmpx: ended the leases of 0 resources\n", "{ran:?}");
}

#[test]
fn root_learns_by_the_handle_whether_a_directory_was_removed_or_moved() {
    let sandbox = Sandbox::new();
    let script = "mkdir disk; mount -t tmpfs none disk || exit 9; cd disk; mkdir a b; tmpx file -p a; \
                  tmpx file -p b; rm -r a; mv b c; tmpx cleanup --all; mv c b; tmpx cleanup -q --all; ls b";
    let Some(ran) = with_mounts(&sandbox, script) else { return };
    let moved = "tmpx: kept 1 out of sight in $ROOT/cwd/disk/b: the directory is now \
                 $ROOT/cwd/disk/c\ntmpx: removed 0, kept 1 out of sight\n";
    assert_eq!(ran.stderr, moved.to_owned() + &forget("--all"), "{ran:?}");
}

#[test]
fn what_is_not_mounted_is_out_of_sight_for_ever() {
    let sandbox = Sandbox::new();
    // A bind mount of the same filesystem, a filesystem in memory, and one in the place of another.
    let script = "mkdir data real cover; mount --bind real data; f=$(tmpx file -p data); umount data; \
                  tmpx cleanup --all; mount --bind cover data; tmpx cleanup --all; umount data; \
                  mount --bind real data; ls $f >/dev/null && tmpx cleanup --all -q; ls real; umount data";
    let Some(ran) = with_mounts(&sandbox, script) else { return };
    let kept = |why| {
        format!(
            "tmpx: kept 1 out of sight in $ROOT/cwd/data: {why}\n\
             tmpx: removed 0, kept 1 out of sight\n{}",
            forget("--all")
        )
    };
    // Root finds the directory by its handle, below the mount point that is left.
    let now = kept("the directory is now $ROOT/cwd/real");
    let elsewhere = kept("not mounted here, or only visible elsewhere");
    assert!(ran.stderr == now.clone() + &elsewhere || ran.stderr == elsewhere.repeat(2), "{ran:?}");
    let script = "mount -t tmpfs none data; tmpx file -p data; umount data; tmpx cleanup -q; \
                  tmpx cleanup --forget";
    let ran = with_mounts(&sandbox, script).unwrap();
    assert_eq!(ran.stderr, "tmpx: ended the leases of 1 resource\n", "{ran:?}");
}

#[test]
fn after_a_restart_a_directory_that_is_not_there_yet_is_out_of_sight() {
    let sandbox = with_file_in_build();
    age_by_a_boot(&sandbox);
    sandbox.sh("mv build unmounted").by_nobody().succeeds();
    sandbox.tmpx(["cleanup"]).by_nobody().expects(0, "", "tmpx: removed 0, kept 1 out of sight\n");
    sandbox.sh("mv unmounted build").by_nobody().succeeds();
    sandbox.tmpx(words("cleanup --all -q")).by_nobody().succeeds();
    assert_eq!(names(&sandbox.cwd().join("build")), Vec::<String>::new());
}

#[test]
fn after_a_restart_what_is_on_a_disk_that_is_not_mounted_is_out_of_sight() {
    let sandbox = Sandbox::new();
    if !has("mkfs.ext4") {
        return;
    }
    // The mount ends with the namespace of the script.
    let mount = "mount -o loop image m || exit 9";
    let create =
        format!("mkdir m; truncate -s 8M image; mkfs.ext4 -q image; {mount}; tmpx file -p m");
    let Some(ran) = with_mounts(&sandbox, &create) else { return };
    if !skip_unless(ran.status != Some(9), "loop device") {
        return;
    }
    age_by_a_boot(&sandbox);
    let why = "not mounted here, or only visible elsewhere";
    let kept = format!("tmpx: kept 1 out of sight in $ROOT/cwd/m: {why}\n");
    let totals = "tmpx: removed 0, kept 1 out of sight\n";
    let hint = forget("--all");
    sandbox.tmpx(words("cleanup --all")).expects(0, "", &format!("{kept}{totals}{hint}"));
    let script = format!("{mount}; tmpx cleanup --all; ls m");
    let ran = with_mounts(&sandbox, &script).unwrap();
    assert_eq!(ran.stdout, "$ROOT/cwd/m/tmp.RANDOM\nlost+found\n", "{ran:?}");
}

#[test]
fn after_a_restart_what_was_in_memory_is_gone() {
    if !Path::new("/dev/shm").is_dir() {
        return;
    }
    let sandbox = Sandbox::in_memory();
    sandbox.sh("mkdir a; tmpx file -p a; rm -r a").succeeds();
    age_by_a_boot(&sandbox);
    sandbox.tmpx(["cleanup"]).expects(0, "", "tmpx: removed 0\n");
}

/// Runs a script that may use tmpx in the directory `$root` as another root, with the same store.
fn with_chroot(sandbox: &Sandbox, script: &str) -> Option<Ran> {
    let root = "root=$PWD/root; mkdir -p $root$HOME $root$TMPDIR $root/proc $root/bin; \
                cp $(readlink -f $(command -v tmpx)) $root/bin/tmpx; \
                ldd $root/bin/tmpx 2>&1 | grep -o '/[^ ]*' | xargs -r cp -L --parents -t $root; \
                mount --bind $HOME $root$HOME; mount -t proc none $root/proc";
    with_mounts(sandbox, &format!("{root}; {script}"))
}

#[test]
fn a_chroot_with_the_same_store_forgets_nothing_of_the_host_nor_the_host_of_it() {
    let sandbox = Sandbox::new();
    let script = "outer=$(tmpx file); inner=$(chroot $root /bin/tmpx file); \
                  chroot $root /bin/tmpx cleanup; tmpx cleanup; ls $outer $root$inner; \
                  tmpx cleanup -q $outer; chroot $root /bin/tmpx cleanup -q $inner; ls $TMPDIR $root$TMPDIR";
    let Some(ran) = with_chroot(&sandbox, script) else { return };
    let kept = "tmpx: removed 0, kept 1 manual, 1 out of sight\n\
                hint: tmpx cleanup --all removes manual and timed ones too\n";
    assert_eq!(ran.stderr, kept.repeat(2), "{ran:?}");
    assert_eq!(ran.stdout.matches("tmp.RANDOM").count(), 2, "{ran:?}");
}

/// Defines `prune_by TMPX [ROOT]`, which creates files by the command TMPX, whose paths are below ROOT,
/// until a creation has pruned the store: one in 64 does. Then the lease of a removed file has ended. So few
/// leases are there that each pruning looks at all of them.
const PRUNE: &str = "prune_by() { before=$(ls $TMPX_STATE_DIR/leases); rm $2$($1 file); \
    gone=$(ls $TMPX_STATE_DIR/leases | grep -vxF \"$before\"); \
    while [ -e $TMPX_STATE_DIR/leases/$gone ]; do $1 cleanup -q $($1 file); done; }";

#[test]
fn a_creation_in_a_chroot_forgets_nothing_of_the_host_nor_one_of_the_host_what_is_there() {
    let sandbox = Sandbox::new();
    // What was created under a bind mount that is gone, and in a directory that was moved, is out of sight too.
    let script = format!(
        "{PRUNE}; mkdir data real build; mount --bind real data; tmpx file -p data >made; umount data; \
         tmpx dir -p build >>made; mv build moved; tmpx file >>made; \
         inside=\"chroot $root /bin/tmpx\"; $inside file >inner; \
         prune_by tmpx; prune_by \"$inside\" $root; mount --bind real data; mv moved build; \
         ls -d $(cat made) $root$(cat inner); tmpx cleanup -q $(cat made); $inside cleanup -q $(cat inner); \
         ls real build $TMPDIR $root$TMPDIR; umount data"
    );
    let Some(ran) = with_chroot(&sandbox, &script) else { return };
    assert_eq!(ran.stderr, "", "{ran:?}");
    let (found, left) = ran.stdout.split_at(ran.stdout.find("$ROOT/cwd/root$ROOT/tmp:").unwrap());
    assert_eq!(found.lines().filter(|line| line.ends_with("tmp.RANDOM")).count(), 4, "{ran:?}");
    let nothing = "$ROOT/cwd/root$ROOT/tmp:\n\n$ROOT/tmp:\n\nbuild:\n\nreal:\n";
    assert_eq!(left, nothing, "{ran:?}");
}

#[test]
fn no_creation_forgets_what_is_in_a_directory_that_was_moved_for_a_moment() {
    let sandbox = Sandbox::for_nobody();
    // Meanwhile the path leads nowhere, to another directory, to a file, or by a symlink to the same one. Root
    // would find the directory by its handle.
    let script = format!(
        "{PRUNE}; for d in a b c d; do mkdir $d; tmpx file -p $d; tmpx dir -p $d; mv $d $d.moved; done >made; \
         mkdir b; touch c; ln -s d.moved d; prune_by tmpx; rm -d b c d; \
         for d in a b c d; do mv $d.moved $d; done; ls -d $(cat made) | wc -l; \
         tmpx cleanup -q $(cat made); ls a b c d"
    );
    sandbox.sh(&script).by_nobody().expects(0, "8\na:\n\nb:\n\nc:\n\nd:\n", "");
}

#[test]
fn a_reaper_in_a_chroot_and_one_outside_remove_what_belongs_to_each() {
    let sandbox = Sandbox::new();
    // The first reaper runs inside. What is created outside ends while it runs.
    let script = "export TMPX_REAPER=1; mkfifo hold; sh -c 'read x <hold' & \
                  inner=$(chroot $root /bin/tmpx file --until-exit=$!); \
                  outer=$(sh -c 'tmpx dir --until-exit=$$'); while [ -e $outer ]; do :; done; \
                  ls $root$inner; tmpx cleanup; echo >hold; while [ -e $root$inner ]; do :; done";
    let Some(ran) = with_chroot(&sandbox, script) else { return };
    assert_eq!(ran.stdout, "$ROOT/cwd/root$ROOT/tmp/tmp.RANDOM\n", "{ran:?}");
    assert_eq!(ran.stderr, "tmpx: removed 0, kept 1 out of sight\n");
    wait_until("its lease ends", || sandbox.leases().is_empty());
}

#[test]
fn leases_made_in_a_directory_end_when_tmpx_removes_it() {
    let sandbox = Sandbox::for_nobody();
    let made = "for i in 1 2 3 4 5; do tmpx file; rm $(tmpx file); done; tmpx dir; \
                mkdir sub; tmpx file -p sub";
    let script = format!("tmpx exec sh -c '{made}'");
    sandbox.sh(&script).by_nobody().succeeds();
    assert_eq!(sandbox.leases(), Vec::<String>::new(), "exec");
    let script = format!("d=$(tmpx dir); (export TMPDIR=$d; cd $d; {made}); tmpx cleanup -q $d");
    sandbox.sh(&script).by_nobody().succeeds();
    assert_eq!(sandbox.leases(), Vec::<String>::new(), "cleanup");
}

#[test]
fn leases_made_in_a_directory_end_when_the_reaper_removes_it() {
    let sandbox = Sandbox::for_nobody();
    let script = "d=$(tmpx dir --ttl 300ms); TMPX_REAPER=0 tmpx file -p $d";
    sandbox.sh(script).by_nobody().env("TMPX_REAPER", "1").succeeds();
    wait_until("the leases end", || sandbox.leases().is_empty());
}

#[test]
fn a_lease_does_not_end_with_a_directory_that_took_the_place_of_its_own() {
    let sandbox = Sandbox::for_nobody();
    let run = |script: &str| sandbox.sh(script).by_nobody().run();
    // The directory that is removed has only the name of the one with the file.
    run("d=$(tmpx dir); tmpx file -p $d; mv $d aside; mkdir $d; tmpx cleanup -q $d");
    assert_eq!(sandbox.leases().len(), 1);
    run("tmpx cleanup -q --forget; rm -r aside");
}

#[test]
fn scripts_that_remove_their_files_leave_no_leases() {
    let sandbox = Sandbox::in_memory();
    let scripts = if std::env::var_os("TMPX_STRESS").is_some() { 50 } else { 1 };
    for _ in 0..scripts {
        sandbox.sh("for i in $(seq 200); do f=$(tmpx file); rm $f; done").succeeds();
    }
    sandbox.tmpx(["cleanup"]).expects(0, "", "tmpx: removed 0\n");
}

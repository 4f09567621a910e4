//! What is removed, kept and forgotten on real filesystems of each class.

use std::fs;

use crate::support::filesystems::{
    BINDFS, BTRFS, EVERYWHERE, EXT2, NTFS, OVERLAY, SSHFS, UNPROVABLE, XFS, replaced,
};
use crate::support::namespaces::mounting;
use crate::support::sandbox::{Sandbox, has};

#[test]
fn what_the_user_creates_under_a_name_that_became_free_is_kept_everywhere() {
    let script = "f=$(tmpx file -p m --name report.csv); rm $f; echo thesis >$f; tmpx cleanup --all; cat $f; \
                  f=$(tmpx file -p m --name other.csv); rm $f; again; echo thesis >$f; tmpx cleanup --all; \
                  cat $f; f=$(tmpx file -p m --name third.csv); echo thesis >m/new; mv m/new $f; again; \
                  tmpx cleanup --all; cat $f";
    let each = |name| replaced(name) + "tmpx: removed 0, kept 1 replaced\n";
    let expected = ["report.csv", "other.csv", "third.csv"].map(each).concat();
    for (filesystem, tools) in EVERYWHERE {
        let sandbox = Sandbox::new();
        let Some(ran) = mounting(&sandbox, filesystem, tools, script) else { continue };
        assert_eq!(ran.stdout, "thesis\n".repeat(3), "{filesystem} {ran:?}");
        assert_eq!(ran.stderr, expected, "{filesystem}");
    }
}

/// The numbers of files that were removed are used again at once.
const BINDFS_ON_EXT2: &str = "mkdir src m; truncate -s 32M image; mkfs.ext2 -q -I 128 image >/dev/null; \
    mount -o loop image src && mount_it() { bindfs src m; }";

#[test]
fn the_reaper_keeps_what_the_user_creates_under_a_name_that_became_free() {
    let script = "until_now() { tmpx \"$@\" -p m --ttl 1ms; }; \
        f=$(until_now file --name report.csv); i=$(stat -c %i $f); rm $f; echo thesis >$f; \
        [ $i = $(stat -c %i $f) ] && echo same number; \
        f=$(until_now file --name other.csv); rm $f; again; echo thesis >$f; \
        f=$(until_now file --name third.csv); echo thesis >m/new; mv m/new $f; again; \
        d=$(until_now dir --name build); rmdir $d; mkdir $d; echo thesis >$d/t; \
        until_now file --name ours.csv >/dev/null; until_now dir --name ours >/dev/null; again; \
        tmpx-reaper $TMPX_STATE_DIR; cat m/*.csv m/build/t; ls m; ls $TMPX_STATE_DIR/leases | wc -l; \
        tmpx cleanup; cat m/*.csv m/build/t";
    let file = ["report.csv", "other.csv", "third.csv"].map(replaced).concat();
    let dir = "tmpx: kept $ROOT/cwd/m/build: no longer the directory tmpx created; remove it with rm -r\n";
    let expected = format!("{file}{dir}tmpx: removed 0, kept 4 replaced\n");
    let theses = "thesis\n".repeat(4);
    let left = "build\nother.csv\nreport.csv\nthird.csv\n";
    let bindfs: (&str, &[&str]) = (BINDFS_ON_EXT2, &["bindfs", "mkfs.ext2"]);
    for (filesystem, tools) in EVERYWHERE.into_iter().chain([bindfs]) {
        let sandbox = Sandbox::new();
        let Some(ran) = mounting(&sandbox, filesystem, tools, script) else { continue };
        let stdout = ran.stdout.replace("lost+found\n", "").replace("private\n", "");
        let (number, stdout) = match stdout.strip_prefix("same number\n") {
            Some(rest) => (true, rest),
            None => (false, &*stdout),
        };
        assert!(number || filesystem != BINDFS_ON_EXT2, "{ran:?}");
        assert_eq!(stdout, format!("{theses}{left}4\n{theses}"), "{filesystem} {ran:?}");
        assert_eq!(ran.stderr, expected, "{filesystem}");
    }
}

#[test]
fn the_reaper_keeps_the_users_file_also_if_it_has_waited_for_the_end_of_the_time() {
    let sandbox = Sandbox::new();
    // The reaper has to wait unless the machine needs more than a second for this.
    let script = "f=$(tmpx file -p m --name report.csv --ttl 1s); rm $f; echo thesis >$f; \
                  tmpx file -p m --name ours.csv --ttl 1s >/dev/null; tmpx-reaper $TMPX_STATE_DIR; \
                  ls m; tmpx cleanup; cat $f";
    let Some(ran) = mounting(&sandbox, BINDFS, &["bindfs"], script) else { return };
    assert_eq!(ran.stdout, "report.csv\nthesis\n", "{ran:?}");
    assert_eq!(ran.stderr, replaced("report.csv") + "tmpx: removed 0, kept 1 replaced\n");
}

#[test]
fn what_tmpx_created_is_removed_everywhere_after_a_remount_and_a_full_memory() {
    let script = "mkdir -p m/private m/shared; chmod 775 m/shared; \
        tmpx file -p m --name report.csv; tmpx dir -p m work.XXX; tmpx file -p m/private; \
        tmpx file -p m/shared; tmpx dir -p m/shared; touch $(tmpx dir -p m/shared)/file; \
        tmpx workspace -p m/shared --mkdir a; sync; echo 2 >/proc/sys/vm/drop_caches; tmpx list >list; \
        wc -l <list; again; tmpx cleanup --all -q; ls m m/private m/shared";
    for (filesystem, tools) in EVERYWHERE {
        let sandbox = Sandbox::new();
        let Some(ran) = mounting(&sandbox, filesystem, tools, script) else { continue };
        let left =
            ran.stdout.split_once("7\nm:\n").map(|(_, left)| left.replace("lost+found\n", ""));
        let empty = "private\nshared\n\nm/private:\n\nm/shared:\n";
        assert_eq!(left.as_deref(), Some(empty), "{filesystem} {ran:?}");
        assert_eq!(ran.stderr, "", "{filesystem}");
    }
}

/// What is removed before a remount is gone where directories have a lasting identity. Elsewhere nothing tells
/// it from what is on another filesystem in the place.
#[test]
fn what_the_user_removed_before_a_remount_is_gone_or_out_of_sight_until_the_user_forgets_it() {
    // A creation after the removal could have pruned the first lease.
    let script = "tmpx file -p m --count 3 >made; tmpx file -p m --ttl 1ms >>made; rm $(cat made); again; \
        tmpx list; tmpx cleanup; tmpx cleanup --all; cat $TMPX_STATE_DIR/leases/* 2>/dev/null | grep -c unseen; \
        tmpx list --json | grep -o '\"state\":\"[a-z_]*\"' | uniq -c; tmpx cleanup --forget; tmpx list";
    let why = "out of sight in $ROOT/cwd/m: mounted anew, or only visible elsewhere";
    let kept = "tmpx: removed 0, kept 4 out of sight\n";
    let forgotten = format!(
        "tmpx: 4 {why}\n{kept}tmpx: kept 4 {why}\n{kept}\
         hint: tmpx cleanup --forget --all ends the leases of what is out of sight\n\
         tmpx: ended the leases of 4 resources\n"
    );
    let gone = "tmpx: removed 0\n".repeat(2) + "tmpx: ended the leases of 0 resources\n";
    for (filesystem, tools) in EVERYWHERE.into_iter().chain(UNPROVABLE) {
        let sandbox = Sandbox::new();
        let Some(ran) = mounting(&sandbox, filesystem, tools, script) else { continue };
        let is_lasting = [BTRFS, OVERLAY, XFS, EXT2].contains(&filesystem);
        let (stdout, stderr) = if is_lasting {
            ("0\n", &gone)
        } else {
            // No 30 days begin: they end the leases of what was most likely removed.
            ("0\n      4 \"state\":\"out_of_sight\"\n", &forgotten)
        };
        assert_eq!((ran.stdout.as_str(), &ran.stderr), (stdout, stderr), "{filesystem}");
    }
}

#[test]
fn where_nothing_can_be_proven_a_chosen_name_is_kept_until_the_user_insists() {
    let script = "f=$(tmpx file -p m --name report.csv); tmpx file -p m; tmpx exec -p m -- sh -c 'echo a >b'; \
                  tmpx cleanup --all; tmpx list --json | grep -o '\"state\":\"[a-z]*\"'; \
                  tmpx cleanup $f; echo $?; tmpx cleanup -q --force $f; ls m";
    for (filesystem, tools) in UNPROVABLE {
        let sandbox = Sandbox::new();
        let Some(ran) = mounting(&sandbox, filesystem, tools, script) else { continue };
        let kept =
            "tmpx: kept $ROOT/cwd/m/report.csv: nothing proves that it is the file tmpx created\n";
        let hint = "hint: tmpx cleanup --force $ROOT/cwd/m/report.csv removes it all the same\n";
        let expected = format!(
            "tmpx: cleanups will keep $ROOT/cwd/m/report.csv: its filesystem lets nothing prove later that tmpx created it\n\
             {kept}tmpx: removed 1 (0 B), kept 1 unproven\n{hint}\
             {kept}tmpx: removed 0, kept 1 unproven\n{hint}"
        );
        assert_eq!(ran.stderr, expected, "{filesystem}");
        let random = "$ROOT/cwd/m/tmp.RANDOM\n".repeat(2);
        let expected = format!("{random}\"state\":\"unproven\"\n1\n");
        assert_eq!(ran.stdout, expected, "{filesystem} {ran:?}");
    }
}

#[test]
fn many_unproven_files_of_one_directory_are_reported_in_one_line() {
    let script = "for i in 1 2 3; do tmpx file -p m --name report.csv 2>/dev/null; done; \
                  tmpx cleanup --all; tmpx cleanup --all -q; tmpx cleanup -q --force m/*; ls m";
    for (filesystem, tools) in UNPROVABLE {
        let sandbox = Sandbox::new();
        let Some(ran) = mounting(&sandbox, filesystem, tools, script) else { continue };
        let kept = "tmpx: kept 3 unproven in $ROOT/cwd/m: nothing proves that tmpx created them\n";
        let (before, hint) = ran.stderr.split_once("hint: ").unwrap();
        assert_eq!(before, format!("{kept}tmpx: removed 0, kept 3 unproven\n"), "{filesystem}");
        let (hint, quiet) = hint.split_once('\n').unwrap();
        assert_eq!(quiet, kept);
        let first = "tmpx cleanup --force $ROOT/cwd/m/report.csv";
        assert!(hint.starts_with(first) && hint.ends_with(" all the same"), "{hint}");
        assert_eq!(ran.stdout.lines().count(), 3, "all are removed: {ran:?}");
    }
}

#[test]
fn force_never_removes_what_is_another_file() {
    let sandbox = Sandbox::new();
    let script = "f=$(tmpx file -p m --name report.csv); rm $f; echo thesis >$f; \
                  tmpx cleanup -q --force $f; cat $f";
    let Some(ran) = mounting(&sandbox, BINDFS, &["bindfs"], script) else { return };
    assert_eq!((ran.stdout.as_str(), ran.stderr), ("thesis\n", replaced("report.csv")));
}

#[test]
fn the_mark_is_not_on_what_becomes_the_users() {
    let sandbox = Sandbox::new();
    let script = "echo a | tmpx replace m/new; echo a >m/old; echo b | tmpx replace m/old; \
                  tmpx exec --out r:m/saved -- sh -c 'echo a >r'; tmpx exec --report m/report -- true; \
                  f=$(tmpx file -p m); getfattr -d -R -h m; tmpx cleanup -q $f";
    let Some(ran) = mounting(&sandbox, BINDFS, &["bindfs", "getfattr"], script) else { return };
    assert_eq!(ran.stdout.matches("# file: m/tmp.RANDOM\nuser.tmpx=").count(), 1, "{ran:?}");
    assert_eq!(ran.stdout.matches("user.").count(), 1, "{ran:?}");
}

#[test]
fn a_leased_file_is_the_users_once_tmpx_itself_has_replaced_it() {
    let script = "f=$(tmpx file -p m --name report.csv); echo thesis | tmpx replace $f; tmpx cleanup --all; cat $f; \
                  f=$(tmpx file -p m --name other.csv); tmpx exec --in $f:r --out r:$f -- sh -c 'echo thesis >r'; \
                  tmpx cleanup --all; cat $f; \
                  sh -c 'tmpx file -p m --name third.csv --until-exit >f; echo thesis | tmpx replace $(cat f)'; \
                  tmpx cleanup; cat $(cat f)";
    let each = |name| replaced(name) + "tmpx: removed 0, kept 1 replaced\n";
    let expected = ["report.csv", "other.csv", "third.csv"].map(each).concat();
    for (filesystem, tools) in EVERYWHERE {
        let sandbox = Sandbox::new();
        let Some(ran) = mounting(&sandbox, filesystem, tools, script) else { continue };
        assert_eq!(ran.stdout, "thesis\n".repeat(3), "{filesystem} {ran:?}");
        assert_eq!(ran.stderr, expected, "{filesystem}");
    }
}

#[test]
fn a_directory_whose_mark_anybody_could_have_set_is_kept() {
    let sandbox = Sandbox::new();
    // Another user has a directory of ours, open to all, marked and moved to the name.
    let script = "mkdir m/tmp; chmod 1777 m/tmp; d=$(tmpx dir -p m/tmp --name d); mark=$(getfattr \
        --only-values -n user.tmpx $d); rmdir $d; mkdir $d; touch $d/precious; chmod 777 $d; \
        setfattr -n user.tmpx -v \"$mark\" $d; tmpx cleanup --all -q; ls $d; rm -r $d; tmpx cleanup -q";
    let Some(ran) = mounting(&sandbox, BINDFS, &["bindfs", "getfattr", "setfattr"], script) else {
        return;
    };
    assert_eq!(ran.stdout, "precious\n", "{ran:?}");
}

#[test]
fn a_full_directory_that_anybody_can_write_is_kept_where_only_a_mark_proves() {
    let sandbox = Sandbox::new();
    let ntfs = NTFS.replace("umask=077", "umask=0");
    let script = "tmpx file -p m >/dev/null; tmpx dir -p m >/dev/null; d=$(tmpx dir -p m --name d); touch $d/file; \
                  again; tmpx cleanup --all; ls m; \
                  tmpx cleanup --force m/d";
    let Some(ran) = mounting(&sandbox, &ntfs, &["mkfs.ntfs", "ntfs-3g"], script) else { return };
    let expected = "tmpx: kept $ROOT/cwd/m/d: nothing proves that it is the directory tmpx created\n\
         tmpx: removed 2 (0 B), kept 1 unproven\n\
         hint: tmpx cleanup --force $ROOT/cwd/m/d removes it all the same\n\
         tmpx: removed 1 (0 B)\n";
    let removed = "$ROOT/cwd/m/tmp.RANDOM\n".repeat(2);
    let stdout = format!("{removed}d\n$ROOT/cwd/m/d\n");
    assert_eq!((ran.stdout, ran.stderr.as_str()), (stdout, expected));
}

#[test]
fn inode_numbers_prove_on_ramfs_within_the_boot() {
    let sandbox = Sandbox::new();
    let ramfs = "mkdir m; mount_it() { mount -t ramfs none m; }";
    let script = "tmpx file -p m --name ours.csv; f=$(tmpx file -p m --name other.csv); echo a >m/new; \
                  mv m/new $f; tmpx cleanup --all; ls m";
    let Some(ran) = mounting(&sandbox, ramfs, &[], script) else { return };
    let expected = replaced("other.csv") + "tmpx: removed 1 (0 B), kept 1 replaced\n";
    assert_eq!(ran.stderr.replace("4.0 KiB", "0 B"), expected);
    assert_eq!(ran.stdout.lines().last(), Some("other.csv"));
}

#[test]
fn another_filesystem_in_the_place_is_left_alone() {
    let sandbox = Sandbox::new();
    // Two sources at one mount point in turn: the numbers of their files are the same.
    let script = "tmpx file -p m --name report.csv; umount m; mkdir b; echo thesis >b/report.csv; \
                  bindfs b m; tmpx cleanup --all -q; cat m/report.csv; again; rm src/report.csv";
    let Some(ran) = mounting(&sandbox, BINDFS, &["bindfs"], script) else { return };
    assert!(ran.stdout.ends_with("thesis\n"), "{ran:?}");
    fs::write(sandbox.cwd().join("b/report.csv"), "").unwrap();
    sandbox.tmpx(["cleanup", "-q", "--forget"]).run();
}

/// Kills tmpx before the second step of giving a file or directory the name that the user chose.
const KILLED_BETWEEN_TWO_STEPS: &str = "between() { strace -qq -o trace -e inject=$1:error=EIO:signal=KILL tmpx $2 -p m \
    --name $3 && echo not killed; }; between unlinkat file data.csv; between renameat dir build; ls m; \
    tmpx cleanup -q; ls -A m; tmpx cleanup -q";

#[test]
fn a_kill_between_the_two_steps_of_a_publication_leaves_an_empty_directory_that_is_reported() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = format!("{KILLED_BETWEEN_TWO_STEPS}; rmdir m/build; ls -A m; tmpx list");
    let Some(ran) = mounting(&sandbox, BINDFS, &["bindfs"], &script) else { return };
    assert_eq!(ran.stdout, "build\ndata.csv\nbuild\n", "{ran:?}");
    let kept = "tmpx: kept $ROOT/cwd/m/build: no longer the directory tmpx created; remove it with rm -r\n";
    assert_eq!(ran.stderr.replace("Killed\n", ""), kept);
}

#[test]
fn a_kill_between_the_two_steps_leaves_only_what_has_the_chosen_name_where_nothing_is_proven() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = format!(
        "{KILLED_BETWEEN_TWO_STEPS}; tmpx cleanup -q --force m/data.csv; rmdir m/build; ls -A m; tmpx list"
    );
    let Some(ran) = mounting(&sandbox, SSHFS, &["sshfs"], &script) else { return };
    assert_eq!(ran.stdout, "build\ndata.csv\nbuild\ndata.csv\n", "{ran:?}");
    let file = "tmpx: kept $ROOT/cwd/m/data.csv: nothing proves that it is the file tmpx created\n";
    let dir = "tmpx: kept $ROOT/cwd/m/build: no longer the directory tmpx created; remove it with rm -r\n";
    assert_eq!(ran.stderr.replace("Killed\n", ""), format!("{dir}{file}{file}"));
}

/// Stops tmpx after it has created the directory, puts another one of ours into its place, and lets it go on.
#[test]
fn a_directory_that_others_put_in_the_place_of_a_new_one_is_not_taken_where_none_has_a_birth_time()
{
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "chmod 777 m; mkdir -m 700 m/thesis; echo x >m/thesis/t; touch -d @1000 m/thesis; \
        tmpx cleanup -q $(tmpx file); \
        strace -qq -o trace -e trace=mkdirat -e inject=mkdirat:signal=SIGSTOP:when=1 \
            sh -c 'echo $$ >pid; exec tmpx dir -p m' & \
        until grep -q 'stopped by SIGSTOP' trace 2>/dev/null; do :; done; \
        n=$(ls m | grep ^tmp); rmdir m/$n; mv m/thesis m/$n; kill -CONT $(cat pid); wait $!; echo $?; \
        tmpx cleanup --all -q; cat m/tmp*/t; rm -r m/tmp*; tmpx cleanup --all -q";
    let Some(ran) = mounting(&sandbox, EXT2, &["mkfs.ext2"], script) else { return };
    assert_eq!(ran.stdout, "1\nx\n", "{ran:?}");
    assert!(ran.stderr.contains("another process replaced it while it was created"), "{ran:?}");
}

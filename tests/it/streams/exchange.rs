//! `tmpx replace` where files cannot be exchanged, and where nothing proves which file has a name.

use crate::support::filesystems::{
    BINDFS, EXFAT, EXFAT_TOOLS, EXT2, FUSE_OVERLAYFS, GOCRYPTFS, OVERLAY, SSHFS,
};
use crate::support::namespaces::mounting;
use crate::support::sandbox::{Ran, Sandbox, has};

/// Prints the file, all names beside it, and what a cleanup has to say.
const LOOK: &str = "look() { cat m/f; ls -A m | grep -vx -e private -e lost+found; tmpx cleanup; \
                    tmpx list; }; ";

/// Runs tmpx on `m/f`. While it waits for the disk, `meanwhile` runs.
const DURING_SYNC: &str = "during_sync() { rm -f trace; echo tmpx | strace -qq -o trace -e trace=fsync \
    -e inject=fsync:delay_enter=400000:when=1 \"$@\" & until grep -qs fsync trace; do :; done; meanwhile; \
    wait $!; echo $?; }; ";

/// Runs a script that has [`LOOK`] and [`DURING_SYNC`] and a file `m/f` on a filesystem.
fn run(sandbox: &Sandbox, filesystem: &str, tools: &[&str], script: &str) -> Option<Ran> {
    if !has("strace") {
        return None;
    }
    let script = format!("{LOOK}{DURING_SYNC}echo first >m/f; {script}");
    mounting(sandbox, filesystem, tools, &script)
}

/// Filesystems that can exchange files or not, and on which an identity, a mark or nothing proves.
const EACH: [(&str, &[&str]); 6] = [
    (BINDFS, &["bindfs"]),
    (EXFAT, EXFAT_TOOLS),
    (EXT2, &["mkfs.ext2"]),
    (GOCRYPTFS, &["gocryptfs"]),
    (OVERLAY, &[]),
    (SSHFS, &["sshfs"]),
];

#[test]
fn what_another_program_adds_before_the_rename_is_kept_and_no_hidden_file_stays() {
    let script = "meanwhile() { echo editor >>m/f; }; \
                  during_sync tmpx replace --append --sync m/f; look; \
                  during_sync tmpx replace --sync m/f -- echo new; look; \
                  during_sync tmpx replace --sync m/f; look";
    let edited = "first\neditor\ntmpx\n";
    let stdout = format!("0\n{edited}f\n125\n{edited}editor\nf\n0\ntmpx\nf\n");
    let changed = "tmpx: could not replace m/f: it changed while the command ran\n\
                   hint: the command must leave the file alone and write to stdout: no -i, no -o\n";
    let removed = "tmpx: removed 0\n";
    let stderr = format!("{removed}{changed}{removed}{removed}");
    for (filesystem, tools) in EACH {
        let sandbox = Sandbox::new();
        let Some(ran) = run(&sandbox, filesystem, tools, script) else { continue };
        assert_eq!((ran.stdout, ran.stderr), (stdout.clone(), stderr.clone()), "{filesystem}");
    }
}

#[test]
fn a_new_mode_just_before_the_rename_is_a_change_too() {
    let script = "touch -d @1000 m/f; meanwhile() { chmod 640 m/f; }; \
                  during_sync tmpx replace --append --sync m/f; stat -c %a m/f; look; \
                  meanwhile() { printf 'First\ntmpx\n' >m/f; touch -r m/.time m/f; }; \
                  cp -p m/f m/.time; during_sync tmpx replace --append --sync m/f; rm m/.time; look";
    let stdout = "0\n640\nfirst\ntmpx\nf\n0\nFirst\ntmpx\ntmpx\nf\n";
    for (filesystem, tools) in [(BINDFS, &["bindfs"][..]), (GOCRYPTFS, &["gocryptfs"])] {
        let sandbox = Sandbox::new();
        let Some(ran) = run(&sandbox, filesystem, tools, script) else { continue };
        assert_eq!(ran.stdout, stdout, "{filesystem} {ran:?}");
    }
}

#[test]
fn no_hidden_file_stays_if_tmpx_gives_up() {
    let script = "meanwhile() { echo theirs >new; chown 1234 new; cp -p new m/.new; mv m/.new m/f; }; \
                  during_sync tmpx replace --append --sync m/f; look; echo first >m/f; \
                  for fault in renameat:error=EIO renameat2:error=EIO flock:error=EBADF; do \
                      echo tmpx | strace -qq -o /dev/null -e inject=$fault tmpx replace -a m/f 2>/dev/null; \
                      ls -A m; tmpx list; done; tmpx cleanup; \
                  echo tmpx | strace -qq -o /dev/null -e inject=renameat2:error=EIO:when=2 \
                      tmpx replace -a m/f 2>/dev/null; ls -A m; tmpx cleanup";
    let stdout = format!("1\ntheirs\nf\n{}", "f\n".repeat(4));
    let refused = "tmpx: could not replace m/f: other processes keep changing it\n";
    let stderr = format!("{refused}{}", "tmpx: removed 0\n".repeat(3));
    for (filesystem, tools) in [
        (BINDFS, &["bindfs"][..]),
        (FUSE_OVERLAYFS, &["fuse-overlayfs"]),
        (GOCRYPTFS, &["gocryptfs"]),
    ] {
        let sandbox = Sandbox::new();
        let Some(ran) = run(&sandbox, filesystem, tools, script) else { continue };
        let stdout_found = ran.stdout.replace("private\n", "");
        assert_eq!((stdout_found, ran.stderr), (stdout.clone(), stderr.clone()), "{filesystem}");
    }
}

#[test]
fn what_an_editor_puts_in_the_place_just_before_the_exchange_is_kept_and_no_hidden_file_stays() {
    let script = "echo tmpx | strace -qq -o trace -e trace=renameat2 \
                      -e inject=renameat2:delay_enter=400000 tmpx replace -a m/f & \
                  until grep -qs '\"f\"' trace; do :; done; sed -i '$ased' m/f; wait $!; echo $?; look";
    for (filesystem, tools) in
        [(FUSE_OVERLAYFS, &["fuse-overlayfs"][..]), (GOCRYPTFS, &["gocryptfs"])]
    {
        let sandbox = Sandbox::new();
        let Some(ran) = run(&sandbox, filesystem, tools, script) else { continue };
        assert_eq!(ran.stdout, "0\nfirst\nsed\ntmpx\nf\n", "{filesystem} {ran:?}");
        assert_eq!(ran.stderr, "tmpx: removed 0\n", "{filesystem}");
    }
}

/// Kills tmpx at each of these calls in turn, from the lock on, and cleans up.
const KILLS: &str = "kills=0; for call in flock write openat fstat renameat2 renameat unlinkat lseek close; do \
    when=1; while :; do \
        echo first >m/f; echo tmpx | strace -qq -o trace -e trace=$call -e inject=$call:signal=KILL:when=$when \
            tmpx replace -a m/f 2>/dev/null && break; \
        kills=$((kills+1)) when=$((when+1)); tmpx cleanup -q; \
        case $(tr '\\n' , <m/f) in first,|first,tmpx,) ;; *) cat m/f;; esac; [ \"$(ls -A m)\" = f ] || ls -A m; \
    done; done 2>stderr; grep -v Killed stderr; [ $kills -gt 50 ] || echo $kills";

#[test]
fn a_kill_at_any_call_leaves_nothing_where_files_cannot_be_exchanged() {
    for (filesystem, tools) in [(BINDFS, &["bindfs"][..]), (EXFAT, EXFAT_TOOLS)] {
        let sandbox = Sandbox::new();
        let Some(ran) = run(&sandbox, filesystem, tools, KILLS) else { continue };
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""), "{filesystem}");
    }
}

/// Nothing tells the old file from what an editor has written, so the user is asked.
#[test]
fn a_kill_in_the_exchange_leaves_a_file_that_is_reported_where_nothing_is_proven() {
    // The first exchange is that of two files of tmpx itself.
    let script = "for when in 1 2; do echo tmpx | strace -qq -o /dev/null \
        -e inject=renameat2:signal=KILL:when=$when tmpx replace -a m/f; tmpx cleanup -q; ls -A m; done; \
        tmpx cleanup -q --force m/.tmpx.*; ls -A m; tmpx list";
    let sandbox = Sandbox::new();
    let Some(ran) = run(&sandbox, GOCRYPTFS, &["gocryptfs"], script) else { return };
    let (before, after) = ran.stdout.split_once(".tmpx.").unwrap();
    assert_eq!((before, &after[10..after.len().min(13)]), ("f\n", "\nf\n"), "{ran:?}");
    assert!(ran.stdout.ends_with("\nf\n"), "{ran:?}");
    let reported = "nothing proves that it is the file tmpx created\n";
    assert_eq!(ran.stderr.matches(reported).count(), 1, "{ran:?}");
}

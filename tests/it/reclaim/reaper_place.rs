//! Where the reaper and the creators of leases meet, and that the reaper keeps no filesystem busy.

use crate::support::namespaces::with_mounts;
use crate::support::reaper::reapers;
use crate::support::sandbox::{Ran, Sandbox, has};
use crate::support::wait::wait_until;

/// Runs a script with a home on a filesystem of its own, on which a reaper watches a lease. `before`
/// prepares what the reaper finds. Afterwards, `$file` has the lease and `$reaper` is the directory of the
/// reaper in /proc.
fn with_reaper(sandbox: &Sandbox, before: &str, script: &str) -> Option<Ran> {
    let script = format!(
        r#"
        set -e
        unset TMPX_REAPER
        mount -t tmpfs none /run
        mount -t tmpfs -o mode=1777 none /dev/shm
        mkdir -p /run/user
        mkdir disk
        mount -t tmpfs none disk
        mkdir -m 700 disk/home
        mount --bind disk/home "$HOME"
        {before}
        file=$(tmpx file --until-exit=$$)
        find_reaper() {{
            for process in /proc/[0-9]*; do
                tr '\0' ' ' 2>/dev/null <"$process/cmdline" | grep -q "^tmpx-reaper $TMPX_STATE_DIR" && echo "$process"
            done
            true
        }}
        # It has read the lease if it waits for the owner.
        until ls -l "$(find_reaper)/fd" 2>/dev/null | grep -q pidfd; do :; done
        reaper=$(find_reaper)
        # It may still be looking at the lease.
        unmount_home() {{
            tries=0
            until umount "$HOME" 2>/dev/null; do tries=$((tries + 1)); [ "$tries" -lt "$1" ] || return 1; done
        }}
        {script}
        "#
    );
    let ran = with_mounts(sandbox, &script)?;
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    wait_until("the reaper ends", || reapers(sandbox).is_empty());
    Some(ran)
}

/// Unmounts the home, mounts it again, and ends the lease, so that the reaper exits and removes the FIFO.
const UNMOUNT: &str = r#"
    unmount_home 30000
    [ -d "$reaper" ] && echo alive
    mount --bind disk/home "$HOME"
    tmpx cleanup --quiet --force "$file"
    while [ -e "$fifo" ]; do :; done
"#;

#[test]
fn a_home_directory_can_be_unmounted_while_a_reaper_watches_its_leases() {
    let sandbox = Sandbox::new();
    let before = "mkdir -m 700 /run/user/$(id -u)";
    let script = format!("fifo=$(echo /run/user/*/*); [ -p \"$fifo\" ]; {UNMOUNT} ls -A /dev/shm");
    let Some(ran) = with_reaper(&sandbox, before, &script) else { return };
    assert_eq!(ran.stdout, "alive\n");
}

#[test]
fn a_home_directory_can_be_unmounted_where_no_user_has_a_directory_in_run() {
    let script = format!(
        "fifo=$(echo /dev/shm/.tmpx-$(id -u)/*); [ -p \"$fifo\" ]; stat -c '%a %u' \"${{fifo%/*}}\" \"$fifo\"; \
         {UNMOUNT} ls -A /dev/shm/.tmpx-*"
    );
    // A umask that denies everything changes nothing.
    for before in ["", "umask 0777"] {
        let sandbox = Sandbox::new();
        let Some(ran) = with_reaper(&sandbox, before, &script) else { return };
        assert_eq!(ran.stdout, "700 0\n600 0\nalive\n", "{before}");
    }
}

#[test]
fn creators_with_and_without_a_login_find_the_reaper_in_memory_and_it_removes_in_time() {
    let sandbox = Sandbox::new();
    let script = r#"
        f=$(env -i PATH="$PATH" TMPX_STATE_DIR="$TMPX_STATE_DIR" TMPDIR="$TMPDIR" tmpx file --ttl 50ms)
        while [ -e "$f" ]; do :; done
        [ "$(find_reaper)" = "$reaper" ] && echo the same reaper
        tmpx cleanup --quiet --force "$file"
        while [ -n "$(find_reaper)" ]; do :; done
    "#;
    let Some(ran) = with_reaper(&sandbox, "", script) else { return };
    assert_eq!(ran.stdout, "the same reaper\n");
}

/// What another user, or this one, may have at the path in memory that is not to be trusted.
const PLANTED: [&str; 6] = [
    "mkdir -m 777 $dir; chown nobody $dir",
    "mkdir -m 700 $dir; chown nobody $dir",
    "mkdir -m 777 $dir; chmod 777 $dir",
    "mkdir -m 700 /dev/shm/other; ln -s other $dir",
    "touch $dir",
    "mkdir $dir; mount -t tmpfs -o mode=700 none $dir",
];

#[test]
fn what_another_user_has_put_in_the_place_in_memory_is_passed_over() {
    for planted in PLANTED {
        let sandbox = Sandbox::new();
        let before =
            format!("dir=/dev/shm/.tmpx-$(id -u); {planted}; before=$(stat -c '%a %u %F' $dir)");
        // The FIFO is in the store then, which is busy.
        let script = r#"
            [ -p "$(echo "$TMPX_STATE_DIR"/leases/reaper.2.*)" ] && echo in the store
            unmount_home 20 || echo busy
            [ "$(stat -c '%a %u %F' $dir)" = "$before" ] && echo untouched
            find /dev/shm -type p
            tmpx cleanup --quiet --force "$file"
            while [ -n "$(find_reaper)" ]; do :; done
        "#;
        let Some(ran) = with_reaper(&sandbox, &before, script) else { return };
        assert_eq!(ran.stdout, "in the store\nbusy\nuntouched\n", "{planted}");
    }
}

#[test]
fn a_filesystem_in_the_place_in_memory_that_never_answers_holds_nobody_up() {
    if !has("bindfs") {
        return;
    }
    let sandbox = Sandbox::new();
    let before = "dir=/dev/shm/.tmpx-0; mkdir -m 700 other $dir; chown nobody $dir; bindfs -f other $dir & daemon=$!; \
                  trap 'kill -KILL $daemon' EXIT; until mountpoint -q $dir; do :; done; kill -STOP $daemon";
    let script = r#"
        timeout 20 tmpx cleanup --quiet --force "$file"
        while [ -n "$(find_reaper)" ]; do :; done
        timeout 20 tmpx file --ttl 1ms | wc -l
    "#;
    let Some(ran) = with_reaper(&sandbox, before, script) else { return };
    assert_eq!(ran.stdout, "1\n");
}

#[test]
fn without_any_other_place_the_reaper_keeps_the_filesystem_of_the_store_busy_until_it_ends() {
    for before in ["mount -t tmpfs -o ro none /dev/shm", "mount -t tmpfs none /dev"] {
        let sandbox = Sandbox::new();
        let script = r#"
            [ -p "$(echo "$TMPX_STATE_DIR"/leases/reaper.2.*)" ] && echo in the store
            unmount_home 20 || echo busy
            tmpx cleanup --quiet --force "$file"
            while [ -n "$(find_reaper)" ]; do :; done
            unmount_home 30000
            mount --bind disk/home "$HOME"
        "#;
        let Some(ran) = with_reaper(&sandbox, before, script) else { return };
        assert_eq!(ran.stdout, "in the store\nbusy\n", "{before}");
    }
}

#[test]
fn a_cleanup_that_finds_no_reaper_creates_no_place_for_one() {
    let sandbox = Sandbox::new();
    let script = "mount -t tmpfs none /run; mount -t tmpfs none /dev/shm; mount -t tmpfs none \"$HOME\"; \
                  tmpx file; tmpx cleanup -q --all; ls -A /dev/shm";
    let Some(ran) = with_mounts(&sandbox, script) else { return };
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("$ROOT/tmp/tmp.RANDOM\n", ""));
}

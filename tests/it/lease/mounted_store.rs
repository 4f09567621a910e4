//! What another user has mounted at the path of a store, where the system lets users do that (`user_allow_other`
//! of FUSE). The owners and modes of its files are what that user says.

use crate::support::filter::shell_function;
use crate::support::namespaces::with_mounts;
use crate::support::sandbox::{Sandbox, has, is_root, skip_unless};

/// Runs a script with the usual stores in an empty /var/tmp. `mount_at DIR` mounts the files of nobody in `fs`
/// as those of root. There is a lease that removes `Documents`.
fn script(script: &str) -> String {
    format!(
        r#"
        set -e
        mount -t tmpfs -o mode=1777 none /var/tmp
        store=/var/tmp/.tmpx-0
        mount_at() {{ mkdir -m 700 -p "$1"; chown nobody "$1"; bindfs --force-user=root "$PWD/fs" "$1"; }}
        mkdir -m 700 fs
        mount_at state
        TMPX_STATE_DIR=$PWD/state tmpx dir -p "$PWD" --name Documents --ttl 1ms >/dev/null
        touch Documents/thesis
        umount state
        chown -R nobody fs
        unset TMPX_STATE_DIR HOME
        {script}
        "#
    )
}

fn run(sandbox: &Sandbox, script: &str, expected: &str) {
    if !has("bindfs") || !has("python3") {
        return;
    }
    let Some(ran) = with_mounts(sandbox, script) else { return };
    assert_eq!((ran.status, &*ran.stdout, &*ran.stderr), (Some(0), expected, ""), "{script}");
}

#[test]
fn a_filesystem_that_is_mounted_at_the_path_of_a_store_is_no_store() {
    for place in ["$store", "$store.0123456789"] {
        // Without openat2, too.
        for filter in ["", "filter 38 437", "filter 1 437"] {
            let sandbox = Sandbox::new();
            let body = format!(
                "{}mount_at {place}; {filter} tmpx cleanup -q; {filter} tmpx list; \
                 {filter} tmpx file --ttl 1ms >/dev/null; {filter} tmpx cleanup 2>&1; \
                 ls Documents fs/leases | wc -l; umount {place}",
                shell_function(&sandbox)
            );
            run(&sandbox, &script(&body), "$ROOT/tmp/tmp.RANDOM\ntmpx: removed 1 (0 B)\n5\n");
        }
    }
}

#[test]
fn a_reaper_whose_store_was_removed_believes_no_filesystem_that_is_mounted_there() {
    let sandbox = Sandbox::new();
    // The lease of the reaper ends when the shell does that is its owner.
    let body = "mkfifo fifo; sh -c 'TMPX_REAPER=1 tmpx file --until-exit=$$ >path; echo >fifo; read line <fifo' & \
        owner=$!; read line <fifo; until pgrep --ns $$ --nslist mnt -f '^tmpx-reaper /var/tmp/.tmpx-0 shared$' >pid; do :; done; \
        until ls -l /proc/$(cat pid)/fd | grep -q pidfd; do :; done; rm -rf $store; mount_at $store; \
        echo >fifo; wait $owner; while [ -d /proc/$(cat pid) ]; do :; done; ls Documents fs/leases | wc -l; \
        umount $store; rm $(cat path)";
    run(&sandbox, &script(body), "5\n");
}

#[test]
fn a_filesystem_that_never_answers_holds_nobody_up() {
    if !skip_unless(is_root(), "root") {
        return;
    }
    for (place, filter) in [("$store", ""), ("$store.0123456789", ""), ("$store", "filter 38 437")]
    {
        let sandbox = Sandbox::new();
        let body = format!(
            "{}mkdir {place}; chown nobody {place}; bindfs -f --force-user=root fs {place} & daemon=$!; \
             trap 'kill -KILL $daemon' EXIT; until mountpoint -q {place}; do :; done; kill -STOP $daemon; \
             for args in list 'file --ttl 1ms' cleanup 'exec true'; do {filter} timeout 20 tmpx $args >/dev/null 2>&1 || echo $args; done",
            shell_function(&sandbox)
        );
        run(&sandbox, &script(&body), "");
    }
}

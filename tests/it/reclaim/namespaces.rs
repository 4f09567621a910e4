//! Leases from other PID, time and mount namespaces.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;

use crate::support::lease::edit;
use crate::support::sandbox::{Ran, Sandbox, has, is_root, skip_unless};

/// Runs a script in new namespaces, if the test may create them.
fn elsewhere(sandbox: &Sandbox, unshare: &[&str], script: &str) -> Option<Ran> {
    if !skip_unless(is_root(), "root") || !has("unshare") {
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(unshare).args(["sh", "-c", script]);
    Some(sandbox.command(command).run())
}

/// The hint of a cleanup that keeps what it cannot judge.
const HINT: &str = "hint: if no other job runs: tmpx cleanup --other-jobs\n";

/// Whether this is the initial PID namespace, from which all others are visible.
fn sees_all_pid_namespaces() -> bool {
    let link = std::fs::read_link("/proc/self/ns/pid").unwrap();
    skip_unless(link == Path::new("pid:[4026531836]"), "initial PID namespace")
}

#[test]
fn an_owner_in_another_pid_namespace_is_unknown_while_that_lasts_and_dead_after_it() {
    let sandbox = Sandbox::new();
    if !sees_all_pid_namespaces() {
        return;
    }
    // The FIFO ends the namespace.
    let script = "mkfifo end; unshare -p -f --mount-proc sh -c '
            tmpx file --until-exit=$$; tmpx file --until-exit=$$; echo made >made; read x <end' &
        while [ ! -e made ]; do sleep 0.01; done
        tmpx cleanup; tmpx cleanup --all; tmpx list --json; echo >end; wait
        # Another test may have a namespace with the same number at this moment.
        while tmpx cleanup -q 2>/dev/null && [ -n \"$(ls $TMPDIR)\" ]; do sleep 0.05; done";
    let Some(ran) = elsewhere(&sandbox, &["-m"], script) else { return };
    let kept = "tmpx: kept 2: whether their owners run cannot be seen from here\n\
                tmpx: removed 0, kept 2 unknown\n";
    let hint_all = HINT.replace("-jobs", "-jobs --all");
    assert_eq!(ran.stderr, format!("{kept}{HINT}{kept}{hint_all}"), "{ran:?}");
    assert_eq!(ran.stdout.matches("\"state\":\"unknown\"").count(), 2, "{ran:?}");
    assert_eq!(sandbox.left().len(), 0, "the namespace has ended, and its owners with it");
}

#[test]
fn from_inside_a_pid_namespace_others_are_unknown_and_removed_only_on_request() {
    let sandbox = Sandbox::new();
    let create = "tmpx file --until-exit=$$";
    let Some(_) = elsewhere(&sandbox, &["-p", "-f", "--mount-proc"], create) else { return };
    // The number of the namespace may be used again at once, so the first one is not the next.
    let script = "unshare -p -f --mount-proc tmpx cleanup -q --all; ls $TMPDIR; \
                  unshare -p -f --mount-proc tmpx cleanup -q --other-jobs";
    let ran = elsewhere(&sandbox, &["-p", "-f", "--mount-proc"], script).unwrap();
    let kept = "tmpx: kept 1: whether their owners run cannot be seen from here\n";
    // If it is, the start time shows that the owner is dead.
    assert!(ran.stderr.is_empty() || ran.stderr == kept, "{ran:?}");
    assert_eq!(ran.stdout.is_empty(), ran.stderr.is_empty(), "{ran:?}");
}

#[test]
fn a_process_whose_namespace_cannot_be_read_may_be_in_any() {
    let sandbox = Sandbox::for_nobody();
    if !sees_all_pid_namespaces() {
        return;
    }
    // Another user's container runs, which a user cannot look into.
    let script = "mkfifo end; mkdir seen; chmod 777 seen; \
        unshare -p -f --mount-proc sh -c 'echo made >made; read x <end' & \
        while [ ! -e made ]; do sleep 0.01; done; \
        setpriv --reuid 65534 --regid 65534 --clear-groups sh -c ' \
          unshare -r -p -f --mount-proc tmpx file --until-exit=1 >seen/path 2>seen/err; \
          tmpx cleanup'; echo >end; wait";
    let Some(ran) = elsewhere(&sandbox, &["-m"], script) else { return };
    let err = std::fs::read_to_string(sandbox.cwd().join("seen/err")).unwrap();
    if !skip_unless(err.is_empty(), "user namespaces") {
        return;
    }
    let kept = "tmpx: kept 1: whether their owners run cannot be seen from here\n\
                tmpx: removed 0, kept 1 unknown\n";
    assert_eq!(ran.stderr, format!("{kept}{HINT}"), "{ran:?}");
    sandbox.tmpx(["cleanup", "-q"]).by_nobody().succeeds();
}

#[test]
fn a_container_with_a_boot_id_of_its_own_does_not_make_living_owners_dead() {
    let sandbox = Sandbox::new();
    // As systemd-nspawn does: another file is mounted over the id.
    let mask = "echo 01234567-89ab-cdef-0123-456789abcdef >id; \
                mount --bind id /proc/sys/kernel/random/boot_id";
    let script = format!(
        "f=$(tmpx file --until-exit=$$); g=$({mask}; tmpx file --until-exit=$$); \
         tmpx cleanup; umount /proc/sys/kernel/random/boot_id; ls $f $g; tmpx cleanup"
    );
    let Some(ran) = elsewhere(&sandbox, &["-m"], &script) else { return };
    assert_eq!(ran.stdout.lines().count(), 2, "both are kept: {ran:?}");
    let kept = "tmpx: kept 1: whether their owners run cannot be seen from here\n\
                tmpx: removed 0, kept 1 live, 1 unknown\n";
    assert_eq!(ran.stderr, format!("{kept}{HINT}{kept}{HINT}"), "{ran:?}");
    sandbox.tmpx(["cleanup", "-q", "--other-jobs"]).succeeds();
}

/// Changes the boot in the only lease, as if it was written before a restart.
fn age_by_a_boot(sandbox: &Sandbox, boot_ms: Option<u64>, masked: bool) {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let masked = if masked { ",\"masked\":true" } else { "" };
    let other = format!("01234567-89ab-cdef-0123-456789abcdef\"{masked}");
    edit(sandbox.leases_dir().join(&sandbox.leases()[0]), |text| {
        let text = text.replace(&format!("{}\"", boot.trim()), &other);
        let Some(boot_ms) = boot_ms else { return text };
        let (before, after) = text.split_once("\"boot_ms\":").unwrap();
        let rest = after.trim_start_matches(|char: char| char.is_ascii_digit());
        format!("{before}\"boot_ms\":{boot_ms}{rest}")
    });
}

#[test]
fn after_a_restart_an_owner_is_dead_whatever_the_clocks_say() {
    for (boot_ms, masked) in
        [(None, false), (Some(u64::MAX / 2), false), (Some(u64::MAX / 2), true)]
    {
        let sandbox = Sandbox::new();
        let script = "tmpx file --until-exit=$$; echo ready; read line";
        let mut owner = sandbox.sh(script).spawn();
        let mut output = BufReader::new(owner.stdout.as_mut().unwrap()).lines();
        assert!(output.any(|line| line.unwrap() == "ready"));
        age_by_a_boot(&sandbox, boot_ms, masked);
        sandbox.tmpx(["cleanup", "-q"]).succeeds();
        assert_eq!(sandbox.left().len(), 0, "{boot_ms:?} {masked}");
        owner.kill().unwrap();
        owner.wait().unwrap();
    }
}

#[test]
fn a_masked_boot_id_of_an_earlier_moment_decides_nothing() {
    let sandbox = Sandbox::new();
    sandbox.sh("tmpx file --until-exit=$$").succeeds();
    age_by_a_boot(&sandbox, Some(1), true);
    let kept = "tmpx: kept 1: whether their owners run cannot be seen from here\n\
                tmpx: removed 0, kept 1 unknown\n";
    sandbox.tmpx(["cleanup"]).expects(0, "", &format!("{kept}{HINT}"));
    sandbox.tmpx(["cleanup", "-q", "--other-jobs"]).succeeds();
}

#[test]
fn a_ttl_ends_in_every_namespace() {
    let sandbox = Sandbox::new();
    let script = "tmpx file --until-exit=$$ --ttl 0";
    let Some(_) = elsewhere(&sandbox, &["-p", "-f", "--mount-proc"], script) else { return };
    sandbox.tmpx(["cleanup", "-q"]).run();
    assert_eq!(sandbox.left().len(), 0);
    sandbox.clean_up();
}

#[test]
fn a_resource_missing_here_may_exist_in_another_mount_namespace() {
    let sandbox = Sandbox::new();
    // A private temp dir with the same home, as for a system service.
    let script = "mount -t tmpfs tmpfs $TMPDIR && tmpx file && tmpx cleanup -q && ls $TMPDIR";
    let Some(ran) = elsewhere(&sandbox, &["-m"], script) else { return };
    assert_eq!(ran.stdout.lines().count(), 2, "{ran:?}");
    let kept = "tmpx: kept 1 out of sight in $ROOT/tmp: not mounted here, or only visible elsewhere\n\
                tmpx: removed 0, kept 1 out of sight\n\
                hint: tmpx cleanup --forget --all ends the leases of what is out of sight\n";
    sandbox.tmpx(["cleanup", "--all"]).expects(0, "", kept);
    sandbox.tmpx(["cleanup", "--all", "--force", "-q"]).run();
    assert_eq!(sandbox.leases().len(), 1, "force alone forgets nothing that may be there");
    let lost = sandbox.tmp().join(ran.raw.lines().last().unwrap());
    sandbox.tmpx([Path::new("cleanup"), Path::new("--forget"), &lost]).run();
}

#[test]
fn a_resource_on_an_unmounted_filesystem_still_exists() {
    let sandbox = Sandbox::new();
    let script = "mkdir usb other && mount -t tmpfs tmpfs usb && f=$(tmpx file -p usb --ttl 0) && \
                  mount --move usb other && tmpx cleanup; mount --move other usb && \
                  tmpx cleanup -q && ls usb";
    let Some(ran) = elsewhere(&sandbox, &["-m", "--propagation", "private"], script) else {
        return;
    };
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
    assert!(ran.stderr.contains("kept 1 out of sight"), "{ran:?}");
}

#[test]
fn an_owner_in_another_time_namespace_is_not_judged_dead() {
    let sandbox = Sandbox::new();
    let shifted = elsewhere(&sandbox, &["-T", "--boottime", "100000", "-f"], "true");
    let works = shifted.is_some_and(|ran| ran.status == Some(0));
    if !skip_unless(works, "time namespaces") {
        return;
    }
    let script = "sleep 60 & f=$(tmpx file --until-exit=$!); \
                  unshare -T --boottime 100000 -f tmpx cleanup; ls $f; kill $!";
    let ran = sandbox.sh(script).run();
    assert_eq!(ran.stdout, "$ROOT/tmp/tmp.RANDOM\n", "{ran:?}");
    assert!(ran.stderr.contains("kept 1 unknown"), "{ran:?}");
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
}

/// A PID namespace that sees the /proc of its parent: the ids there are not those of the namespace, so they
/// say nothing about its processes.
#[test]
fn a_proc_of_another_pid_namespace_judges_nobody() {
    let sandbox = Sandbox::new();
    let script = "sh -c 'tmpx file --until-exit=$$; f=$(tmpx file); tmpx cleanup --all; ls $f'";
    let Some(ran) = elsewhere(&sandbox, &["-p", "-f"], script) else {
        return;
    };
    assert_eq!(ran.stdout, "$ROOT/tmp/tmp.RANDOM\n", "{ran:?}");
    assert!(ran.stderr.contains("could not watch the process"), "{ran:?}");
    assert!(ran.stderr.contains("kept 1 unknown"), "{ran:?}");
    sandbox.tmpx(["cleanup", "-q", "--all", "--force"]).succeeds();
}

#[test]
fn a_set_uid_command_of_a_killed_tmpx_keeps_the_workspace_also_where_proc_hides_it() {
    let sandbox = Sandbox::for_nobody();
    if !has("setpriv") || !has("python3") {
        return;
    }
    // The command becomes root, closes all descriptors, and leaves the workspace.
    let script = r#"
        cp "$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')" suid
        chmod 4755 suid; mkfifo hold
        other="setpriv --reuid 65534 --regid 65534 --clear-groups"
        $other tmpx exec -- "$PWD/suid" -c "
import os
os.closerange(0, 1000)
os.chdir('/')
open('$PWD/hold').read()" & tmpx=$!
        until grep -q '"command":{"pid"' "$TMPX_STATE_DIR"/leases/* 2>/dev/null; do :; done
        command=$(pgrep -P $tmpx)
        until [ "$(readlink /proc/$command/cwd)" = / ]; do :; done
        kill -9 $tmpx; wait $tmpx 2>/dev/null
        $other tmpx cleanup 2>&1 | sed "s/$command/PID/"
        mount -t proc -o hidepid=2 proc /proc || exit 9
        $other tmpx cleanup
        echo >hold; while [ -e /proc/$command ]; do :; done
        $other tmpx cleanup -q; ls "$TMPDIR""#;
    let Some(ran) = elsewhere(&sandbox, &["-m"], script) else { return };
    if skip_unless(ran.status != Some(9), "hidepid") {
        let kept = "tmpx: kept $ROOT/tmp/tmp.RANDOM: in use by suid (PID)\n\
                    tmpx: removed 0, kept 1 in use\n";
        assert_eq!(ran.stdout, kept, "{ran:?}");
        let kept = "tmpx: kept 1: whether their owners run cannot be seen from here\n\
                    tmpx: removed 0, kept 1 unknown\n";
        assert_eq!(ran.stderr, format!("{kept}{HINT}"));
    }
}

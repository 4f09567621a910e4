//! Leases from other PID, time and mount namespaces.

use std::path::Path;
use std::process::Command;

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

#[test]
fn an_owner_in_another_pid_namespace_is_unknown_and_its_resource_kept() {
    let sandbox = Sandbox::new();
    let script = "tmpx file --until-exit=$$";
    let Some(ran) = elsewhere(&sandbox, &["-p", "-f", "--mount-proc"], script) else { return };
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let kept = "tmpx: kept $ROOT/tmp/tmp.RANDOM: its owner cannot be seen from here\n\
                tmpx: removed 0, kept 1 unknown\n";
    sandbox.tmpx(["cleanup"]).expects(0, "", kept);
    let listed = sandbox.tmpx(["list", "--json"]).succeeds().json();
    assert_eq!(listed[0]["state"], "unknown");
    sandbox.tmpx(["cleanup", "-q", "--all"]).run();
    assert_eq!(sandbox.left().len(), 1);
    sandbox.tmpx(["cleanup", "-q", "--all", "--force"]).succeeds();
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
    let kept = "tmpx: kept $ROOT/tmp/tmp.RANDOM: out of sight: in another mount namespace, or on a \
                filesystem that is not mounted\n\
                tmpx: removed 0, kept 1 out of sight\n";
    sandbox.tmpx(["cleanup", "--all"]).expects(0, "", kept);
    sandbox.tmpx(["cleanup", "--all", "--force", "-q"]).run();
    assert_eq!(sandbox.leases().len(), 1, "force alone forgets nothing that may be there");
    let lost = sandbox.tmp().join(ran.raw.lines().last().unwrap());
    sandbox.tmpx([Path::new("cleanup"), Path::new("--force"), &lost]).run();
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
    let script = "sh -c 'echo $$; f=$(tmpx file --until-exit=$$); tmpx cleanup; ls $f'";
    let Some(ran) = elsewhere(&sandbox, &["-p", "-f"], script) else {
        return;
    };
    assert!(ran.stdout.ends_with("$ROOT/tmp/tmp.RANDOM\n"), "{ran:?}");
    assert!(ran.stderr.contains("kept 1 unknown"), "{ran:?}");
    sandbox.tmpx(["cleanup", "-q", "--all", "--force"]).succeeds();
}

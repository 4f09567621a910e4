//! A state directory that the user has put where other computers may use it.

use std::fs;
use std::path::Path;

use crate::support::filesystems::{BINDFS, SSHFS};
use crate::support::lease::edit;
use crate::support::namespaces::mounting;
use crate::support::sandbox::{Sandbox, names};

/// Filesystems that are not local, and the tools that mount them.
const REMOTE: [(&str, &[&str]); 2] = [(BINDFS, &["bindfs"]), (SSHFS, &["sshfs"])];

/// Makes the state directory one in `m`.
const STATE: &str = "export TMPX_STATE_DIR=$PWD/m/state; ";

/// Makes the only lease of a store one of an earlier boot.
fn change_boot(leases: &Path) {
    edit(leases.join(&names(leases)[0]), |text| {
        let (before, after) = text.split_once("\"boot\":\"").unwrap();
        let (_, after) = after.split_once('"').unwrap();
        format!("{before}\"boot\":\"01234567-89ab-cdef-0123-456789abcdef\"{after}")
    });
}

#[test]
fn the_owner_of_another_boot_is_unknown_if_other_computers_may_use_the_store() {
    for (filesystem, tools) in REMOTE {
        let sandbox = Sandbox::new();
        let script = format!(
            "{STATE} tmpx file --until-exit=$$; grep -o '\"local\":[a-z]*' m/state/leases/*; tmpx cleanup"
        );
        let Some(ran) = mounting(&sandbox, filesystem, tools, &script) else { continue };
        // Whoever sets TMPX_STATE_DIR knows where it is: nothing is said about that.
        assert_eq!(ran.stderr, "tmpx: removed 0, kept 1 live\n", "{filesystem}");
        assert_eq!(ran.stdout, "$ROOT/tmp/tmp.RANDOM\n\"local\":false\n", "{filesystem}");
        change_boot(&sandbox.cwd().join("src/state/leases"));
        let script = format!(
            "{STATE} tmpx list --json | grep -o '\"state\":\"[a-z]*\"'; tmpx cleanup; tmpx cleanup --all -q; \
             tmpx cleanup --other-jobs -q; ls m/state/leases"
        );
        let again = filesystem.replace("mkdir src m; ", "");
        let Some(ran) = mounting(&sandbox, &again, tools, &script) else { return };
        assert_eq!(ran.stdout, "\"state\":\"unknown\"\n", "{filesystem} {ran:?}");
        let kept = "tmpx: kept 1: whether their owners run cannot be seen from here\n";
        let hint = "hint: if no other job runs: tmpx cleanup --other-jobs\n";
        let expected = format!("{kept}tmpx: removed 0, kept 1 unknown\n{hint}{kept}");
        assert_eq!(ran.stderr, expected, "{filesystem}");
    }
}

#[test]
fn the_owner_of_another_boot_has_exited_if_only_this_computer_uses_the_store() {
    let sandbox = Sandbox::new();
    sandbox
        .sh("tmpx file --until-exit=$$ >/dev/null; grep -c '\"local\":true' home/state/leases/*")
        .cwd(sandbox.root())
        .expects(0, "1\n", "");
    change_boot(&sandbox.leases_dir());
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
    assert_eq!(fs::read_dir(sandbox.tmp()).unwrap().count(), 0);
}

#[test]
fn a_lease_of_a_store_that_others_may_use_is_unknown_also_after_the_store_was_moved_to_this_computer()
 {
    let sandbox = Sandbox::new();
    let script = format!("{STATE} tmpx file --until-exit=$$ >/dev/null");
    let Some(ran) = mounting(&sandbox, BINDFS, &["bindfs"], &script) else { return };
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    let state = sandbox.cwd().join("src/state");
    change_boot(&state.join("leases"));
    let list = sandbox.tmpx(["list", "--json"]).env("TMPX_STATE_DIR", &state).succeeds();
    assert_eq!(list.json()[0]["state"], "unknown");
    sandbox.tmpx(["cleanup", "-q", "--all", "--force"]).env("TMPX_STATE_DIR", &state).succeeds();
}

//! Leases that tmpx wrote before the present format.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::sandbox::{Sandbox, mode, names, words};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Replaces the only lease in a directory by what version 1 would have written.
fn rewrite_in_format_1(leases: &Path, lifetime: &str) -> String {
    let path = leases.join(&names(leases)[0]);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (habitat, intent) = (&lines[0]["habitat"], &lines[1]["intent"]);
    let mounts = fs::read_link("/proc/self/ns/mnt").unwrap();
    let mounts = mounts.to_str().unwrap().trim_matches(|char: char| !char.is_ascii_digit());
    let made: Vec<String> = lines[2]["made"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| old_id(id.as_str().unwrap()))
        .collect();
    let old = format!(
        "{{\"v\":1,\"given\":1,\"id\":{},\"created\":{{\"wall_ms\":{},\"boot_ms\":{}}},\
         \"habitat\":{{\"boot\":{},\"pid_ns\":{},\"mnt_ns\":{mounts},\"time_ns\":{}}},\
         \"caller\":null,\"lifetime\":{lifetime},\"session\":null}}\n\
         {{\"intent\":{{\"kind\":{},\"dir\":{},\"names\":{}}}}}\n{{\"made\":{}}}\n",
        lines[0]["id"],
        lines[0]["created"]["wall_ms"],
        lines[0]["created"]["boot_ms"],
        habitat["boot"],
        habitat["pid_ns"],
        habitat["time_ns"],
        intent["kind"],
        intent["dir"],
        intent["names"],
        serde_json::to_string(&made).unwrap(),
    );
    fs::write(&path, &old).unwrap();
    old
}

fn old_id(id: &str) -> String {
    id.replacen(['L', 'T'], "h", 1)
}

#[test]
fn leases_of_the_first_format_are_read_in_place_and_never_rewritten() {
    let sandbox = Sandbox::new();
    for command in ["file --count 2", "dir"] {
        sandbox.tmpx(words(command)).succeeds();
        let old = rewrite_in_format_1(&sandbox.leases_dir(), "\"manual\"");
        let listed = sandbox.tmpx(["list"]).succeeds();
        assert_eq!(listed.stdout.lines().count(), sandbox.left().len(), "{old}");
        sandbox.tmpx(["cleanup"]).run();
        let lease = sandbox.leases_dir().join(&sandbox.leases()[0]);
        assert_eq!(fs::read_to_string(lease).unwrap(), old);
        sandbox.tmpx(words("cleanup -q --all")).succeeds();
        assert_eq!((sandbox.left().len(), sandbox.leases().len()), (0, 0), "{old}");
    }
    sandbox.file();
    rewrite_in_format_1(&sandbox.leases_dir(), "{\"bound\":{\"ttl_ms\":1}}");
    sandbox.tmpx(words("cleanup -q")).succeeds();
    assert_eq!((sandbox.left().len(), sandbox.leases().len()), (0, 0));
}

#[test]
fn leases_of_the_first_format_in_a_store_that_others_may_have_brought_are_kept() {
    let sandbox = Sandbox::new();
    sandbox.file();
    rewrite_in_format_1(&sandbox.leases_dir(), "\"manual\"");
    let id = sandbox.leases().remove(0);
    set_mode(&sandbox.home(), 0o777);
    let ran = sandbox.tmpx(words("cleanup --all")).run();
    let expected = format!(
        "tmpx: could not read the lease $ROOT/home/state/leases/{id}: \
         it was copied or brought from elsewhere\ntmpx: removed 0\n"
    );
    assert_eq!((ran.status, ran.stderr), (Some(1), expected));
    set_mode(&sandbox.home(), 0o1777);
    sandbox.tmpx(words("cleanup -q --all")).succeeds();
    set_mode(&sandbox.home(), 0o755);
}

/// Where groups share directories, as many distributions set it up: umask 002, and homes that pass on their
/// group.
#[test]
fn a_home_that_a_group_shares_keeps_its_leases_of_the_first_format_after_an_upgrade() {
    for (variable, state) in [("HOME", ".local/state/tmpx"), ("XDG_STATE_HOME", "tmpx")] {
        let sandbox = Sandbox::for_nobody();
        set_mode(&sandbox.home(), 0o2775);
        let run = |script: &str| {
            let home =
                format!("export {variable}=$HOME; unset TMPX_STATE_DIR; umask 002; {script}");
            sandbox.sh(&home).by_nobody()
        };
        // Other programs have created the directories above the store.
        run("mkdir -p $HOME/.local/state").succeeds();
        let leases = sandbox.home().join(state).join("leases");
        // The store has only one lease at a time: each becomes one of the first format.
        let manual = run("tmpx dir").path();
        let (place, other) = (leases.join(&names(&leases)[0]), sandbox.root().join("other"));
        rewrite_in_format_1(&leases, "\"manual\"");
        fs::rename(&place, &other).unwrap();
        let timed = run("tmpx file").path();
        rewrite_in_format_1(&leases, "{\"bound\":{\"ttl_ms\":1}}");
        fs::rename(&other, &place).unwrap();
        for lease in names(&leases) {
            set_mode(&leases.join(lease), 0o600);
        }
        let [manual_shown, timed_shown] = [&manual, &timed].map(|path| path.display().to_string());
        // Only by path: these runs also see the shared stores of the user.
        run(&format!("tmpx list {manual_shown} {timed_shown} | wc -l")).expects(0, "2\n", "");
        let new = run("tmpx file").path();
        run(&format!("tmpx cleanup -q {manual_shown} {}", new.display())).expects(0, "", "");
        assert!(!manual.exists() && !new.exists() && timed.exists(), "{variable}");
        let ran = run("tmpx cleanup").run();
        assert!(ran.status == Some(0) && !ran.stderr.contains("could not"), "{ran:?}");
        assert!(ran.raw.lines().any(|line| line == timed_shown), "{ran:?}");
        assert_eq!((names(&leases).len(), mode(sandbox.home())), (0, 0o2775), "{variable}");
    }
}

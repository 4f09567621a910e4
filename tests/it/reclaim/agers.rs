//! Programs that remove what nobody has used for long, such as systemd-tmpfiles(8).

use std::fs;

use crate::support::sandbox::{Sandbox, has, is_root, skip_unless};

#[test]
fn systemd_tmpfiles_spares_leases_and_the_workspace_of_a_running_command() {
    if !skip_unless(is_root(), "root") || !has("systemd-tmpfiles") {
        return;
    }
    let sandbox = Sandbox::new();
    let store = sandbox.tmp().join("store");
    // An age of zero is over at once.
    let config = format!("d {} 1777 root root 0\n", sandbox.tmp().display());
    fs::write(sandbox.cwd().join("clean.conf"), config).unwrap();
    fs::write(sandbox.tmp().join("old"), "").unwrap();
    let script = "d=$(tmpx dir -p .); f=$(tmpx file); \\
        tmpx exec -- sh -c 'mkdir made; touch made/file; systemd-tmpfiles --clean \"$OLDPWD\"/clean.conf; \\
                            ls; mktemp >/dev/null && echo usable'; \\
        ls $TMPDIR; tmpx cleanup -q --all; ls -A $d; ls $TMPDIR/store/leases";
    let ran = sandbox.sh(script).env("TMPX_STATE_DIR", &store).run();
    // The workspace and the store stay, all else in TMPDIR goes: `tmpx file` is not locked.
    let stderr_is_about_dir = ran.stderr.starts_with("ls: cannot access");
    assert_eq!(
        (ran.stdout.as_str(), stderr_is_about_dir),
        ("made\nusable\nstore\n", true),
        "{ran:?}"
    );
    fs::remove_dir_all(store).unwrap();
}

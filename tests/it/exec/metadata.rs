//! `tmpx exec`: what copies keep of their sources besides the content.

use crate::support::sandbox::{Sandbox, has, is_root, skip_unless};

/// Prints the metadata of `file` in the working directory.
const SHOW: &str = "stat -c %a file; getfattr -n user.note --only-values file; echo; \
                    getfacl -cs file | grep daemon; ls -l file | cut -c1-11; \
                    getcap file 2>/dev/null | grep -o 'cap_.*'";

const KEPT: &str = "6750\nhello\nuser:daemon:r--\n-rwsr-s---+\ncap_net_raw=ep\n";

/// Creates `file` in a directory, with everything that SHOW prints.
const CREATE: &str = "echo x >file; chmod 6750 file; setfacl -m u:daemon:r file; chmod 6750 file; \
                      setfattr -n user.note -v hello file; setcap cap_net_raw+ep file";

fn has_all() -> bool {
    skip_unless(is_root(), "root")
        && ["getfattr", "setfattr", "getfacl", "setfacl", "getcap", "setcap"].into_iter().all(has)
}

#[test]
fn inputs_and_outputs_keep_set_id_bits_attributes_acls_and_capabilities() {
    if !has_all() {
        return;
    }
    let sandbox = Sandbox::new();
    let original = sandbox.sh(&format!("{CREATE}; {SHOW}")).succeeds().stdout;
    let inside = format!("tmpx exec --in . -- sh -c '{}'", SHOW.replace('\'', "\""));
    sandbox.sh(&inside).expects(0, &original, "");
    let saved = format!("rm file; tmpx exec --out file -- sh -c '{CREATE}'; {SHOW}");
    sandbox.sh(&saved).expects(0, &original, "");
    assert_eq!(original, KEPT);
}

#[test]
fn set_id_bits_of_another_user_and_capabilities_of_another_owner_are_reported_and_not_kept() {
    if !has_all() {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "touch a b; chown daemon: a b; chmod 4755 a; chmod 2755 b; setcap cap_net_raw+ep b; \
                  tmpx exec --in . -- sh -c 'stat -c %a a b; getcap a b'";
    let message =
        "tmpx: could not keep the capabilities of ./b, the set-id bits of ./X and 1 more\n";
    let ran = sandbox.sh(script).run();
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "755\n755\n"));
    // The order of a directory is that of its filesystem.
    assert_eq!(
        ran.stderr.replace("bits of ./a", "bits of ./X").replace("bits of ./b", "bits of ./X"),
        message
    );
}

#[test]
fn set_id_bits_from_where_they_have_no_effect_are_not_kept() {
    if !has_all() || !has("unshare") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "mkdir m; mount -t tmpfs -o nosuid x m; touch m/f; chmod 4755 m/f; \
                  tmpx exec --in m -- stat -c %a m/f";
    let mut command = std::process::Command::new("unshare");
    command.args(["-m", "sh", "-c", script]);
    sandbox.command(command).expects(0, "755\n", "tmpx: could not keep the set-id bits of m/f\n");
}

#[test]
fn hard_links_in_an_input_are_kept_and_those_of_outputs_are_reported() {
    let sandbox = Sandbox::new();
    let script = "mkdir -p d/e; echo x >d/a; ln d/a d/e/b; ln d/a d/c; \
                  tmpx exec --in d -- sh -c 'stat -c %h d/a d/c d/e/b; cat d/e/b'";
    sandbox.sh(script).expects(0, "3\n3\n3\nx\n", "");
    let script = "tmpx exec --out '*:got' -- sh -c 'echo x >a; ln a b; ln a c'; cat got/?";
    let message = "tmpx: could not keep the hard link of $ROOT/cwd/got/b and 1 more\n";
    sandbox.sh(script).expects(0, "x\nx\nx\n", message);
}

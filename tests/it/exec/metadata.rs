//! `tmpx exec`: what copies keep of their sources besides the content.

use crate::support::namespaces::{mounting, with_mounts};
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

#[test]
fn saved_directories_keep_modes_and_times_and_those_that_existed_are_left_alone() {
    let sandbox = Sandbox::for_nobody();
    let create = "mkdir -p d/closed/deep e/f; echo x | tee d/closed/deep/x >e/f/x; \
                  chmod 711 d/closed/deep; chmod 555 d/closed; chmod 2700 d; chmod 750 e e/f; \
                  touch -d @1000 d/closed/deep d/closed d e/f; chmod 700 d/closed";
    let show = "stat -c '%a %Y %n' d d/closed d/closed/deep";
    let all = "2700 1000 d\n700 1000 d/closed\n711 1000 d/closed/deep\n";
    let run = |args: &str, then: &str| {
        let script = format!("umask 022; tmpx exec {args} -- sh -c '{create}'; {then}");
        sandbox.sh(&script).by_nobody()
    };
    run("--out d", show).expects(0, all, "");
    // Directories that only lead to a match are copies, too. The one that the user names is not.
    run("--out '**/x:res/'", "cd res; stat -c '%a %n' . d d/closed/deep e/f; stat -c %Y e/f")
        .expects(0, "755 .\n2700 d\n711 d/closed/deep\n750 e/f\n1000\n", "");
    run("--out d:new/name", "stat -c '%a %n' new new/name new/name/closed").expects(
        0,
        "755 new\n2700 new/name\n700 new/name/closed\n",
        "",
    );
    // A directory that was there stays as it was.
    let prepare = "chmod 00755 d; rm -r d/closed";
    let then = format!("stat -c %a d; stat -c '%a %Y' d/closed; {prepare}");
    sandbox.sh(prepare).by_nobody().succeeds();
    run("--out d", &then).expects(0, "755\n700 1000\n", "");
    let closed = create.replace("; chmod 700 d/closed", "");
    let script = format!(
        "tmpx exec --out d:closed -- sh -c '{closed}'; stat -c '%a %Y' closed/closed; \
                          cat closed/closed/deep/x; chmod 700 closed/closed"
    );
    sandbox.sh(&script).by_nobody().expects(0, "555 1000\nx\n", "");
}

#[test]
fn saved_directories_keep_acls_and_attributes() {
    if !has_all() {
        return;
    }
    let sandbox = Sandbox::new();
    let show = "getfattr -n user.note --only-values d; echo; getfacl -cs d | grep daemon";
    let create = "mkdir d; setfattr -n user.note -v hello d; setfacl -m u:daemon:rx d; \
                  setfacl -dm u:daemon:r d";
    let script = format!("tmpx exec --out d -- sh -c '{create}'; {show}");
    sandbox.sh(&script).expects(0, "hello\nuser:daemon:r-x\ndefault:user:daemon:r--\n", "");
}

#[test]
fn attributes_and_acls_for_which_a_filesystem_has_no_place_are_reported() {
    if !has_all() {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "mkdir m; mount -t ramfs none m; tmpx exec --out r:m/r -- sh -c \
                  'echo x >r; setfattr -n user.note -v hello r; setfacl -m u:daemon:r r'; cat m/r";
    let Some(ran) = with_mounts(&sandbox, script) else { return };
    let message =
        "tmpx: could not keep the ACL of $ROOT/cwd/m/r, the attribute user.note of $ROOT/cwd/m/r\n";
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("x\n", message));
}

#[test]
fn where_new_files_belong_to_another_user_results_are_saved_and_what_is_lost_is_reported() {
    let sandbox = Sandbox::for_nobody();
    // As a disk with FAT that root has mounted for all users.
    let filesystem = "mkdir src m; chmod 777 src; mount_it() { \
                      bindfs --force-user=root --force-group=root --perms=0777 src m; }";
    let script = "setpriv --reuid=65534 --regid=65534 --clear-groups sh -c \
                  'tmpx exec --out r:m/r -- sh -c \"echo 1 >r; chmod 640 r\"; echo $?; cat m/r; \
                   echo 2 | tmpx replace m/r; echo $?; echo 3 | tmpx replace m/new; echo $?; cat m/*; \
                   tmpx exec --in m/r -- cat r'";
    let Some(ran) = mounting(&sandbox, filesystem, &["bindfs", "setpriv"], script) else { return };
    assert_eq!(ran.stdout, "0\n1\n0\n0\n3\n2\n2\n", "{ran:?}");
    let lost = "tmpx: could not keep the mode of $ROOT/cwd/m/r, the times of $ROOT/cwd/m/r\n";
    assert_eq!(ran.stderr, lost);
}

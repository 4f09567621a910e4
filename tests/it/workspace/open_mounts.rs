//! Workspaces where the mount lets everybody write everything.

use crate::support::namespaces::mounting;
use crate::support::sandbox::Sandbox;

#[test]
fn a_symlink_that_another_user_puts_in_the_place_of_a_new_directory_changes_no_mode() {
    let sandbox = Sandbox::new();
    let filesystem =
        "mkdir src m; mount_it() { bindfs --perms=a+rwx --chmod-ignore src m; }; tmpx exec true";
    // The temp dir is there, and tmpx has not set its mode.
    let script = "mkdir victim; chmod 755 victim; \
                  strace -qq -o /dev/null -e trace=mkdirat -e inject=mkdirat:delay_exit=1000000 \
                  tmpx exec -p m -- true 2>message & \
                  until w=$(echo m/*/.tmp) && [ -d \"$w\" ]; do :; done; \
                  mv \"$w\" m/old; ln -s $PWD/victim \"$w\"; wait $!; echo $?; stat -c %a victim; \
                  sed -n '1s/: [^:]*$//p' message; rm -rf m/*; tmpx cleanup -q --all; ls -A victim";
    let Some(ran) = mounting(&sandbox, filesystem, &["bindfs", "strace"], script) else { return };
    let message = "tmpx: could not create directory $ROOT/cwd/m/tmp.RANDOM/.tmp\n";
    assert_eq!(ran.stdout, format!("125\n755\n{message}"), "{ran:?}");
}

#[test]
fn a_workspace_to_which_everybody_may_write_is_refused() {
    let sandbox = Sandbox::new();
    let filesystem = "mkdir m; truncate -s 16M image; mkfs.ntfs -q -F -f image >/dev/null 2>&1; \
                      mount_it() { ntfs-3g -o no_def_opts,umask=0 image m; }";
    let script = "tmpx exec -p m -- true; echo $?; tmpx workspace -p m; echo $?; ls -A m";
    let Some(ran) = mounting(&sandbox, filesystem, &["mkfs.ntfs", "ntfs-3g"], script) else {
        return;
    };
    assert_eq!(ran.stdout, "125\n1\n", "{ran:?}");
    let refused =
        "tmpx: could not set the mode of $ROOT/cwd/m/tmp.RANDOM: Operation not supported\n";
    assert_eq!(ran.stderr, refused.repeat(2));
}

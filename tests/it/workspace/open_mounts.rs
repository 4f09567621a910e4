//! Workspaces where the mount decides about modes.

use crate::support::namespaces::mounting;
use crate::support::sandbox::{Ran, Sandbox};

/// Each with the tools that it needs and the mode that all directories have.
type Mount = (&'static str, &'static [&'static str], &'static str);

/// Mounts on which others may write to every directory. The first one and the last one report a change
/// of mode as an error; the others ignore it and report success.
const OPEN: [Mount; 5] = [
    ("ntfs-3g -o no_def_opts,umask=0 image m", &["mkfs.ntfs", "ntfs-3g"], "777"),
    ("ntfs-3g -o umask=0 image m", &["mkfs.ntfs", "ntfs-3g"], "777"),
    ("bindfs --perms=a+rwx --chmod-ignore src m", &["bindfs"], "777"),
    ("bindfs --perms=g+rwx src m", &["bindfs"], "770"),
    ("bindfs --perms=a+rwx --chmod-deny src m", &["bindfs"], "777"),
];

/// Mounts on which nobody else may write. They all ignore changes of modes.
const CLOSED: [Mount; 4] = [
    ("ntfs-3g -o umask=022 image m", &["mkfs.ntfs", "ntfs-3g"], "755"),
    ("ntfs-3g -o umask=0222 image m", &["mkfs.ntfs", "ntfs-3g"], "555"),
    ("ntfs-3g -o umask=077 image m", &["mkfs.ntfs", "ntfs-3g"], "700"),
    ("bindfs --perms=go+rx --chmod-ignore src m", &["bindfs"], "755"),
];

fn on(sandbox: &Sandbox, (mount, tools, _): Mount, script: &str) -> Option<Ran> {
    let image = "truncate -s 16M image; mkfs.ntfs -q -F -f image >/dev/null 2>&1";
    let image = if mount.contains("image") { image } else { "mkdir src" };
    mounting(sandbox, &format!("mkdir m; {image}; mount_it() {{ {mount}; }}"), tools, script)
}

fn refused(mode: &str) -> String {
    format!(
        "tmpx: could not set the mode of $ROOT/cwd/m/tmp.RANDOM: its mount lets other users write to it (mode {mode})\n\
         hint: choose a directory on another mount with -p DIR, or allow it with --mode {mode}\n"
    )
}

#[test]
fn a_symlink_that_another_user_puts_in_the_place_of_a_new_directory_changes_no_mode() {
    let sandbox = Sandbox::new();
    let filesystem =
        "mkdir src m; mount_it() { bindfs --perms=a+rwx --chmod-ignore src m; }; tmpx exec true";
    // The temp dir is there, and tmpx has not set its mode.
    let script = "mkdir victim; chmod 755 victim; \
                  strace -qq -o /dev/null -e trace=mkdirat -e inject=mkdirat:delay_exit=1000000 \
                  tmpx exec -p m --mode 777 -- true 2>message & \
                  until w=$(echo m/*/.tmp) && [ -d \"$w\" ]; do :; done; \
                  mv \"$w\" m/old; ln -s $PWD/victim \"$w\"; wait $!; echo $?; stat -c %a victim; \
                  sed -n '1s/: [^:]*$//p' message; rm -rf m/*; tmpx cleanup -q --all; ls -A victim";
    let Some(ran) = mounting(&sandbox, filesystem, &["bindfs", "strace"], script) else { return };
    let message = "tmpx: could not create directory $ROOT/cwd/m/tmp.RANDOM/.tmp\n";
    assert_eq!(ran.stdout, format!("125\n755\n{message}"), "{ran:?}");
}

#[test]
fn a_workspace_to_which_others_may_write_is_refused_and_removed() {
    for mount in OPEN {
        let sandbox = Sandbox::new();
        let script = "echo a >input; umask 000; tmpx exec -p m -- echo ran; echo $?; \
                      tmpx exec -p m --private-tmp --in input --mkdir a/b -- echo ran; echo $?; \
                      tmpx workspace -p m --in input --mkdir a; echo $?; \
                      tmpx exec -p m --mode 755 -- echo ran; echo $?; \
                      ls -A m; tmpx list; tmpx cleanup --all";
        let Some(ran) = on(&sandbox, mount, script) else { continue };
        assert_eq!(ran.stdout, "125\n125\n1\n125\n", "{mount:?} {ran:?}");
        let message = refused(mount.2);
        assert_eq!(ran.stderr, message.repeat(4) + "tmpx: removed 0\n", "{mount:?}");
    }
}

#[test]
fn a_workspace_has_the_mode_of_a_mount_on_which_nobody_else_may_write() {
    for mount in CLOSED {
        let sandbox = Sandbox::new();
        let script = "tmpx exec -p m --private-tmp -- stat -c %a . /tmp /var/tmp; \
                      tmpx exec -p m --mkdir a/b -- stat -c %a . .tmp a/b; \
                      tmpx exec -p m --mode 777 -- stat -c %a .; \
                      w=$(tmpx workspace -p m) && stat -c %a $w/.tmp; tmpx cleanup -q --all; ls -A m";
        let Some(ran) = on(&sandbox, mount, script) else { continue };
        assert_eq!(ran.stdout, format!("{}\n", mount.2).repeat(8), "{mount:?} {ran:?}");
        assert_eq!(ran.stderr, "", "{mount:?}");
    }
}

#[test]
fn others_may_write_to_a_workspace_as_far_as_the_caller_says() {
    for (mount, mode) in OPEN.into_iter().zip(["777", "777", "1777", "770", "777"]) {
        let sandbox = Sandbox::new();
        let script = format!(
            "tmpx exec -p m --mode {mode} -- stat -c %a . 2>/dev/null; echo $?; \
             w=$(tmpx workspace -p m --mode {mode}) && ls -A $w; \
             tmpx cleanup -q --force m/*; ls -A m"
        );
        let Some(ran) = on(&sandbox, mount, &script) else { continue };
        assert_eq!(ran.stdout, format!("{}\n0\n.tmp\n", mount.2), "{mount:?} {ran:?}");
    }
    // The group may write, and all others may too.
    let sandbox = Sandbox::new();
    let script = "tmpx exec -p m --mode 770 -- echo ran; echo $?; ls -A m";
    let Some(ran) = on(&sandbox, OPEN[1], script) else { return };
    let message = refused("777");
    assert_eq!((ran.stdout.as_str(), ran.stderr), ("125\n", message));
}

#[test]
fn a_mount_that_lets_all_write_where_the_group_may_refuses_only_that_mode() {
    let sandbox = Sandbox::new();
    let mount: Mount = ("bindfs --perms=o=g src m", &["bindfs"], "");
    let script = "tmpx exec -p m --mode 770 -- echo ran; echo $?; \
                  tmpx exec -p m --mode 750 --mkdir a -- stat -c %a .; ls -A m";
    let Some(ran) = on(&sandbox, mount, script) else { return };
    assert_eq!(ran.stdout, "125\n755\n", "{ran:?}");
    assert_eq!(ran.stderr, refused("777"));
}

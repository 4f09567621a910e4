//! The state directory, and what can be wrong with it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::sandbox::{NOBODY, Sandbox, has, is_root, mode, names, skip_unless, words};

#[test]
fn a_store_is_private() {
    let sandbox = Sandbox::new();
    sandbox.sh("umask 0; tmpx file").succeeds();
    assert_eq!(mode(sandbox.leases_dir()), 0o700);
    assert_eq!(mode(sandbox.leases_dir().parent().unwrap()), 0o700);
    // systemd-tmpfiles spares sticky files.
    assert_eq!(mode(sandbox.leases_dir().join(&sandbox.leases()[0])), 0o1600);
    sandbox.clean_up();
}

#[test]
fn the_leases_of_our_own_store_are_closed_to_others() {
    let sandbox = Sandbox::for_nobody();
    sandbox.tmpx(["file"]).by_nobody().path();
    for wrong in [0o755, 0o711, 0o000] {
        fs::set_permissions(sandbox.leases_dir(), fs::Permissions::from_mode(wrong)).unwrap();
        fs::set_permissions(sandbox.state(), fs::Permissions::from_mode(0o755)).unwrap();
        sandbox.tmpx(["file"]).by_nobody().path();
        assert_eq!(
            (mode(sandbox.state()), mode(sandbox.leases_dir())),
            (0o755, 0o700),
            "{wrong:o}"
        );
    }
    sandbox.tmpx(words("cleanup -q --all --force")).by_nobody().succeeds();
}

#[test]
fn xdg_state_home_precedes_home() {
    let sandbox = Sandbox::new();
    let state = sandbox.cwd().join("state");
    let default = |args: &[&str]| sandbox.tmpx(args).without("TMPX_STATE_DIR");
    let there = default(&["file"]).env("XDG_STATE_HOME", &state).path();
    assert_eq!(names(&state.join("tmpx/leases")).len(), 1);
    let home = default(&["file"]).path();
    assert_eq!(names(&sandbox.home().join(".local/state/tmpx/leases")).len(), 1);
    // Only by path: these runs also see the shared stores of the user who runs the tests.
    let clean = |path: &Path| default(&["cleanup", "-q", path.to_str().unwrap()]);
    clean(&there).env("XDG_STATE_HOME", &state).succeeds();
    clean(&home).succeeds();
}

#[test]
fn a_relative_state_directory_is_refused() {
    let sandbox = Sandbox::new();
    for args in ["file", "list", "cleanup"] {
        sandbox.tmpx([args]).env("TMPX_STATE_DIR", "state").expects(
            1,
            "",
            "tmpx: TMPX_STATE_DIR is not absolute: state\n\
             hint: use the full path, as in TMPX_STATE_DIR=$PWD/state\n",
        );
    }
}

#[test]
fn an_unusable_tmpx_state_dir_is_an_error_and_never_skipped() {
    let sandbox = Sandbox::for_nobody();
    let locked = sandbox.root().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    let run = |state: PathBuf, message: &str| {
        let text = format!("tmpx: could not write to the state directory {message}\n");
        sandbox.tmpx(["file"]).env("TMPX_STATE_DIR", state).by_nobody().expects(1, "", &text);
    };
    run(locked.join("state"), "$ROOT/locked/state: Permission denied");
    if is_root() {
        run(locked, "$ROOT/locked: it belongs to another user");
    }
    let file = sandbox.cwd().join("file");
    fs::write(&file, "").unwrap();
    run(file, "$ROOT/cwd/file: Not a directory");
}

/// Removes the shared stores that a fallback created, and returns the number of leases in them.
fn shared_stores(uid: u32) -> usize {
    let mut leases = 0;
    for dir in ["/var/tmp", "/tmp"] {
        leases += names(&PathBuf::from(format!("{dir}/.tmpx-{uid}/leases"))).len();
    }
    leases
}

#[test]
fn without_a_home_of_our_own_the_store_is_in_a_shared_directory() {
    let sandbox = Sandbox::for_nobody();
    if !skip_unless(is_root(), "root") {
        return;
    }
    let before = shared_stores(NOBODY);
    // HOME unset, missing, foreign (as under sudo), read-only.
    let foreign = sandbox.root().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::set_permissions(&foreign, fs::Permissions::from_mode(0o777)).unwrap();
    let locked = sandbox.root().join("locked");
    fs::create_dir(&locked).unwrap();
    chown(&locked, Some(NOBODY), None).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
    let homes = [None, Some("/nonexistent".into()), Some(foreign.clone()), Some(locked)];
    for home in &homes {
        let run = sandbox.tmpx(["file"]).without("TMPX_STATE_DIR").by_nobody();
        let run = match home {
            Some(home) => run.env("HOME", home),
            None => run.without("HOME"),
        };
        run.path();
    }
    assert_eq!(shared_stores(NOBODY), before + homes.len());
    assert_eq!(names(&foreign), Vec::<String>::new());
    for path in sandbox.left() {
        let path = sandbox.tmp().join(path);
        sandbox
            .tmpx([PathBuf::from("cleanup"), "-q".into(), path])
            .without("TMPX_STATE_DIR")
            .by_nobody()
            .succeeds();
    }
    assert_eq!(shared_stores(NOBODY), before);
}

#[test]
fn unreadable_leases_are_kept_and_reported_and_the_rest_is_reclaimed() {
    let sandbox = Sandbox::new();
    sandbox.file();
    sandbox.file();
    let id = sandbox.leases()[0].clone();
    let path = sandbox.leases_dir().join(&id);
    let whole = fs::read_to_string(&path).unwrap();
    let newer = whole.replace("{\"v\":2,", "{\"v\":3,");
    let cut = &whole[..whole.len() - 10];
    let header = whole.lines().next().unwrap().to_owned() + "\n";
    for damaged in [newer.as_str(), cut, &header, "nonsense\n", "{}\n", "{\"v\":1}\n", "\0\0\0"] {
        fs::write(&path, damaged).unwrap();
        let ran = sandbox.tmpx(words("cleanup -n --all")).run();
        assert_eq!(ran.status, Some(1));
        assert_eq!(ran.stdout.lines().count(), 1, "the other one is not stopped: {damaged}");
        let why = if damaged == newer {
            "it has format version 3, written by a newer tmpx"
        } else {
            "it is damaged"
        };
        let first = ran.stderr.lines().next().unwrap();
        let lease = format!("$ROOT/home/state/leases/{id}");
        assert_eq!(first, format!("tmpx: could not read the lease {lease}: {why}"));
        let ran = sandbox.tmpx(["list"]).run();
        assert_eq!(ran.stderr, format!("tmpx: could not read the lease {lease}: {why}\n"));
        sandbox.tmpx(words("cleanup --force --all -n")).run();
        assert_eq!(sandbox.left().len(), 2, "never a reason to delete");
    }
    fs::write(&path, whole).unwrap();
    sandbox.tmpx(words("cleanup -q --all")).succeeds();
}

#[test]
fn an_empty_lease_is_removed_and_foreign_files_are_ignored() {
    let sandbox = Sandbox::new();
    sandbox.file();
    let id = sandbox.leases()[0].clone();
    let empty = id.replace(&id[13..], "AAAAAAAAAA");
    fs::write(sandbox.leases_dir().join(empty), "").unwrap();
    fs::write(sandbox.leases_dir().join("notes.txt"), "").unwrap();
    sandbox.tmpx(words("cleanup -q --all")).succeeds();
    assert_eq!(sandbox.leases(), ["notes.txt"]);
    fs::remove_file(sandbox.leases_dir().join("notes.txt")).unwrap();
}

#[test]
fn a_full_disk_is_reported_and_leaves_nothing() {
    if !skip_unless(is_root(), "root") || !has("mount") {
        return;
    }
    let sandbox = Sandbox::new();
    // The filesystem has one page for data: the store, or the copy, does not fit.
    let script = |run: &str| {
        format!(
            "mkdir -p small && mount -t tmpfs -o size=4k,nr_inodes=20 tmpfs small && {{ {run}; \
             echo \"status $?\"; ls -A small/t; ls -A small/s/leases 2>&1; }}"
        )
    };
    let in_namespace = |run: &str| {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script(run)]);
        sandbox.command(command).run()
    };
    let ran = in_namespace(
        "mkdir small/t; head -c 100000 /dev/zero | TMPDIR=$PWD/small/t tmpx file --from -",
    );
    assert!(ran.stdout.starts_with("status 1\n"), "{ran:?}");
    assert_eq!(
        ran.stderr,
        "tmpx: could not create file in $ROOT/cwd/small/t, on the filesystem $ROOT/cwd/small: could \
         not copy standard input: No space left on device\n"
    );
    let ran = in_namespace(
        "mkdir small/t; head -c 4096 /dev/zero > small/full; TMPX_STATE_DIR=$PWD/small/s tmpx file",
    );
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        (
            "status 1\n",
            "tmpx: could not write to the state directory $ROOT/cwd/small/s: No space left on device\n"
        )
    );
}

#[test]
fn without_proc_resources_are_created_and_removed_and_owners_are_unknown() {
    if !skip_unless(is_root(), "root") || !has("unshare") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "mount -t tmpfs tmpfs /proc && f=$(tmpx file) && ls $f && tmpx list && \
                  tmpx cleanup --all; tmpx cleanup -q $f; ls $TMPDIR";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script]);
    let ran = sandbox.command(command).run();
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), 3, "{ran:?}");
}

#[test]
fn an_entry_that_others_planted_at_a_stores_path_is_ignored() {
    if !skip_unless(is_root(), "root") || !has("unshare") || !has("setpriv") {
        return;
    }
    let sandbox = Sandbox::for_nobody();
    let as_nobody = format!("setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups");
    for plant in ["mkdir -m 700", "touch", "ln -s /etc"] {
        let script = format!(
            "unset TMPX_STATE_DIR; mount -t tmpfs -o mode=1777 tmpfs /var/tmp; \
             {plant} /var/tmp/.tmpx-{NOBODY}; f=$({as_nobody} tmpx file) && ls $f && \
             {as_nobody} tmpx list && {as_nobody} tmpx cleanup -q $f && {as_nobody} tmpx cleanup -q"
        );
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script]);
        let ran = sandbox.command(command).run();
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{plant}: {ran:?}");
    }
}

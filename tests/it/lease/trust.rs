//! A store that another user may have written, or that is not a store at all.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, lchown, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::lease::{GIVEN, NOT_GIVEN, seal};
use crate::support::sandbox::{
    NOBODY, Ran, Sandbox, has, is_root, mode, names, skip_unless, words,
};
use crate::support::wait::wait_until;

fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Writes a lease that claims `~/Documents`. Returns its id.
fn forge(sandbox: &Sandbox, leases: &Path) -> String {
    forge_of(sandbox, leases, "dir", "Documents", 9)
}

/// Writes a lease that claims an entry of the home, whose name begins with this number of random characters:
/// the header of a real lease, with another intent. Returns its id.
fn forge_of(sandbox: &Sandbox, leases: &Path, kind: &str, name: &str, random: usize) -> String {
    sandbox.tmpx(["dir"]).by_nobody().path();
    let id = sandbox.leases().pop().unwrap();
    let real = fs::read_to_string(sandbox.leases_dir().join(&id)).unwrap();
    sandbox.tmpx(words("cleanup -q --all")).by_nobody().succeeds();
    let mut header = real.lines().next().unwrap().to_owned();
    header.replace_range(GIVEN, NOT_GIVEN);
    let intent = serde_json::json!({"intent": {
        "kind": kind, "dir": sandbox.home(), "names": [name], "run": [0, random],
    }});
    let lease = leases.join(&id);
    fs::write(&lease, seal(&format!("{header}\n{intent}\n"))).unwrap();
    set_mode(&lease, 0o600);
    give_to_nobody(&lease);
    id
}

/// Gives an entry to the user that the commands run as.
fn give_to_nobody(path: &Path) {
    if is_root() {
        lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// Creates `~/Documents` with a file that must survive.
fn documents(sandbox: &Sandbox) -> std::path::PathBuf {
    let thesis = sandbox.home().join("Documents/thesis");
    fs::create_dir(thesis.parent().unwrap()).unwrap();
    fs::write(&thesis, "precious").unwrap();
    give_to_nobody(thesis.parent().unwrap());
    give_to_nobody(&thesis);
    thesis
}

#[test]
fn a_store_that_others_may_write_to_is_refused_and_not_changed() {
    let sandbox = Sandbox::for_nobody();
    let thesis = documents(&sandbox);
    let state = sandbox.root().join("moved");
    fs::create_dir_all(state.join("leases")).unwrap();
    let id = forge(&sandbox, &state.join("leases"));
    let lease = state.join("leases").join(&id);
    give_to_nobody(&state);
    give_to_nobody(&state.join("leases"));
    for (store, leases, file) in [
        (0o775, 0o700, 0o600),
        (0o702, 0o700, 0o600),
        (0o700, 0o770, 0o600),
        (0o2775, 0o2775, 0o664),
    ] {
        set_mode(&lease, file);
        set_mode(state.join("leases"), leases);
        set_mode(&state, store);
        let run = |args: &str, act: &str, status| {
            let run = sandbox.tmpx(words(args)).env("TMPX_STATE_DIR", &state).by_nobody().run();
            let message = format!(
                "tmpx: could not {act} the state directory $ROOT/moved: other users may write to it\n"
            );
            assert_eq!(run.status, Some(status), "{args}: {run:?}");
            assert!(run.stderr.starts_with(&message), "{args}: {run:?}");
        };
        run("cleanup", "read", 1);
        run("cleanup --all --force", "read", 1);
        run("list", "read", 1);
        run("file", "write to", 1);
        assert_eq!((mode(&state), mode(state.join("leases"))), (store, leases));
        assert!(thesis.exists() && lease.exists());
    }
    // A store that is sound, with a lease file that is not.
    set_mode(state.join("leases"), 0o700);
    set_mode(&state, 0o700);
    set_mode(&lease, 0o664);
    let ran = sandbox.tmpx(["cleanup"]).env("TMPX_STATE_DIR", &state).by_nobody().run();
    let damaged =
        format!("tmpx: could not read the lease $ROOT/moved/leases/{id}: it is damaged\n");
    assert!(ran.stderr.starts_with(&damaged), "{ran:?}");
    assert!(thesis.exists() && lease.exists());
}

#[test]
fn an_intent_without_identity_removes_no_directory_that_has_entries() {
    let sandbox = Sandbox::for_nobody();
    let thesis = documents(&sandbox);
    sandbox.tmpx(["file"]).by_nobody().path();
    let id = forge(&sandbox, &sandbox.leases_dir());
    let lease = sandbox.leases_dir().join(&id);
    let ran = sandbox.tmpx(["cleanup"]).by_nobody().run();
    assert!(ran.stderr.starts_with("tmpx: kept $ROOT/home/Documents"), "{ran:?}");
    assert!(thesis.exists() && lease.exists());
    fs::remove_file(&thesis).unwrap();
    sandbox.tmpx(words("cleanup -q")).by_nobody().succeeds();
    assert!(!thesis.parent().unwrap().exists(), "a killed creator leaves an empty directory");
}

#[test]
fn the_reaper_removes_no_directory_that_has_entries_for_an_intent_without_identity() {
    let sandbox = Sandbox::for_nobody();
    let thesis = documents(&sandbox);
    sandbox.tmpx(["dir"]).by_nobody().path();
    let id = forge(&sandbox, &sandbox.leases_dir());
    let lease = sandbox.leases_dir().join(&id);
    // The id goes through the FIFO, before that of a file whose removal shows that it was read.
    let script = format!(
        "tmpx file --until-exit=$$; until echo {id} >>$(ls -d $TMPX_STATE_DIR/leases/reaper.*); do :; done; \
         f=$(tmpx file --ttl 0); while [ -e $f ]; do :; done"
    );
    let run = sandbox.sh(&script).by_nobody().env("TMPX_REAPER", "1");
    assert_eq!(run.run().status, Some(0));
    assert!(thesis.exists() && lease.exists());
    wait_until("the file of the script is removed", || sandbox.left().is_empty());
    fs::remove_file(&thesis).unwrap();
    sandbox.tmpx(words("cleanup -q")).by_nobody().succeeds();
    assert!(!thesis.parent().unwrap().exists() && !lease.exists());
}

/// Who can write to the store is the user, by what docs/SECURITY.md says. This shows how far that goes.
#[test]
fn a_lease_that_is_forged_in_the_store_itself_removes_a_file_whose_name_may_be_random_and_no_other()
{
    let sandbox = Sandbox::for_nobody();
    let forged = sandbox.root().join("forged");
    fs::create_dir(&forged).unwrap();
    set_mode(&forged, 0o777);
    let home = sandbox.home();
    for name in ["report.csv", "notes.csv", "my-thesis", "linked", "folder", "roots1"] {
        match name {
            "linked" => symlink("report.csv", home.join(name)).unwrap(),
            "folder" => fs::create_dir(home.join(name)).unwrap(),
            _ => fs::write(home.join(name), "").unwrap(),
        }
        if name != "roots1" {
            give_to_nobody(&home.join(name));
        }
    }
    let mut ids = Vec::new();
    let mut kept = vec!["folder", "linked", "my-thesis", "notes.csv"];
    // Five random characters, a hyphen among them, a symlink and a directory that are no files, another owner.
    for (name, random) in
        [("notes.csv", 5), ("my-thesis", 9), ("linked", 6), ("folder", 6), ("roots1", 6)]
    {
        if name != "roots1" || is_root() {
            ids.push(forge_of(&sandbox, &forged, "file", name, random));
        }
    }
    if is_root() {
        kept.push("roots1");
    } else {
        fs::remove_file(home.join("roots1")).unwrap();
    }
    ids.push(forge_of(&sandbox, &forged, "file", "report.csv", 6));
    // The reaper runs before the leases are there, and learns of them by its FIFO, the last one last.
    let script = format!(
        "tmpx file --until-exit=$$; until [ -e $TMPX_STATE_DIR/leases/reaper.* ]; do :; done; \
         mv ../forged/* $TMPX_STATE_DIR/leases; \
         for id in {}; do echo $id >>$(ls -d $TMPX_STATE_DIR/leases/reaper.*); done; \
         while [ -e $HOME/report.csv ]; do :; done",
        ids.join(" ")
    );
    let run = sandbox.sh(&script).by_nobody().env("TMPX_REAPER", "1").run();
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    wait_until("the file of the script is removed", || sandbox.left().is_empty());
    let ran = sandbox.tmpx(words("cleanup --all --force")).by_nobody().run();
    assert_eq!(ran.stderr.matches(": it is damaged\n").count(), 2, "{ran:?}");
    let mut left = names(&home);
    left.retain(|name| name != "state");
    assert_eq!(left, kept, "{ran:?}");
    for id in sandbox.leases() {
        fs::remove_file(sandbox.leases_dir().join(id)).unwrap();
    }
    let promise = include_str!("../../../docs/SECURITY.md").replace("\n  ", " ");
    let sentence = "Whoever else can, such as a container of the same user that shares the state directory, can \
         make tmpx remove your files at once: those whose names have six letters or digits in a row, empty \
         directories, and everything whose file handle they know.";
    assert!(promise.contains(sentence), "{promise}");
}

/// Runs a script as root in a mount namespace in which /tmp and /var/tmp are empty.
fn with_empty_temp_dirs(sandbox: &Sandbox, script: &str) -> Ran {
    let script = format!(
        "unset TMPX_STATE_DIR; export PRIV='setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups'; \
         mount -t tmpfs -o mode=1777 tmpfs /var/tmp; set -e; {script}"
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script]);
    sandbox.command(command).run()
}

#[test]
fn a_directory_that_another_user_moved_to_a_shared_path_is_no_store() {
    if !skip_unless(is_root(), "root") || !has("unshare") || !has("setpriv") {
        return;
    }
    let sandbox = Sandbox::for_nobody();
    let thesis = documents(&sandbox);
    let shared = sandbox.root().join("planted");
    fs::create_dir_all(shared.join("leases")).unwrap();
    let id = forge(&sandbox, &shared.join("leases"));
    for (path, mode) in [("leases", 0o2775), ("", 0o2775), (&format!("leases/{id}"), 0o664)] {
        chown(shared.join(path), Some(NOBODY), Some(NOBODY)).unwrap();
        set_mode(shared.join(path), mode);
    }
    let script = format!(
        "cp -a $HOME/../planted /var/tmp/.tmpx-{NOBODY}; $PRIV tmpx cleanup || echo status $?; \
         f=$($PRIV env -u HOME tmpx file); $PRIV tmpx cleanup -q $f || true; test ! -e $f; \
         stat -c %a /var/tmp/.tmpx-{NOBODY} /var/tmp/.tmpx-{NOBODY}/leases"
    );
    let ran = with_empty_temp_dirs(&sandbox, &script);
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "status 1\n2775\n2775\n"), "{ran:?}");
    assert!(thesis.exists());
}

#[test]
fn an_occupied_shared_path_stops_nobody() {
    if !skip_unless(is_root(), "root") || !has("unshare") || !has("setpriv") {
        return;
    }
    let sandbox = Sandbox::for_nobody();
    for plant in ["mkdir -m 700", "mkdir -m 777", "touch", "ln -s /etc"] {
        // The other paths are occupied, too.
        let script = format!(
            "unset HOME TMPDIR; cd /; mount -t tmpfs -o mode=1777 tmpfs /tmp; \
             for dir in /tmp /var/tmp; do {plant} $dir/.tmpx-{NOBODY}; done; \
             f=$($PRIV $TMPX file); $PRIV $TMPX file >/dev/null; $PRIV $TMPX exec true; \
             ls -A /var/tmp | wc -l; stat -c '%a %u' /var/tmp/.tmpx-{NOBODY}.*; \
             rm -r /var/tmp/.tmpx-{NOBODY}; $PRIV $TMPX list | wc -l; $PRIV $TMPX cleanup -q --all; \
             test ! -e $f; ls -A /tmp | wc -l"
        );
        // The binary is out of reach behind the new /tmp.
        let script = format!(
            "cp $(readlink -f $(command -v tmpx)) /run/tmpx-$$; TMPX=/run/tmpx-$$; trap 'rm $TMPX' EXIT; {script}"
        );
        let ran = with_empty_temp_dirs(&sandbox, &script);
        let expected = format!("2\n700 {NOBODY}\n2\n1\n");
        assert_eq!((ran.status, ran.stdout), (Some(0), expected), "{plant}: {}", ran.stderr);
    }
}

#[test]
fn no_directory_that_tmpx_did_not_create_changes_its_mode() {
    let sandbox = Sandbox::for_nobody();
    let dir = sandbox.cwd().join("mine");
    fs::create_dir(&dir).unwrap();
    if is_root() {
        chown(&dir, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let file = || sandbox.tmpx(["file"]).env("TMPX_STATE_DIR", &dir).by_nobody();
    let refused = "tmpx: could not write to the state directory $ROOT/cwd/mine: other users may write to \
                   it\nhint: name a directory of its own, which only you can write to, in TMPX_STATE_DIR\n";
    // Like /tmp, with or without entries.
    set_mode(&dir, 0o1777);
    file().expects(1, "", refused);
    fs::write(dir.join("entry"), "").unwrap();
    for open in [0o1777, 0o777, 0o775, 0o2775] {
        set_mode(&dir, open);
        file().expects(1, "", refused);
        assert_eq!((mode(&dir), names(&dir)), (open, vec!["entry".to_owned()]));
    }
    // Like a home directory.
    for closed in [0o755, 0o2755, 0o711] {
        set_mode(&dir, closed);
        file().path();
        assert_eq!((mode(&dir), mode(dir.join("leases")) & 0o777), (closed, 0o700));
        let clean = sandbox.tmpx(words("cleanup -q --all")).env("TMPX_STATE_DIR", &dir);
        clean.by_nobody().succeeds();
        fs::remove_dir(dir.join("leases")).unwrap();
    }
    // An empty one may be changed at any moment, and tmpx changes no mode of what it did not create.
    fs::remove_file(dir.join("entry")).unwrap();
    for open in [0o2775, 0o777, 0o1777] {
        set_mode(&dir, open);
        file().expects(1, "", refused);
        assert_eq!((mode(&dir), names(&dir)), (open, vec![]));
    }
}

#[test]
fn a_home_with_umask_002_and_setgid_holds_a_store() {
    let sandbox = Sandbox::for_nobody();
    for home in [0o2775, 0o2755, 0o775] {
        set_mode(sandbox.home(), home);
        let default = |args: &str| {
            let script = format!("unset TMPX_STATE_DIR; umask 002; tmpx {args}");
            sandbox.sh(&script).by_nobody()
        };
        let path = default("file").path();
        default(&format!("cleanup -q {}", path.display())).succeeds();
        let state = sandbox.home().join(".local/state/tmpx");
        assert_eq!(mode(sandbox.home()), home);
        assert_eq!(mode(&state) & 0o777, 0o700);
        assert_eq!(mode(state.join("leases")) & 0o777, 0o700);
        assert_eq!(mode(sandbox.home().join(".local")) & 0o777, 0o700);
        fs::remove_dir_all(sandbox.home().join(".local")).unwrap();
    }
}

/// Returns each entry of a tree with all that a change would show in.
fn state_of(sandbox: &Sandbox, tree: &str) -> String {
    let script = format!("find {tree} -printf '%p %i %u %g %m %n %s %T@ %C@\n' | sort");
    sandbox.sh(&script).succeeds().stdout
}

#[test]
fn the_store_of_another_user_is_refused_to_root_and_stays_as_it_is() {
    if !skip_unless(is_root(), "root") {
        return;
    }
    let sandbox = Sandbox::for_nobody();
    let ended = sandbox.tmpx(words("file --ttl 0")).by_nobody().path();
    let path = sandbox.tmpx(["dir"]).by_nobody().path();
    let path = path.to_str().unwrap();
    let all = || state_of(&sandbox, "$HOME $TMPDIR");
    let before = all();
    let refused = |act| {
        format!(
            "tmpx: could not {act} the state directory $ROOT/home/state: it belongs to another user\n"
        )
    };
    let read = refused("read");
    let totals = format!("{read}tmpx: removed 0\n");
    for args in ["cleanup", "cleanup --all", "cleanup --all --force", "cleanup --forget"] {
        let said = if args.ends_with("forget") {
            totals.replace("removed 0", "ended the leases of 0 resources")
        } else {
            totals.clone()
        };
        sandbox.tmpx(words(args)).expects(1, "", &said);
    }
    sandbox.tmpx(words("cleanup --all -q")).expects(1, "", &read);
    let uncovered =
        "tmpx: could not remove $ROOT/tmp/tmp.RANDOM: no lease that could be read covers it\n";
    let said = format!("{read}{uncovered}tmpx: removed 0\n");
    sandbox.tmpx(["cleanup", "--force", path]).expects(1, "", &said);
    sandbox.tmpx(["list"]).expects(1, "", &read);
    let write = refused("write to");
    sandbox.tmpx(["file"]).expects(1, "", &write);
    sandbox.tmpx(["exec", "true"]).expects(125, "", &write);
    assert_eq!(all(), before);
    // Its owner goes on as before.
    sandbox.tmpx(["cleanup", "-q", path]).by_nobody().succeeds();
    sandbox.tmpx(["cleanup", "-q"]).by_nobody().succeeds();
    assert!(!ended.exists());
}

#[test]
fn root_creates_no_directory_in_the_home_of_another_user() {
    let sandbox = Sandbox::for_nobody();
    if !skip_unless(is_root(), "root") || !has("unshare") {
        return;
    }
    let script = "XDG_STATE_HOME=$HOME/.state/deep tmpx file; ls -A $HOME; ls -A /var/tmp; \
                  XDG_STATE_HOME=$HOME/.state/deep tmpx cleanup -q --all";
    let ran = with_empty_temp_dirs(&sandbox, script);
    assert_eq!(ran.stdout, "$ROOT/tmp/tmp.RANDOM\n.tmpx-0\n", "{ran:?}");
    assert_eq!(ran.status, Some(0), "{ran:?}");
}

#[test]
fn with_one_writable_directory_the_store_is_in_tmpdir() {
    if !skip_unless(is_root(), "root") || !has("unshare") || !has("setpriv") {
        return;
    }
    let sandbox = Sandbox::for_nobody();
    let scratch = sandbox.root().join("scratch");
    fs::create_dir(&scratch).unwrap();
    // Like an emptyDir volume, in a container with a read-only root.
    let run = |mode: &str, script: &str| {
        let script = format!(
            "unset TMPX_STATE_DIR; export TMPDIR=$HOME/../scratch; TMPDIR=$(readlink -f $TMPDIR); \
             mount -t tmpfs -o mode={mode} tmpfs $TMPDIR; \
             for dir in /var/tmp /tmp; do mount -t tmpfs -o ro tmpfs $dir; done; {script}"
        );
        let bind = "mkdir -p /run/tmpx-test-$$ && mount --rbind $(dirname $HOME) /run/tmpx-test-$$";
        let outer = format!(
            "dir=/run/tmpx-test-$$; {bind}; export HOME=$dir/home PATH=$dir/bin:$PATH; \
             cp $(readlink -f $dir/bin/tmpx) $dir/scratch/../tmpx-copy; cd $dir; \
             (chmod 555 home; {script}); status=$?; umount -l $dir; rmdir $dir; exit $status"
        );
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &outer]);
        sandbox.command(command).run()
    };
    for mode in ["0777", "1777", "2777"] {
        let user = format!(
            "setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups env HOME=/nonexistent"
        );
        let priv_run = format!("{user} ./tmpx-copy");
        let script = format!(
            "f=$({priv_run} file) && test -f $f && {priv_run} exec true && {priv_run} list | wc -l && \
             {priv_run} cleanup -q $f && ls -A $TMPDIR && export TMPX_SESSION=s && \
             m=$({priv_run} mktemp) && test -f $m && cp tmpx-copy mktemp && \
             m=$({user} ./mktemp -d) && test -d $m && {priv_run} list | wc -l && \
             {priv_run} cleanup -q --session s && ls -A $TMPDIR"
        );
        let ran = run(mode, &script);
        let expected = format!("1\n.tmpx-{NOBODY}\n2\n.tmpx-{NOBODY}\n");
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), expected.as_str()), "{ran:?}");
    }
    let priv_run = format!(
        "setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups env HOME=/nonexistent TMPDIR=/proc ./tmpx-copy"
    );
    let ran = run("0777", &format!("{priv_run} file"));
    let expected = format!(
        "tmpx: could not write to any state directory: /nonexistent/.local/state/tmpx: No such file or \
         directory; /var/tmp/.tmpx-{NOBODY}: Read-only file system; /tmp/.tmpx-{NOBODY}: Read-only file \
         system; "
    );
    assert!(ran.stderr.starts_with(&expected), "{ran:?}");
}

#[test]
fn root_follows_no_directory_of_another_user_on_the_way_to_its_home_store() {
    let sandbox = Sandbox::for_nobody();
    if !skip_unless(is_root(), "root") || !has("unshare") || !has("setpriv") {
        return;
    }
    // A service of root may have a home that others share.
    for plant in ["mkdir .local", "ln -s $AWAY .local"] {
        let script = format!(
            "AWAY=$PWD/away; export AWAY; mkdir away open; chmod 1777 open; cd open; \
             $PRIV sh -c '{plant}'; HOME=$PWD tmpx file > /dev/null; \
             ls -A .local ../away /var/tmp; HOME=$PWD tmpx cleanup -q --all; rm -r .local; \
             cd ..; rm -r open away"
        );
        let ran = with_empty_temp_dirs(&sandbox, &script);
        assert_eq!(ran.status, Some(0), "{plant}: {ran:?}");
        assert_eq!(ran.stdout, "../away:\n\n.local:\n\n/var/tmp:\n.tmpx-0\n", "{plant}");
    }
}

#[test]
fn a_symlink_is_no_store_even_with_a_slash_behind_it() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.cwd().join("real/leases")).unwrap();
    for link in ["state", "cache"] {
        symlink("real", sandbox.cwd().join(link)).unwrap();
    }
    for slash in ["", "/", "//."] {
        let state = format!("{}/state{slash}", sandbox.cwd().display());
        let ran = sandbox.tmpx(["file"]).env("TMPX_STATE_DIR", &state).run();
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
        let cache = format!("{}/cache{slash}", sandbox.cwd().display());
        let ran = sandbox.tmpx(words("cache run -- echo text")).env("TMPX_CACHE_DIR", &cache).run();
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "text\n"), "{ran:?}");
    }
    assert_eq!(names(&sandbox.cwd().join("real")), ["leases"]);
    assert_eq!(names(&sandbox.cwd().join("real/leases")), [""; 0]);
}

#[test]
fn a_directory_that_is_exchanged_while_the_store_is_created_leads_nowhere() {
    if !has("strace") {
        return;
    }
    let refused = "tmpx: could not write to the state directory $ROOT/cwd/a/b: Not a directory\n";
    for (number, dir) in [(1, "a"), (2, "a/b"), (3, "a/b/leases")] {
        let sandbox = Sandbox::new();
        let target = sandbox.cwd().join("target");
        fs::create_dir(&target).unwrap();
        set_mode(&target, 0o755);
        let script = format!(
            "strace -o /dev/null -e inject=mkdirat:delay_exit=300000:when={number} tmpx file & \
             until [ -d {dir} ]; do :; done; mv {dir} aside; ln -s $PWD/target {dir}; wait $!"
        );
        let state = sandbox.cwd().join("a/b");
        let ran = sandbox.sh(&script).env("TMPX_STATE_DIR", &state).run();
        assert_eq!(
            (ran.status, ran.stdout.as_str(), ran.stderr.as_str()),
            (Some(1), "", refused),
            "{dir}"
        );
        assert_eq!(mode(&target), 0o755, "{dir}");
        assert_eq!(names(&target), Vec::<String>::new(), "{dir}");
    }
}

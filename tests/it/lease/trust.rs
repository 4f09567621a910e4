//! A store that another user may have written, or that is not a store at all.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
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

/// Writes a lease that claims `~/Documents`: the header of a real lease, with another intent. Returns
/// its id.
fn forge(sandbox: &Sandbox, leases: &Path) -> String {
    sandbox.tmpx(["dir"]).by_nobody().path();
    let id = sandbox.leases().pop().unwrap();
    let real = fs::read_to_string(sandbox.leases_dir().join(&id)).unwrap();
    sandbox.tmpx(words("cleanup -q --all")).by_nobody().succeeds();
    let mut header = real.lines().next().unwrap().to_owned();
    header.replace_range(GIVEN, NOT_GIVEN);
    let intent = serde_json::json!({"intent": {
        "kind": "dir", "dir": sandbox.home(), "names": ["Documents"], "run": [0, 9],
    }});
    fs::write(leases.join(&id), seal(&format!("{header}\n{intent}\n"))).unwrap();
    id
}

/// Creates `~/Documents` with a file that must survive.
fn documents(sandbox: &Sandbox) -> std::path::PathBuf {
    let thesis = sandbox.home().join("Documents/thesis");
    fs::create_dir(thesis.parent().unwrap()).unwrap();
    fs::write(&thesis, "precious").unwrap();
    if is_root() {
        for path in [thesis.parent().unwrap(), &thesis] {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
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
    if is_root() {
        for path in [state.clone(), state.join("leases"), lease.clone()] {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
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
    set_mode(&lease, 0o600);
    if is_root() {
        chown(&lease, Some(NOBODY), Some(NOBODY)).unwrap();
    }
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
    set_mode(&lease, 0o600);
    if is_root() {
        chown(&lease, Some(NOBODY), Some(NOBODY)).unwrap();
    }
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
fn entries_that_are_no_leases_stop_nothing() {
    let sandbox = Sandbox::new();
    sandbox.file();
    let real = sandbox.leases().remove(0);
    let entry = |letter: &str| sandbox.leases_dir().join(format!("019000000000-{letter:A<10}"));
    let sparse = fs::File::create(entry("B")).unwrap();
    set_mode(entry("B"), 0o600);
    sparse.set_len(15 << 40).or_else(|_| sparse.set_len(15 << 39)).unwrap();
    fs::create_dir(entry("C")).unwrap();
    symlink("/dev/zero", entry("D")).unwrap();
    fs::hard_link(sandbox.leases_dir().join(&real), entry("E")).unwrap();
    let mkfifo = Command::new("mkfifo").args(["-m", "600"]).arg(entry("F")).status().unwrap();
    assert!(mkfifo.success());
    let mut count = 5 + 1;
    if is_root() {
        let zero = Command::new("mknod").arg(entry("G")).args(["c", "1", "5"]).status().unwrap();
        assert!(zero.success());
        count += 1;
    }
    let ended = sandbox.tmpx(words("file --ttl 1ms")).path();
    std::thread::sleep(std::time::Duration::from_millis(5));
    let damaged = |ran: &Ran| ran.stderr.matches(": it is damaged\n").count();
    for (args, status) in [("list", 0), ("cleanup -n --all", 1), ("cleanup --all --force", 1)] {
        let ran = sandbox.tmpx(words(args)).run();
        // The link makes the real lease one with two names.
        assert_eq!((ran.status, damaged(&ran)), (Some(status), count), "{args}: {ran:?}");
    }
    assert!(!ended.exists());
    for _ in 0..3 {
        sandbox.tmpx(words("mktemp --dry-run")).succeeds();
        fs::remove_file(sandbox.tmpx(["file"]).path()).unwrap();
    }
    assert_eq!(sandbox.left().len(), 1, "damaged leases are kept, and so is what they cover");
    fs::remove_dir(entry("C")).unwrap();
    for letter in ["B", "D", "E", "F", "G"].into_iter().take(if is_root() { 5 } else { 4 }) {
        fs::remove_file(entry(letter)).unwrap();
    }
    set_mode(sandbox.leases_dir().join(&real), 0o1600);
    sandbox.clean_up();
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

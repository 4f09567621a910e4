//! Kills tmpx at each system call in turn, and makes each system call fail in turn.
//!
//! After a kill, one `tmpx cleanup` must leave only resources whose paths were printed. After an
//! error, tmpx must have succeeded, or reported why not and left nothing. Other files must be
//! untouched.

use crate::support::filter::{Lack, lacking};
use crate::support::sandbox::{Ran, Sandbox, TMPX, has, is_root, names, skip_unless};
use crate::support::strace::{assert_often_killed, errors_for, numbered};
use crate::support::wait::wait_until;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// A command line, what must exist before it, whether it creates a resource that stays, its exit status, and
/// the mode of TMPDIR and of the working directory.
#[derive(Clone, Copy)]
pub(super) struct Case {
    program: &'static str,
    before: &'static str,
    pub(super) args: &'static str,
    creates: bool,
    input: &'static str,
    status: i32,
    lacks: Lack,
    mode: u32,
}

pub(super) const fn case(before: &'static str, args: &'static str, creates: bool) -> Case {
    let (program, lacks) = (TMPX, Lack::Nothing);
    Case { program, before, args, creates, input: "", status: 0, lacks, mode: 0o755 }
}

const fn stream(args: &'static str) -> Case {
    Case { input: "new\n", ..case("echo old > target", args, false) }
}

impl Case {
    /// Returns the case where calls are missing.
    pub(super) const fn lacking(self, lacks: Lack) -> Self {
        Self { lacks, ..self }
    }

    /// Returns the same in directories with this mode.
    pub(super) const fn in_dirs(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    /// The words of the command line. A `~` in a word stands for a space.
    fn words(&self, sandbox: &Sandbox) -> Vec<String> {
        let state = sandbox.state();
        let words = self.args.split(' ').map(|word| word.replace('~', " "));
        words.map(|word| word.replace("STATE", state.to_str().unwrap())).collect()
    }

    /// The content of `target` after the command has run, and before tmpx replaces it.
    fn edited_content(&self) -> &'static str {
        if self.args.contains("other") { "old\nother\n" } else { "old\n" }
    }

    /// The content of `target` after success.
    fn new_content(&self) -> String {
        match self.args {
            edit if edit.contains("other") => {
                let new = if edit.contains("--append") { "new\n" } else { "" };
                format!("{}{new}", self.edited_content())
            }
            append if append.contains("--append") => "old\nnew\n".into(),
            chunk if chunk.starts_with("chunk") && chunk.contains("printf") => {
                (" ".repeat(99_999) + "x").repeat(2)
            }
            chunk if chunk.starts_with("chunk") => "1\nnew\n".into(),
            printf if printf.contains("printf") => " ".repeat(2_999_997) + "new",
            _ => "new\n".into(),
        }
    }
}

pub(super) const FILE: Case = case("", "file", true);
pub(super) const DIR: Case = case("", "dir", true);
const COUNT: Case = case("", "file --count 50", true);
pub(super) const NAME: Case =
    case("echo mine > $TMPDIR/taken", "file --name taken --from source", true);
pub(super) const WORKSPACE: Case = case("", "workspace --mkdir a/b --in source --in tree", true);
pub(super) const EXEC: Case =
    case("", "exec --in source --out made:saved -- sh -c date>made;mkdir~x", false);
/// Outputs that replace a file, carry attributes, are two names of one file, and a directory.
pub(super) const OUT: Case = Case {
    before: "echo before > saved",
    ..case(
        "",
        "exec --out made:saved --out two:two --out d -- \
         sh -c date>made;chmod~600~made;ln~made~two;mkdir~d~d/e;date>d/e/f;chmod~555~d/e",
        false,
    )
};
/// A result that is not found, so that the workspace is kept for a day.
const MISSED: Case =
    Case { status: 125, ..case("", "exec --out nosuch -- sh -c date>made", false) };
pub(super) const SUFFIX: Case = stream("spool --suffix .c -- test -s {}");
pub(super) const REPORT: Case =
    case("", "exec --out made:new/saved --report report --anon-fd 9 -- sh -c date>made", false);
const CLEANUP: Case = case(
    "tmpx file --ttl 0; d=$(tmpx dir --ttl 0); mkdir $d/a; touch $d/a/b $d/c; rm $(tmpx file)",
    "cleanup -q",
    false,
);

/// The reaper, which is tmpx under another name, with work to do at once.
const REAPER: Case = Case { program: "tmpx-reaper", args: "STATE", ..CLEANUP };

pub(super) const SPOOL: Case = stream("spool --max-size 2 -- test -s {}");
const HELD: Case = stream("spool --report report -- test -s {}");
pub(super) const REPLACE: Case = stream("replace --sync target");
/// A target of another user, which root replaces.
const REPLACE_OF_ANOTHER: Case = Case { before: "echo old > target; chown 1234 target", ..REPLACE };
pub(super) const APPEND: Case = stream("replace --append target --report report");
const PRODUCE: Case = stream("replace target -- cat");
/// The command changes the file itself: tmpx follows the change, or refuses.
const FOLLOW: Case = stream("replace --append target -- sh -c echo~other>>target;echo~new");
const CHANGED: Case =
    Case { status: 125, ..stream("replace target -- sh -c echo~other>>target;echo~new") };
pub(super) const COPY: Case = stream("replace target -- sed s/old/new/ {}");

/// Its output is so large that the thread which reads it makes more calls than the rest of tmpx.
pub(super) const SPOUT: Case = stream("replace target -- printf %3000000s new");

/// Several chunk files.
const CHUNK_FILES: Case =
    case("printf '1\\n2\\n3\\n' > lines", "chunk --format lines --rows 1 lines", true);

/// Two commands at once on chunks of a pipe, one on the path of a chunk, and two at once on chunks of a file, whose
/// outputs are too large for memory and wait for their turn.
const CHUNK: Case = Case {
    input: "1\nnew\n",
    ..stream("chunk --format lines --rows 1 -j 2 --merge -o target --report report -- cat")
};
const CHUNK_PATH: Case = stream("chunk --format lines -j 1 -- test -s {}");
const CHUNK_HELD: Case = Case {
    before: "echo old > target; printf '1\\n2\\n' > lines",
    ..stream("chunk --format lines --rows 1 -j 2 -o target lines -- printf %100000s x")
};

const GETTEMPDIR: Case = case("", "gettempdir", false);
const LIST: Case = case("tmpx file --ttl 0; tmpx dir --ttl 0; rm $(tmpx file)", "list", false);
/// The drop-in, which records a lease if the environment asks for one.
const MKTEMP: Case = Case { program: "env", ..case("", "TMPX_SESSION=s tmpx mktemp", true) };

/// On filesystems without unnamed files, the probe is a file with a name.
const GETTEMPDIR_BY_NAME: Case = Case { lacks: Lack::UnnamedFiles, ..GETTEMPDIR };
/// On filesystems where a rename cannot refuse to replace, a chosen name is given in two steps.
const NAME_IN_TWO_STEPS: Case = Case { lacks: Lack::RenameFlags, ..NAME };
const APPEND_WITHOUT_EXCHANGE: Case = Case { lacks: Lack::RenameFlags, ..APPEND };
pub(super) const DIR_IN_TWO_STEPS: Case =
    Case { lacks: Lack::RenameFlags, ..case("", "dir --name build", true) };
/// Without hard links, an empty file takes the chosen name first.
const NAME_WITHOUT_LINKS: Case = Case { lacks: Lack::Fat, ..NAME };
const FRESH_WITHOUT_LINKS: Case =
    Case { input: "new\n", lacks: Lack::Fat, ..case("", "replace --append fresh", false) };
/// Where nothing can be linked, the new content has a hidden name from the beginning.
const REPLACE_WITHOUT_LINKS: Case = Case { lacks: Lack::Links, ..REPLACE };

const BOUND: Case = case("", "dir --ttl 1h", true);

/// Creates a sandbox with files that must not be touched.
pub(super) fn prepare(case: &Case) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("source"), "source").unwrap();
    fs::create_dir_all(sandbox.cwd().join("tree/sub")).unwrap();
    fs::write(sandbox.cwd().join("tree/sub/canary"), "canary").unwrap();
    fs::write(sandbox.tmp().join("canary"), "canary").unwrap();
    for dir in [sandbox.tmp(), sandbox.cwd()] {
        fs::set_permissions(dir, fs::Permissions::from_mode(case.mode)).unwrap();
    }
    if !case.before.is_empty() {
        sandbox.sh(case.before).succeeds();
    }
    sandbox
}

/// Runs the case under strace with one injection.
fn run(sandbox: &Sandbox, case: &Case, inject: &str) -> Ran {
    run_with(sandbox, case, &["-o", "/dev/null", "-e", inject])
}

pub(super) fn run_with(sandbox: &Sandbox, case: &Case, options: &[&str]) -> Ran {
    let mut command = lacking(case.lacks, "strace");
    command.arg("-qq").args(options).arg(case.program).args(case.words(sandbox));
    sandbox.command(command).input(case.input).run()
}

/// Whether the tools are here that the case needs.
fn can_run(case: &Case) -> bool {
    has("strace")
        && (case.lacks == Lack::Nothing || has("python3"))
        && (!case.before.contains("chown") || skip_unless(is_root(), "root"))
}

/// Returns the system calls of the case, in order, if none fails. Now and then a run prunes the store and
/// makes more calls, so the shortest of three runs counts.
fn calls(case: &Case) -> Vec<String> {
    (0..3).map(|_| traced(case)).min_by_key(Vec::len).unwrap()
}

fn traced(case: &Case) -> Vec<String> {
    let sandbox = prepare(case);
    let trace = sandbox.root().join("trace");
    let ran = run_with(&sandbox, case, &["-o", trace.to_str().unwrap()]);
    assert_eq!(ran.status, Some(case.status), "{ran:?}");
    let text = fs::read_to_string(trace).unwrap();
    let calls =
        text.lines().filter_map(|line| line.split_once('(').map(|(name, _)| name.to_owned()));
    let calls: Vec<String> = calls.filter(|name| !name.contains(' ')).collect();
    clear(&sandbox);
    assert!(calls.len() > 10, "{calls:?}");
    calls
}

/// Checks that earlier files still exist and that a cleanup leaves nothing of ours.
pub(super) fn check(sandbox: &Sandbox, case: &Case, ran: &Ran, what: &str) {
    assert!(!ran.stderr.contains("panicked"), "{what}: {ran:?}");
    assert_eq!(fs::read(sandbox.tmp().join("canary")).unwrap(), b"canary", "{what}");
    assert_eq!(fs::read(sandbox.cwd().join("tree/sub/canary")).unwrap(), b"canary", "{what}");
    assert_eq!(fs::read(sandbox.cwd().join("source")).unwrap(), b"source", "{what}");
    if case.before.contains("taken") {
        assert_eq!(fs::read(sandbox.tmp().join("taken")).unwrap(), b"mine\n", "{what}");
    }
    if case.before.contains("target") {
        let text = fs::read_to_string(sandbox.cwd().join("target")).unwrap();
        let new = case.new_content();
        let replaces = case.args.contains("replace") || case.args.contains("-o target");
        let shown = text.trim_start();
        let old = text == "old\n" || text == case.edited_content();
        assert!(old || replaces && text == new, "{what}: {shown:?}");
        assert!(!replaces || ran.status != Some(0) || text == new, "{what}: {ran:?}");
    }
    if let Ok(text) = fs::read_to_string(sandbox.cwd().join("fresh")) {
        assert_eq!(text, "new\n", "{what}: {ran:?}");
    }
    if let Ok(text) = fs::read_to_string(sandbox.cwd().join("report")) {
        assert!(text.starts_with('{') && text.ends_with("}\n"), "{what}: {text:?}");
    }
    // A printed path, or one that a note or its hint reports as kept, perhaps in another temp dir.
    let notes = ["tmpx: kept ", "hint: remove it with: tmpx cleanup "];
    // A kill may come between keeping it for a day and saying so.
    let may_be_kept =
        ran.signal.is_some() && case.args.contains("nosuch") && has_state(sandbox, "timed");
    let kept = may_be_kept || notes.iter().any(|note| ran.stderr.contains(note));
    let mut printed: Vec<PathBuf> = ran.raw.lines().map(PathBuf::from).collect();
    if kept {
        printed.extend(sandbox.left().into_iter().map(|name| sandbox.tmp().join(name)));
    }
    if case.creates && ran.status == Some(0) {
        assert!(!printed.is_empty() && printed.iter().all(|path| path.exists()), "{what}: {ran:?}");
    } else {
        // The command of a killed tmpx closes its outputs, for which the test waits, before it has ended.
        if ran.signal.is_some() {
            wait_until("the command has ended", || !has_state(sandbox, "in_use"));
        }
        // Which mount an entry is on is known in other words where calls are missing.
        let lacks = if case.lacks == Lack::NewerCalls { case.lacks } else { Lack::Nothing };
        let mut cleanup = lacking(lacks, TMPX);
        cleanup.args(["cleanup", "-q"]);
        let cleaned = sandbox.command(cleanup).run();
        if matches!(case.lacks, Lack::RenameFlags | Lack::Fat | Lack::NewerCalls) {
            remove_reported(sandbox, &cleaned);
        }
        let mut left = sandbox.left();
        left.retain(|name| name != "canary" && name != "taken");
        // A process that was killed after the commit leaves the printed resources.
        left.retain(|name| !printed.contains(&sandbox.tmp().join(name)));
        assert_eq!(left, Vec::<String>::new(), "{what}: {ran:?}");
        if printed.is_empty() {
            assert_eq!(sandbox.leases(), Vec::<String>::new(), "{what}: {ran:?}");
        }
    }
    for dir in [sandbox.cwd(), sandbox.cwd().join("d"), sandbox.cwd().join("d/d")] {
        let around = names(&dir);
        assert!(around.iter().all(|name| !name.starts_with(".tmpx.")), "{what}: {around:?}");
    }
    clear(sandbox);
    assert_eq!(sandbox.left(), Vec::<String>::new(), "{what}: {ran:?}");
}

/// Whether a resource has this state.
fn has_state(sandbox: &Sandbox, state: &str) -> bool {
    let listed = sandbox.tmpx(["list", "--json"]).run().json();
    listed.iter().any(|row| row["state"] == state)
}

/// Removes empty directories and files that a cleanup reports: a kill between the two steps leaves one,
/// which may as well be the user's.
fn remove_reported(sandbox: &Sandbox, cleaned: &Ran) {
    for line in cleaned.stderr.lines() {
        let kept = line.strip_prefix("tmpx: kept $ROOT/tmp/").expect(line);
        let (name, why) = kept.split_once(": ").expect(line);
        let path = sandbox.tmp().join(name);
        match why {
            "no longer the directory tmpx created; remove it with rm -r" => fs::remove_dir(path),
            "no longer the file tmpx created (rewritten by sed -i or mv?); remove it with rm" => {
                assert_eq!(fs::read(&path).unwrap(), b"", "{line}");
                fs::remove_file(path)
            }
            _ => panic!("{line}"),
        }
        .unwrap();
    }
}

pub(super) fn clear(sandbox: &Sandbox) {
    sandbox.clean_up();
    for name in ["canary", "taken"] {
        let _ = fs::remove_file(sandbox.tmp().join(name));
    }
}

/// Kills tmpx at each call in the full gate, which also runs this with musl. The other gate leaves out the
/// calls that change nothing.
fn killed_at_every_call(case: &Case) {
    let every_one = cfg!(target_env = "musl") || std::env::var_os("TMPX_STRESS").is_some();
    signalled_at_calls(case, "SIGKILL", if every_one { |_| true } else { is_change });
}

/// The calls that change what a cleanup finds. A kill at another one leaves what one at the next of these does.
const CHANGES: &str = "clone copy_file_range execve exit_group fchmod fchown fsetxattr ftruncate linkat mkdir mkdirat \
    openat pwrite64 renameat renameat2 sendfile splice symlinkat unlinkat vfork wait4 write";

/// Kills tmpx at each call that changes anything, in the full gate.
pub(super) fn killed_at_every_change(case: &Case) {
    if std::env::var_os("TMPX_STRESS").is_none() {
        return;
    }
    signalled_at_calls(case, "SIGKILL", is_change);
}

fn is_change(name: &str) -> bool {
    CHANGES.split_whitespace().any(|call| call == name)
}

/// Sends a signal at those calls as the terminal does, but only to tmpx.
fn signalled_at_calls(case: &Case, signal: &str, is_one: fn(&str) -> bool) {
    if !can_run(case) {
        return;
    }
    let (mut calls, mut met) = (calls(case), Vec::new());
    calls.retain(|name| is_one(name));
    let mut killed = 0;
    for (name, n) in numbered(&calls) {
        let sandbox = prepare(case);
        let ran = run(&sandbox, case, &format!("inject={name}:signal={signal}:when={n}"));
        killed += usize::from(ran.signal == Some(9));
        met.push(name.to_owned());
        check(&sandbox, case, &ran, &format!("{} with {signal} at {name} number {n}", case.args));
    }
    if signal == "SIGKILL" {
        assert_often_killed(killed, &met);
    }
}

/// The calls on files that can fail on a real system. close(2) is not one of them: it closes the
/// descriptor whatever it returns, which an injected error would not.
const FALLIBLE: &str = "access faccessat copy_file_range fchmod fchown fgetxattr flistxattr fsetxattr fcntl flock \
    fstat fstatfs fsync ftruncate getcwd getdents64 ioctl linkat listxattr lseek memfd_create \
    mkdir mkdirat name_to_handle_at newfstatat openat openat2 poll pread64 pwrite64 pipe2 read \
    readlink readlinkat renameat renameat2 sendfile splice statx symlinkat unlinkat write";

pub(super) fn is_fallible(name: &str) -> bool {
    FALLIBLE.split_whitespace().any(|call| call == name)
}

fn every_call_failing(case: &Case) {
    if !can_run(case) {
        return;
    }
    let calls = calls(case);
    let errors = ["EIO", "ENOSPC", "EACCES", "EMFILE", "EINTR", "ENOSYS"];
    for (at, (name, n)) in numbered(&calls).into_iter().enumerate() {
        if is_fallible(name) {
            for error in errors_for(at, &errors) {
                let sandbox = prepare(case);
                let ran = run(&sandbox, case, &format!("inject={name}:error={error}:when={n}"));
                let what = format!("{} with {error} from {name} number {n}", case.args);
                let started = !ran.could_not_be_loaded();
                if ran.status != Some(0) && started && name != "write" && case.program == TMPX {
                    assert!(ran.stderr.starts_with("tmpx: "), "{what}: {ran:?}");
                }
                check(&sandbox, case, &ran, &what);
            }
        }
    }
}

macro_rules! cases {
    ($($killed:ident $failing:ident $case:ident)*) => {$(
        #[test]
        fn $killed() {
            killed_at_every_call(&$case);
        }

        #[test]
        fn $failing() {
            every_call_failing(&$case);
        }
    )*};
}

cases! {
    file_killed_at_every_call file_with_every_call_failing FILE
    dir_killed_at_every_call dir_with_every_call_failing DIR
    count_killed_at_every_call count_with_every_call_failing COUNT
    name_killed_at_every_call name_with_every_call_failing NAME
    workspace_killed_at_every_call workspace_with_every_call_failing WORKSPACE
    exec_killed_at_every_call exec_with_every_call_failing EXEC
    out_killed_at_every_call out_with_every_call_failing OUT
    missed_killed_at_every_call missed_with_every_call_failing MISSED
    suffix_killed_at_every_call suffix_with_every_call_failing SUFFIX
    report_killed_at_every_call report_with_every_call_failing REPORT
    cleanup_killed_at_every_call cleanup_with_every_call_failing CLEANUP
    spool_killed_at_every_call spool_with_every_call_failing SPOOL
    held_killed_at_every_call held_with_every_call_failing HELD
    replace_killed_at_every_call replace_with_every_call_failing REPLACE
    replace_of_another_killed_at_every_call replace_of_another_with_every_call_failing REPLACE_OF_ANOTHER
    replace_without_links_killed_at_every_call replace_without_links_with_every_call_failing REPLACE_WITHOUT_LINKS
    append_killed_at_every_call append_with_every_call_failing APPEND
    append_without_exchange_killed_at_every_call append_without_exchange_with_every_call_failing APPEND_WITHOUT_EXCHANGE
    produce_killed_at_every_call produce_with_every_call_failing PRODUCE
    follow_killed_at_every_call follow_with_every_call_failing FOLLOW
    changed_killed_at_every_call changed_with_every_call_failing CHANGED
    replace_from_a_copy_killed_at_every_call replace_from_a_copy_with_every_call_failing COPY
    chunk_files_killed_at_every_call chunk_files_with_every_call_failing CHUNK_FILES
    chunk_killed_at_every_call chunk_with_every_call_failing CHUNK
    chunk_path_killed_at_every_call chunk_path_with_every_call_failing CHUNK_PATH
    chunk_held_killed_at_every_call chunk_held_with_every_call_failing CHUNK_HELD
    gettempdir_killed_at_every_call gettempdir_with_every_call_failing GETTEMPDIR
    gettempdir_by_name_killed_at_every_call gettempdir_by_name_with_every_call_failing GETTEMPDIR_BY_NAME
    name_in_two_steps_killed_at_every_call name_in_two_steps_with_every_call_failing NAME_IN_TWO_STEPS
    dir_in_two_steps_killed_at_every_call dir_in_two_steps_with_every_call_failing DIR_IN_TWO_STEPS
    name_without_links_killed_at_every_call name_without_links_with_every_call_failing NAME_WITHOUT_LINKS
    fresh_without_links_killed_at_every_call fresh_without_links_with_every_call_failing FRESH_WITHOUT_LINKS
    list_killed_at_every_call list_with_every_call_failing LIST
    mktemp_killed_at_every_call mktemp_with_every_call_failing MKTEMP
    bound_killed_at_every_call bound_with_every_call_failing BOUND
    reaper_killed_at_every_call reaper_with_every_call_failing REAPER
}

macro_rules! interrupted {
    ($($interrupted:ident $case:ident)*) => {$(
        #[test]
        fn $interrupted() {
            signalled_at_calls(&$case, "SIGINT", |_| true);
        }
    )*};
}

interrupted! {
    spool_interrupted_at_every_call SPOOL
    held_interrupted_at_every_call HELD
    replace_interrupted_at_every_call REPLACE
    append_interrupted_at_every_call APPEND
    produce_interrupted_at_every_call PRODUCE
    chunk_interrupted_at_every_call CHUNK
    chunk_path_interrupted_at_every_call CHUNK_PATH
    chunk_held_interrupted_at_every_call CHUNK_HELD
}

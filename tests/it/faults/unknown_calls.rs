//! Runs every subcommand on kernels and in sandboxes that do not know a system call.
//!
//! A kernel answers ENOSYS to a call that it lacks. Some sandboxes answer EPERM. Both answer so to
//! every process, from the beginning to the end of a run.

use std::process::Command;
use std::sync::LazyLock;

use crate::support::filter::{Answer, Lack, OLDER, SINCE_4_18, lacking, without};
use crate::support::sandbox::{Run, Sandbox, has, names};
use crate::support::wait::wait_until;

/// Runs every subcommand, and shows all that can be seen of it.
pub(super) const SCRIPT: &str = concat!(include_str!("shown.sh"), include_str!("every_command.sh"));

/// Runs what depends most on newer calls.
const SHORT_SCRIPT: &str = concat!(include_str!("shown.sh"), include_str!("some_commands.sh"));

/// A call that filters refuse on Android.
const LINKS: &[(&str, i64)] = &[("linkat", libc::SYS_linkat)];

/// What the scripts show where no call is missing.
static EXPECTED: LazyLock<String> = LazyLock::new(|| run(SCRIPT, &[], Answer::NotImplemented));
static EXPECTED_IN_SHORT: LazyLock<String> =
    LazyLock::new(|| run(SHORT_SCRIPT, &[], Answer::NotImplemented));

/// What the subcommands of a script print and leave, without the calls.
fn run(script: &str, calls: &[i64], answer: Answer) -> String {
    let sandbox = Sandbox::new();
    finish(&sandbox, without(&sandbox, calls, answer, &["sh", "-c", script]))
}

fn finish(sandbox: &Sandbox, run: Run<'_>) -> String {
    let ran = run.run();
    sandbox.clean_up();
    let _ = std::fs::remove_dir_all(sandbox.tmp());
    format!("{}{}", ran.stdout, ran.stderr)
}

pub(super) fn difference(expected: &str, found: &str) -> String {
    let (expected, found): (Vec<&str>, Vec<&str>) =
        (expected.lines().collect(), found.lines().collect());
    let same = expected.iter().zip(&found).take_while(|(one, other)| one == other).count();
    let context =
        |lines: &[&str]| lines[same.saturating_sub(3)..(same + 12).min(lines.len())].join("\n");
    format!("expected:\n{}\nfound:\n{}", context(&expected), context(&found))
}

/// Returns what differs without the calls.
fn differences(calls: &[(&str, i64)], answer: Answer) -> Option<String> {
    differences_of(SCRIPT, &EXPECTED, calls, answer)
}

fn differences_of(
    script: &str,
    expected: &str,
    calls: &[(&str, i64)],
    answer: Answer,
) -> Option<String> {
    let (names, numbers): (Vec<&str>, Vec<i64>) = calls.iter().copied().unzip();
    // The C library starts no thread if clone3 is not permitted.
    let is_usable = |call: &i64| *call != libc::SYS_clone3 || answer == Answer::NotImplemented;
    let found = run(script, &numbers.into_iter().filter(is_usable).collect::<Vec<_>>(), answer);
    (found != expected)
        .then(|| format!("{answer:?} from {names:?}: {}", difference(expected, &found)))
}

#[track_caller]
fn assert_same_without(calls: &[(&str, i64)]) {
    if !has("python3") {
        return;
    }
    assert!(!EXPECTED.contains("$ tmpx: "), "{}", *EXPECTED);
    for answer in [Answer::NotImplemented, Answer::NotPermitted] {
        assert_eq!(differences(calls, answer), None);
    }
}

#[track_caller]
fn assert_same_lacking(lack: Lack) {
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let mut command = lacking(lack, "sh");
    command.args(["-c", SCRIPT]);
    let found = finish(&sandbox, sandbox.command(command));
    assert!(found == *EXPECTED, "{lack:?}: {}", difference(&EXPECTED, &found));
}

#[test]
fn every_subcommand_works_without_the_calls_that_came_after_linux_4_18() {
    assert_same_without(SINCE_4_18);
}

#[test]
fn every_subcommand_works_without_all_calls_that_have_a_replacement() {
    assert_same_without(&[SINCE_4_18, OLDER].concat());
}

#[test]
fn every_subcommand_works_in_a_sandbox_like_gvisor() {
    assert_same_lacking(Lack::GvisorCalls);
}

#[test]
fn every_subcommand_works_where_no_file_can_be_linked() {
    assert_same_without(LINKS);
}

#[test]
fn every_subcommand_works_on_filesystems_without_unnamed_files() {
    assert_same_lacking(Lack::UnnamedFiles);
}

#[test]
fn every_subcommand_works_on_filesystems_without_flags_of_renames() {
    assert_same_lacking(Lack::RenameFlags);
}

#[test]
fn every_subcommand_works_on_filesystems_without_any_of_these_and_links() {
    assert_same_lacking(Lack::Fat);
}

#[test]
fn every_subcommand_works_where_a_mount_may_get_the_number_of_an_earlier_one() {
    if !["python3", "strace"].into_iter().all(has) {
        return;
    }
    // What statx(2) says that it has told before Linux 6.8, and before Linux 5.8.
    for mask in ["ff1f0000", "ff0f0000"] {
        let sandbox = Sandbox::new();
        let tell = |script: &str| {
            let mut command = Command::new("strace");
            let inject = format!("inject=statx:poke_exit=@arg5={mask}");
            command.args(["-fqqo", "/dev/null", "-e", "trace=statx", "-e", &inject]);
            command.args(["sh", "-c", script]);
            sandbox.command(command)
        };
        tell("tmpx file -p $PWD >/dev/null").succeeds();
        let lease = std::fs::read_to_string(sandbox.leases_dir().join(&sandbox.leases()[0]));
        assert!(lease.unwrap().contains("\"mnt_ns\":"), "the namespace of the mount counts too");
        tell("tmpx cleanup --all -q").succeeds();
        assert_eq!(names(&sandbox.cwd()), [""; 0]);
        let found = finish(&sandbox, tell(SCRIPT));
        // A call without a place for the answer fails anyway.
        let found: String =
            found.split_inclusive('\n').filter(|line| !line.starts_with("strace: ")).collect();
        assert!(found == *EXPECTED, "{mask}: {}", difference(&EXPECTED, &found));
    }
}

/// The replacements hide each other if all calls are missing at once.
#[test]
fn every_subcommand_works_without_each_call_that_has_a_replacement() {
    if !has("python3") || std::env::var_os("TMPX_STRESS").is_none() {
        return;
    }
    let calls = SINCE_4_18.iter().chain(OLDER);
    let differing: Vec<String> = calls
        .flat_map(|call| {
            let answers = [Answer::NotImplemented, Answer::NotPermitted];
            answers.map(|answer| differences(&[*call], answer))
        })
        .flatten()
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n\n"));
}

/// The same in short: each call gives one of the answers.
#[test]
fn some_subcommands_work_without_each_call_that_has_a_replacement() {
    if !has("python3") {
        return;
    }
    assert!(!EXPECTED_IN_SHORT.contains("$ tmpx: "), "{}", *EXPECTED_IN_SHORT);
    let calls = SINCE_4_18.iter().chain(OLDER).chain(LINKS);
    let answers = [Answer::NotImplemented, Answer::NotPermitted].into_iter().cycle();
    let differing: Vec<String> = calls
        .zip(answers)
        .filter_map(|(call, answer)| {
            differences_of(SHORT_SCRIPT, &EXPECTED_IN_SHORT, &[*call], answer)
        })
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n\n"));
}

#[test]
fn without_pidfds_the_reaper_removes_files_when_their_owner_exits_and_when_their_time_is_up() {
    if !has("python3") {
        return;
    }
    let calls = [libc::SYS_pidfd_open, libc::SYS_pidfd_send_signal];
    for answer in [Answer::NotImplemented, Answer::NotPermitted] {
        let sandbox = Sandbox::new();
        // The owner lives when the reaper looks for the first time: it ends after the other file.
        let script = "tmpx file --until-exit=$$; f=$(tmpx file --ttl 100ms); while [ -e $f ]; do :; done; \
                      ls $TMPDIR";
        let ran =
            without(&sandbox, &calls, answer, &["sh", "-c", script]).env("TMPX_REAPER", "1").run();
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
        assert_eq!(ran.stdout, "$ROOT/tmp/tmp.RANDOM\ntmp.RANDOM\n", "the owner lives: {ran:?}");
        wait_until("the file of the owner is removed", || sandbox.left().is_empty());
        wait_until("its lease ends", || sandbox.leases().is_empty());
    }
}

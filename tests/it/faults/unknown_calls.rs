//! Runs every subcommand on kernels and in sandboxes that do not know a system call.
//!
//! A kernel answers ENOSYS to a call that it lacks. Some sandboxes answer EPERM. Both answer so to
//! every process, from the beginning to the end of a run.

use std::process::Command;

use crate::support::filter::{Answer, FCHMODAT2, Lack, lacking, without};
use crate::support::sandbox::{Run, Sandbox, has, names};
use crate::support::wait::wait_until;

pub(super) const SCRIPT: &str = include_str!("every_command.sh");

/// Calls that Linux 4.18 lacks.
pub(super) const SINCE_4_18: &[(&str, i64)] = &[
    ("clone3", libc::SYS_clone3),
    ("close_range", libc::SYS_close_range),
    ("faccessat2", libc::SYS_faccessat2),
    ("fchmodat2", FCHMODAT2),
    ("openat2", libc::SYS_openat2),
    ("pidfd_open", libc::SYS_pidfd_open),
    ("pidfd_send_signal", libc::SYS_pidfd_send_signal),
];

/// Calls that still older kernels lack, or that sandboxes do not allow.
const OLDER: &[(&str, i64)] = &[
    ("copy_file_range", libc::SYS_copy_file_range),
    ("getrandom", libc::SYS_getrandom),
    ("memfd_create", libc::SYS_memfd_create),
    ("name_to_handle_at", libc::SYS_name_to_handle_at),
    ("prctl", libc::SYS_prctl),
    ("prlimit64", libc::SYS_prlimit64),
    ("renameat2", libc::SYS_renameat2),
    ("sendfile", libc::SYS_sendfile),
    ("splice", libc::SYS_splice),
    ("statx", libc::SYS_statx),
    ("timerfd_create", libc::SYS_timerfd_create),
];

/// What all subcommands print and leave, without the calls.
fn run(calls: &[i64], answer: Answer) -> String {
    let sandbox = Sandbox::new();
    finish(&sandbox, without(&sandbox, calls, answer, &["sh", "-c", SCRIPT]))
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
fn differences(expected: &str, calls: &[(&str, i64)], answer: Answer) -> Option<String> {
    let (names, numbers): (Vec<&str>, Vec<i64>) = calls.iter().copied().unzip();
    // The C library starts no thread if clone3 is not permitted.
    let is_usable = |call: &i64| *call != libc::SYS_clone3 || answer == Answer::NotImplemented;
    let found = run(&numbers.into_iter().filter(is_usable).collect::<Vec<_>>(), answer);
    (found != expected)
        .then(|| format!("{answer:?} from {names:?}: {}", difference(expected, &found)))
}

#[test]
fn every_subcommand_works_without_the_calls_that_came_after_linux_4_18() {
    if !has("python3") {
        return;
    }
    let expected = run(&[], Answer::NotImplemented);
    assert!(!expected.contains("$ tmpx: "), "{expected}");
    for answer in [Answer::NotImplemented, Answer::NotPermitted] {
        assert_eq!(differences(&expected, SINCE_4_18, answer), None);
    }
}

#[test]
fn every_subcommand_works_on_filesystems_without_unnamed_files_flags_of_renames_and_links() {
    if !has("python3") {
        return;
    }
    let expected = run(&[], Answer::NotImplemented);
    for lack in [Lack::UnnamedFiles, Lack::RenameFlags, Lack::Links] {
        let sandbox = Sandbox::new();
        let mut command = lacking(lack, "sh");
        command.args(["-c", SCRIPT]);
        let found = finish(&sandbox, sandbox.command(command));
        assert!(found == expected, "{lack:?}: {}", difference(&expected, &found));
    }
}

#[test]
fn every_subcommand_works_where_a_mount_may_get_the_number_of_an_earlier_one() {
    if !["python3", "strace"].into_iter().all(has) {
        return;
    }
    let expected = run(&[], Answer::NotImplemented);
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
        assert!(found == expected, "{mask}: {}", difference(&expected, &found));
    }
}

#[test]
fn every_subcommand_works_without_each_call_that_has_a_replacement() {
    if !has("python3") || std::env::var_os("TMPX_STRESS").is_none() {
        return;
    }
    let expected = run(&[], Answer::NotImplemented);
    let calls = SINCE_4_18.iter().chain(OLDER);
    let differing: Vec<String> = calls
        .flat_map(|call| {
            let answers = [Answer::NotImplemented, Answer::NotPermitted];
            answers.map(|answer| differences(&expected, &[*call], answer))
        })
        .flatten()
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

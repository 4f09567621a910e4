//! Kills `tmpx cache` at each system call, and makes each call fail.
//!
//! Whatever happens, what is printed is what a run printed, the command's status is untouched, and after
//! another run and a cleanup nothing is left but whole entries.

use std::fs;
use std::process::Command;

use super::fixture::{COUNT, age, entry, files, store};
use crate::support::sandbox::{Ran, Sandbox, TMPX, has, names};
use crate::support::strace::{assert_often_killed, errors_for, numbered};
use crate::support::wait::wait_until;

/// What is run under a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// A miss in a store that does not exist yet.
    Fill,
    /// A miss that replaces an entry.
    Refill,
    Hit,
    /// A stale hit.
    Stale,
    /// The refresh of a stale output.
    Refresh,
    Set,
    Get,
    Clear,
    /// A miss that removes expired entries, and others since the store is too large.
    Evict,
    /// A miss whose key has the content of files and of standard input.
    Content,
}

impl Act {
    /// Whether a command's output is printed.
    fn runs(self) -> bool {
        !matches!(self, Self::Refresh | Self::Set | Self::Get | Self::Clear)
    }

    fn args(self) -> Vec<&'static str> {
        let words = match self {
            Self::Fill | Self::Hit | Self::Refresh => "cache run --stale 30m",
            Self::Refill => "cache run --refresh",
            Self::Stale => "cache run --stale 0",
            Self::Set => return vec!["cache", "set", "k"],
            Self::Get => return vec!["cache", "get", "k"],
            Self::Clear => return vec!["cache", "clear", "-q", "k"],
            Self::Evict => "cache run --key new --max-bytes 4500",
            Self::Content => {
                "cache run --key-stdin --key-file /etc/passwd --key-file none --cache-failures"
            }
        };
        words.split(' ').chain(["--", "sh", "-c", COUNT]).collect()
    }

    fn name(self) -> &'static str {
        if self == Self::Refresh { "tmpx-cache-refresh" } else { TMPX }
    }
}

fn prepare(act: Act) -> Sandbox {
    let sandbox = Sandbox::new();
    if act == Act::Refresh {
        let link = sandbox.bin().join("tmpx-cache-refresh");
        std::os::unix::fs::symlink(TMPX, link).unwrap();
    }
    if act != Act::Fill {
        let args = ["cache", "run", "--", "sh", "-c", COUNT];
        sandbox.tmpx(args).succeeds();
    }
    if act == Act::Refresh {
        age(&entry(&sandbox), 40 * 60_000);
    }
    if matches!(act, Act::Set | Act::Get | Act::Clear) {
        sandbox.tmpx(["cache", "set", "k"]).input("old").succeeds();
    }
    if act == Act::Evict {
        for key in ["a", "b", "c", "d"] {
            sandbox.tmpx(["cache", "set", key]).input("x".repeat(1000)).succeeds();
        }
        age(&store(&sandbox).join(&files(&sandbox)[0]), 2 * 3_600_000);
        let lock = store(&sandbox).join("lock");
        let mut numbers = fs::read(&lock).unwrap();
        numbers[8..16].fill(0);
        fs::write(lock, numbers).unwrap();
    }
    sandbox
}

fn run(sandbox: &Sandbox, act: Act, options: &[&str]) -> Ran {
    let mut command = Command::new("strace");
    command.arg("-qq").args(options).arg(act.name()).args(act.args());
    sandbox.command(command).input("new").run()
}

/// Returns the system calls of an act, in order.
fn calls(act: Act) -> Vec<String> {
    let sandbox = prepare(act);
    let trace = sandbox.root().join("trace");
    let ran = run(&sandbox, act, &["-o", trace.to_str().unwrap()]);
    assert_eq!(ran.status, Some(0), "{act:?}: {ran:?}");
    let text = fs::read_to_string(trace).unwrap();
    let names = text.lines().filter_map(|line| line.split_once('('));
    settle(&sandbox, act);
    names.map(|(name, _)| name.to_owned()).collect()
}

/// Waits for the refresh that a stale hit has started.
fn settle(sandbox: &Sandbox, act: Act) {
    let cwd = sandbox.cwd();
    let is_running = || {
        fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .any(|process| fs::read_link(process.path().join("cwd")).is_ok_and(|dir| dir == cwd))
    };
    if act == Act::Stale || act == Act::Refresh {
        wait_until("the refresh ends", || !is_running());
    }
}

/// Checks what was printed and what is left.
fn check(sandbox: &Sandbox, act: Act, ran: &Ran, what: &str) {
    settle(sandbox, act);
    assert!(!ran.stderr.contains("panicked"), "{what}: {ran:?}");
    let printed = &*ran.raw;
    let is_killed = ran.signal.is_some();
    // Without all of its inputs, a command would print something else.
    let lacks_input = act == Act::Content && ran.status == Some(125);
    if lacks_input {
        assert_eq!(printed, "", "{what}: {ran:?}");
        assert!(ran.stderr.starts_with("tmpx: could not read "), "{what}: {ran:?}");
    } else if act.runs() {
        let mut whole: Vec<String> = (1..=3).map(|n| format!("run {n}\n")).collect();
        if is_killed {
            whole.push(String::new());
        }
        assert!(whole.iter().any(|whole| whole == printed), "{what}: {ran:?}");
        assert!(is_killed || ran.status == Some(0), "{what}: {ran:?}");
    } else if act == Act::Get {
        assert!(printed == "old" || printed.is_empty() && ran.status != Some(0), "{what}: {ran:?}");
    } else if act != Act::Refresh {
        assert_eq!(printed, "", "{what}: {ran:?}");
    }
    // From here on everything works again, and gives the right answers.
    let next = sandbox.tmpx(["cache", "run", "--", "sh", "-c", COUNT]).run();
    let right = next.raw.starts_with("run ") && next.raw.lines().count() == 1;
    assert!(right && next.status == Some(0) && next.stderr.is_empty(), "{what}: {ran:?} {next:?}");
    let again = sandbox.tmpx(["cache", "run", "--", "sh", "-c", COUNT]).run();
    assert_eq!(next.raw, again.raw, "{what}: {ran:?}");
    if matches!(act, Act::Set | Act::Get | Act::Clear) {
        let got = sandbox.tmpx(["cache", "get", "k"]).run();
        assert!(["old", "new", ""].contains(&&*got.raw), "{what}: {got:?}");
        let is_set = act == Act::Set && ran.status == Some(0);
        assert!(!is_set || got.raw == "new", "{what}: {ran:?} {got:?}");
        let is_cleared = act == Act::Clear && ran.status == Some(0);
        assert!(!is_cleared || got.status == Some(1), "{what}: {ran:?} {got:?}");
    }
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
    let dir = store(sandbox);
    for name in names(&dir) {
        let is_entry = name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_entry || name == "lock", "{what}: {name} is left");
    }
    let listed = sandbox.tmpx(["cache", "list", "--json"]).succeeds().raw.lines().count();
    assert_eq!(listed, files(sandbox).len(), "{what}");
    let around = names(&sandbox.cwd());
    assert_eq!(around, ["runs"], "{what}");
}

fn killed_at_every_call(act: Act) {
    if !has("strace") {
        return;
    }
    let calls = calls(act);
    let mut killed = 0;
    for (name, n) in numbered(&calls) {
        let sandbox = prepare(act);
        let inject = format!("inject={name}:signal=SIGKILL:when={n}");
        let ran = run(&sandbox, act, &["-o", "/dev/null", "-e", &inject]);
        killed += usize::from(ran.signal == Some(9));
        check(&sandbox, act, &ran, &format!("{act:?} killed at {name} number {n}"));
    }
    assert_often_killed(killed, &calls);
}

/// The calls that can fail on a real system, but for writing to stdout, and for what a process needs to
/// start at all.
const FALLIBLE: [&str; 28] = [
    "fallocate",
    "fchmod",
    "fcntl",
    "fstat",
    "fstatfs",
    "futimens",
    "getdents64",
    "ioctl",
    "linkat",
    "lseek",
    "mkdirat",
    "newfstatat",
    "openat",
    "pipe2",
    "poll",
    "pread64",
    "pwrite64",
    "pwritev",
    "read",
    "readlinkat",
    "readlink",
    "renameat",
    "sendfile",
    "signalfd4",
    "splice",
    "statfs",
    "unlinkat",
    "utimensat",
];

fn every_call_failing(act: Act) {
    if !has("strace") {
        return;
    }
    let calls = calls(act);
    for (at, (name, n)) in numbered(&calls).into_iter().enumerate() {
        if FALLIBLE.contains(&name) {
            for error in errors_for(at, &["ENOSPC", "EIO", "EINTR", "EMFILE"]) {
                let sandbox = prepare(act);
                let inject = format!("inject={name}:error={error}:when={n}");
                let ran = run(&sandbox, act, &["-o", "/dev/null", "-e", &inject]);
                if ran.could_not_be_loaded() {
                    continue;
                }
                let what = format!("{act:?} with {error} from {name} number {n}");
                check(&sandbox, act, &ran, &what);
            }
        }
    }
}

macro_rules! acts {
    ($($killed:ident $failing:ident $act:ident)*) => {$(
        #[test]
        fn $killed() {
            killed_at_every_call(Act::$act);
        }

        #[test]
        fn $failing() {
            every_call_failing(Act::$act);
        }
    )*};
}

acts! {
    fill_killed_at_every_call fill_with_every_call_failing Fill
    refill_killed_at_every_call refill_with_every_call_failing Refill
    hit_killed_at_every_call hit_with_every_call_failing Hit
    stale_killed_at_every_call stale_with_every_call_failing Stale
    refresh_killed_at_every_call refresh_with_every_call_failing Refresh
    set_killed_at_every_call set_with_every_call_failing Set
    get_killed_at_every_call get_with_every_call_failing Get
    clear_killed_at_every_call clear_with_every_call_failing Clear
    evict_killed_at_every_call evict_with_every_call_failing Evict
    content_killed_at_every_call content_with_every_call_failing Content
}

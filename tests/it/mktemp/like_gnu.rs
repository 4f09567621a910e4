//! GNU mktemp and tmpx side by side: each option with each template in many environments.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::world::{Ran, TMPX, World, mode_of};

/// One call: arguments, environment and stdout.
#[derive(Debug)]
struct Call {
    args: Vec<OsString>,
    env: Vec<(&'static str, &'static str)>,
    stdout: Stdout,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stdout {
    Pipe,
    Full,
    Closed,
}

/// The outcome of a call: its output, and the entries that it created, with their modes.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    ran: Ran,
    created: BTreeMap<PathBuf, u32>,
}

impl Call {
    /// Runs it and removes what it created.
    fn carry_out(&self, program: &Path, world: &World) -> Outcome {
        let mut command = if self.stdout == Stdout::Closed {
            // Only a shell can start a program with a closed stdout.
            let mut command = Command::new("/bin/sh");
            command.args(["-c", "exec mktemp \"$@\" >&-", "sh"]);
            command
        } else {
            let mut command = Command::new(program);
            command.arg0("mktemp");
            command
        };
        command
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().copied())
            .env("PATH", link_to(program, world))
            .current_dir(world.path("cwd"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if self.stdout == Stdout::Full {
            command.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap());
        }
        let before = tree(&world.path("cwd"));
        let ran = Ran::of(command.spawn().unwrap().wait_with_output().unwrap());
        let mut created = tree(&world.path("cwd"));
        created.retain(|path, _| !before.contains_key(path));
        // The path of an entry outside of the world is known only from stdout.
        let printed = ran
            .stdout
            .strip_suffix(b"\n")
            .map(|path| world.path("cwd").join(OsStr::from_bytes(path)));
        if let Some(printed) = printed.filter(|path| path.symlink_metadata().is_ok()) {
            let path = printed.canonicalize().unwrap();
            created.insert(path.clone(), mode_of(&path));
        }
        for path in created.keys() {
            let removed = std::fs::remove_file(path).or_else(|_| std::fs::remove_dir(path));
            removed.unwrap();
        }
        let cwd = world.path("cwd").canonicalize().unwrap();
        let created = created
            .into_iter()
            .map(|(path, mode)| (path.strip_prefix(&cwd).unwrap_or(&path).to_owned(), mode))
            .collect();
        Outcome { ran, created }
    }
}

/// Returns a directory of the world in which `mktemp` is a link to this program.
fn link_to(program: &Path, world: &World) -> PathBuf {
    let bin = world.path("bin");
    if !bin.exists() {
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(program, bin.join("mktemp")).unwrap();
    }
    bin
}

/// Returns all entries below a directory, with type and mode.
fn tree(dir: &Path) -> BTreeMap<PathBuf, u32> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.canonicalize().unwrap()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                dirs.push(entry.path());
            }
            found.insert(entry.path(), mode_of(&entry.path()));
        }
    }
    found
}

impl Outcome {
    /// Masks the random characters of the outcome with `?`: those that differ between runs.
    fn blurred(mut self, mask: &[bool]) -> Self {
        let text = |bytes: &[u8], from_end: &[bool]| -> Vec<u8> {
            let blur = |(&byte, &random): (&u8, &bool)| if random { b'?' } else { byte };
            bytes.iter().zip(from_end).map(blur).collect()
        };
        let printed = std::mem::take(&mut self.ran.stdout);
        self.ran.stdout = text(&printed, mask);
        // The name on disk ends like the printed path, which ends in a newline and perhaps a slash.
        let tail = printed.iter().rev().take_while(|byte| b"\n/".contains(byte)).count();
        let shown = &mask[..mask.len() - tail];
        self.created = std::mem::take(&mut self.created)
            .into_iter()
            .map(|(path, mode)| {
                let bytes = path.as_os_str().as_bytes();
                let mask: Vec<bool> = (0..bytes.len())
                    .map(|at| {
                        let from_end = bytes.len() - at;
                        shown.len().checked_sub(from_end).is_some_and(|at| shown[at])
                    })
                    .collect();
                (PathBuf::from(OsString::from_vec(text(bytes, &mask))), mode)
            })
            .collect();
        self
    }
}

/// Makes a call several times and masks what differs. A random character can be the same each time,
/// so in doubt the caller asks for more runs.
fn settle(call: &Call, program: &Path, world: &World, runs: usize) -> Outcome {
    let mut outcome = call.carry_out(program, world);
    let mut mask = vec![false; outcome.ran.stdout.len()];
    if mask.is_empty() {
        return outcome;
    }
    for _ in 1..runs {
        let next = call.carry_out(program, world);
        assert_eq!(next.ran.stdout.len(), mask.len(), "{call:?}");
        for ((random, a), b) in mask.iter_mut().zip(&outcome.ran.stdout).zip(&next.ran.stdout) {
            *random |= a != b;
        }
        outcome = next;
    }
    outcome.blurred(&mask)
}

/// Compares both programs on one call.
fn compare(call: &Call, gnu: &Path, worlds: &(World, World)) {
    let mut pair = (Vec::new(), Vec::new());
    for runs in [2, 4, 12] {
        let theirs = settle(call, gnu, &worlds.0, runs);
        let ours = settle(call, Path::new(TMPX), &worlds.1, runs);
        if theirs == ours {
            return;
        }
        pair.0.push(theirs);
        pair.1.push(ours);
    }
    panic!("{call:?}\n GNU: {:?}\nours: {:?}", pair.0.last(), pair.1.last());
}

/// Returns GNU mktemp. Without it the test is skipped, except in CI.
fn gnu_mktemp() -> Option<PathBuf> {
    let path = PathBuf::from("/usr/bin/mktemp");
    let version = Command::new(&path).arg("--version").output();
    if version.is_ok_and(|version| version.stdout.starts_with(b"mktemp (GNU coreutils)")) {
        return Some(path);
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no GNU mktemp");
    let _ = writeln!(std::io::stderr(), "skipped: no GNU mktemp");
    None
}

fn world() -> World {
    let world = World::new();
    for dir in ["cwd/d", "cwd/tmp"] {
        std::fs::create_dir(world.path(dir)).unwrap();
    }
    std::fs::write(world.path("cwd/f"), "").unwrap();
    std::os::unix::fs::symlink("nowhere", world.path("cwd/l")).unwrap();
    world
}

const TEMPLATES: [&[u8]; 26] = [
    b"XXX",
    b"aXXXX",
    b"aXX",
    b"abc",
    b"",
    b"X",
    b"aXXXX_XXXb",
    b"XXXaXX",
    b"aXXX.txt",
    b"XXXXXXa/",
    b"XXX/",
    b"XXX//",
    b"aXXX//b",
    b"XXXX/abc",
    b"d/aXXXX",
    b"d//XXXXb",
    b"./XXXX",
    b"nodir/XXXX",
    b"f/XXXX",
    b"l/XXXX",
    b"///XX",
    b"-XXX",
    b"\xff\xfeXXXX\xe9",
    b"it's\tXXXX\n\\\x01\x7f",
    "é’“XXX\u{200b}\u{ad}\u{d7ff}😀".as_bytes(),
    b"\xc3(XXX\xe2\x80",
];

const OPTIONS: [&[&[u8]]; 34] = [
    &[],
    &[b"-d"],
    &[b"-u"],
    &[b"-q"],
    &[b"-t"],
    &[b"-p", b"d"],
    &[b"-p", b"d///"],
    &[b"-p", b"nodir"],
    &[b"-p", b"f"],
    &[b"-p", b""],
    &[b"--tmpdir"],
    &[b"--tmpdir=d"],
    &[b"--tmpdir="],
    &[b"--suffix=.t"],
    &[b"--suffix="],
    &[b"--suffix=X"],
    &[b"--suffix=/"],
    &[b"--suffix=a/b"],
    &[b"--suffix=a/"],
    &[b"--suf", b"\xff"],
    &[b"-dq"],
    &[b"-dup", b"d"],
    &[b"-qtpd"],
    &[b"-t", b"-p", b"nodir"],
    &[b"-pd", b"--tmpdir"],
    &[b"--tmpdir", b"-pd"],
    &[b"-u", b"-p", b"/"],
    &[b"-up//"],
    &[b"-d", b"--suffix=b/"],
    &[b"--dry", b"--dir"],
    &[b"-ut", b"-p", b"f"],
    &[b"-q", b"-p", b"nodir"],
    &[b"-du", b"-p", b"f"],
    &[b"--"],
];

const ENVIRONMENTS: [&[(&str, &str)]; 8] = [
    &[("TMPDIR", "tmp"), ("LC_ALL", "C")],
    &[("TMPDIR", "tmp//"), ("LC_ALL", "C.UTF-8")],
    &[("TMPDIR", ""), ("LANG", "C.UTF-8")],
    &[],
    &[("TMPDIR", "nodir"), ("LANG", "C.UTF-8"), ("LC_TIME", "bogus")],
    &[("TMPDIR", "f"), ("LC_ALL", "xx_XX.UTF-8")],
    &[("TMPDIR", "tmp"), ("POSIXLY_CORRECT", "")],
    &[("TMPDIR", "/"), ("POSIXLY_CORRECT", "1"), ("LC_CTYPE", "C.UTF-8")],
];

/// Command lines that getopt reports or treats in a special way.
const ODD: [&[&[u8]]; 44] = [
    &[b"-Z"],
    &[b"-dZ"],
    &[b"-h"],
    &[b"-\xff"],
    &[b"-:"],
    &[b"-?"],
    &[b"-W", b"x"],
    &[b"--bogus"],
    &[b"--bogus=\xff\n"],
    &[b"---"],
    &[b"--="],
    &[b"--=x"],
    &[b"--d"],
    &[b"--d=x"],
    &[b"--di"],
    &[b"--q"],
    &[b"--s"],
    &[b"--s="],
    &[b"--t", b"d"],
    &[b"--quiet=1"],
    &[b"--help=1"],
    &[b"--vers=1"],
    &[b"-p"],
    &[b"-dp"],
    &[b"--suffix"],
    &[b"--suffix", b"--"],
    &[b"-p", b"--"],
    &[b"-"],
    &[b"--", b"-"],
    &[b"--", b"--"],
    &[b"--", b"-u"],
    &[b"aXXX", b"bXXX"],
    &[b"aXXX", b"--", b"bXXX"],
    &[b"aXXX", b"-Z"],
    &[b"a", b"b", b"-Z"],
    &[b"aXXX", b"-d"],
    &[b"-d", b"aXXX", b"-u"],
    &[b"aXXX", b"-p"],
    &[b"aXXX", b"-p", b"d"],
    &[b"-", b"-d"],
    &[b"", b""],
    &[b"-u", b"--", b"-XXX"],
    &[b"aXXX", b"--tmpdir", b"--"],
    &[b"--tmpdir", b"d"],
];

fn words(parts: &[&[&[u8]]]) -> Vec<OsString> {
    let words = parts.iter().copied().flatten();
    words.map(|word| OsString::from_vec(word.to_vec())).collect()
}

/// Whether the call would create an entry outside of the world, in /tmp or in the root directory.
/// Such a call only gets `-u`.
fn strays(env: &[(&str, &str)]) -> bool {
    let tmpdir = env.iter().find(|(name, _)| *name == "TMPDIR");
    tmpdir.is_none_or(|(_, value)| value.is_empty() || value.starts_with('/'))
}

fn calls() -> Vec<Call> {
    let mut calls = Vec::new();
    let mut add = |args: Vec<OsString>, env: &[(&'static str, &'static str)], stdout| {
        let mut args = args;
        if strays(env) {
            args.insert(0, "-u".into());
        }
        calls.push(Call { args, env: env.to_vec(), stdout });
    };
    for (n, env) in ENVIRONMENTS.into_iter().enumerate() {
        for (m, options) in OPTIONS.into_iter().enumerate() {
            add(words(&[options]), env, Stdout::Pipe);
            for (k, template) in TEMPLATES.into_iter().enumerate() {
                // All pairs run in one environment, and a quarter of them in each of the others.
                if n == 0 || (n + m + k).is_multiple_of(4) {
                    add(words(&[options, &[template]]), env, Stdout::Pipe);
                }
                if (n + m + k).is_multiple_of(9) {
                    add(words(&[&[template], options]), env, Stdout::Pipe);
                }
            }
            for stdout in [Stdout::Full, Stdout::Closed] {
                if (n + m).is_multiple_of(4) {
                    add(words(&[options]), env, stdout);
                    add(words(&[options, &[b"aXXX"]]), env, stdout);
                }
            }
        }
        for odd in ODD {
            add(words(&[odd]), env, Stdout::Pipe);
        }
    }
    calls
}

#[test]
fn prints_and_creates_the_same_as_gnu_mktemp() {
    let Some(gnu) = gnu_mktemp() else { return };
    let calls = calls();
    let worlds = (world(), world());
    for call in calls {
        compare(&call, &gnu, &worlds);
    }
}

//! A world for each test of mktemp.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

pub(super) const TMPX: &str = env!("CARGO_BIN_EXE_tmpx");

/// A working directory, a TMPDIR, a HOME and a state directory.
pub(super) struct World {
    root: TempDir,
}

/// The result of a run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ran {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
    pub(super) status: Option<i32>,
}

impl World {
    pub(super) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for dir in ["cwd", "tmp", "home", "state"] {
            std::fs::create_dir(root.path().join(dir)).unwrap();
        }
        Self { root }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Returns a path in this world as text.
    pub(super) fn text(&self, name: &str) -> String {
        self.path(name).into_os_string().into_string().unwrap()
    }

    /// Prepares a program in this world, in the C locale.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C")
            .env("TMPDIR", self.path("tmp"))
            .env("HOME", self.path("home"))
            .env("TMPX_STATE_DIR", self.path("state"))
            .env("TMPX_REAPER", "0")
            .current_dir(self.path("cwd"))
            .stdin(Stdio::null());
        command
    }

    /// Prepares tmpx under the name `mktemp`.
    pub(super) fn mktemp<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.command(TMPX);
        command.arg0("mktemp").args(args);
        command
    }

    /// Prepares a shell line in which `mktemp` is tmpx.
    pub(super) fn shell(&self, line: &str) -> Command {
        let bin = self.path("bin");
        if !bin.exists() {
            std::fs::create_dir(&bin).unwrap();
            std::os::unix::fs::symlink(TMPX, bin.join("mktemp")).unwrap();
            std::os::unix::fs::symlink(TMPX, bin.join("tmpx")).unwrap();
        }
        let mut path = bin.into_os_string();
        path.push(":/usr/bin:/bin");
        let mut command = self.command("sh");
        command.args(["-c", line]).env("PATH", path);
        command
    }

    /// Returns the names in a directory of this world.
    pub(super) fn names_in(&self, dir: &str) -> Vec<OsString> {
        let mut names: Vec<_> = std::fs::read_dir(self.path(dir))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    }

    pub(super) fn assert_nothing_created(&self) {
        for dir in ["cwd", "tmp", "home", "state"] {
            assert_eq!(self.names_in(dir), Vec::<OsString>::new(), "in {dir}");
        }
    }
}

pub(super) fn run(mut command: Command) -> Ran {
    Ran::of(command.output().unwrap())
}

impl Ran {
    pub(super) fn of(output: Output) -> Self {
        Self {
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status.code(),
        }
    }

    /// Returns the printed path of a successful run.
    #[track_caller]
    pub(super) fn printed(&self) -> PathBuf {
        assert_eq!((self.stderr.as_str(), self.status), ("", Some(0)));
        let line = self.stdout.strip_suffix(b"\n").unwrap();
        assert!(!line.contains(&b'\n'));
        PathBuf::from(OsString::from_vec(line.to_vec()))
    }

    /// Checks that the run failed with this stderr and an empty stdout.
    #[track_caller]
    pub(super) fn assert_refused(&self, stderr: &str) {
        assert_eq!(self.stderr, stderr);
        assert_eq!((self.status, self.stdout.as_slice()), (Some(1), &b""[..]));
    }
}

/// Checks a name against a pattern in which every `?` is a random character.
#[track_caller]
pub(super) fn assert_like(name: &OsStr, pattern: &[u8]) {
    let name = name.as_bytes();
    let fits = |(&byte, &wanted): (&u8, &u8)| match wanted {
        b'?' => byte.is_ascii_alphanumeric(),
        _ => byte == wanted,
    };
    assert!(
        name.len() == pattern.len() && name.iter().zip(pattern).all(fits),
        "{} is not like {}",
        name.escape_ascii(),
        pattern.escape_ascii()
    );
}

pub(super) fn mode_of(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

//! A sandbox for each test: its own TMPDIR, HOME, state directory and working directory, and no
//! other environment. At the end of a test its TMPDIR and its store must be empty.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The binary under test.
pub(crate) const TMPX: &str = env!("CARGO_BIN_EXE_tmpx");

/// A user other than root, for tests that root would pass by mistake.
pub(crate) const NOBODY: u32 = 65534;

/// A run that takes longer counts as hanging.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

/// With this function the standard library starts a command in another directory without fork(2), which copies
/// the tables of all memory that earlier tests have used. A static program has it only if something names it.
#[used]
static ADD_CHDIR: unsafe extern "C" fn(
    *mut libc::posix_spawn_file_actions_t,
    *const libc::c_char,
) -> libc::c_int = libc::posix_spawn_file_actions_addchdir_np;

/// The directories of one test.
pub(crate) struct Sandbox {
    root: tempfile::TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self::at(tempfile::Builder::new().prefix("tmpx-test.").tempdir().unwrap())
    }

    /// Creates one in memory if possible, for tests with thousands of entries.
    pub(crate) fn in_memory() -> Self {
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix("tmpx-test.");
        Self::at(builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).unwrap())
    }

    fn at(root: tempfile::TempDir) -> Self {
        let sandbox = Self { root };
        for dir in [sandbox.tmp(), sandbox.home(), sandbox.cwd(), sandbox.bin()] {
            fs::create_dir(dir).unwrap();
        }
        for name in ["tmpx", "tmpx-reaper"] {
            std::os::unix::fs::symlink(TMPX, sandbox.bin().join(name)).unwrap();
        }
        sandbox
    }

    /// Creates one that another user may use too.
    pub(crate) fn for_nobody() -> Self {
        let sandbox = Self::new();
        let all = fs::Permissions::from_mode(0o755);
        fs::set_permissions(sandbox.root(), all).unwrap();
        if is_root() {
            for dir in [sandbox.tmp(), sandbox.home(), sandbox.cwd()] {
                chown(dir, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        sandbox
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.root().join("tmp")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    pub(crate) fn cwd(&self) -> PathBuf {
        self.root().join("cwd")
    }

    /// The state directory. Tests name it, so that they do not see the stores of the user who runs
    /// them.
    pub(crate) fn state(&self) -> PathBuf {
        self.root().join("home/state")
    }

    /// The directory in PATH that contains `tmpx`.
    pub(crate) fn bin(&self) -> PathBuf {
        self.root().join("bin")
    }

    pub(crate) fn leases_dir(&self) -> PathBuf {
        self.state().join("leases")
    }

    /// The names of the leases in the store.
    pub(crate) fn leases(&self) -> Vec<String> {
        let mut leases = names(&self.leases_dir());
        // A killed reaper leaves its FIFO for the next one.
        leases.retain(|name| !name.starts_with("reaper."));
        leases
    }

    /// The names in TMPDIR.
    pub(crate) fn left(&self) -> Vec<String> {
        names(&self.tmp())
    }

    /// Prepares a run of tmpx.
    pub(crate) fn tmpx<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Run<'_> {
        let mut command = Command::new(TMPX);
        command.args(args);
        self.command(command)
    }

    /// Prepares a run of a shell script, with `tmpx` in PATH.
    pub(crate) fn sh(&self, script: &str) -> Run<'_> {
        self.shell("sh", script)
    }

    /// Prepares a run of a script in this shell.
    pub(crate) fn shell(&self, shell: &str, script: &str) -> Run<'_> {
        let mut words = shell.split(' ');
        let mut command = Command::new(words.next().unwrap());
        command.args(words).arg("-c").arg(script);
        self.command(command)
    }

    /// Prepares a run of any command in this sandbox.
    pub(crate) fn command(&self, mut command: Command) -> Run<'_> {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", self.bin().display());
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.home())
            .env("TMPX_STATE_DIR", self.state())
            .env("TMPX_REAPER", "0")
            .env("TMPDIR", self.tmp())
            .current_dir(self.cwd())
            .stdin(Stdio::null());
        Run { sandbox: self, command, input: None }
    }

    /// Creates one file and returns its path.
    pub(crate) fn file(&self) -> PathBuf {
        self.tmpx(["file"]).path()
    }

    /// Creates one directory and returns its path.
    pub(crate) fn dir(&self) -> PathBuf {
        self.tmpx(["dir"]).path()
    }

    /// Removes everything that tmpx may remove.
    pub(crate) fn clean_up(&self) {
        self.tmpx(["cleanup", "--all", "--force", "--quiet"]).succeeds();
    }

    /// Masks the parts of a text that differ from run to run: the sandbox's path and random names.
    pub(crate) fn plain(&self, text: &str) -> String {
        mask_random(&text.replace(self.root().to_str().unwrap(), "$ROOT"))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        assert_eq!(self.left(), Vec::<String>::new(), "left in TMPDIR");
        assert_eq!(self.leases(), Vec::<String>::new(), "left in the store");
    }
}

/// Masks the random characters of `tmp.XXXXXXXXXX`.
fn mask_random(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("tmp.") {
        let (before, after) = rest.split_at(at + 4);
        masked += before;
        let random = after.bytes().take_while(u8::is_ascii_alphanumeric).count();
        rest = if random >= 10 {
            masked += "RANDOM";
            &after[10..]
        } else {
            after
        };
    }
    masked + rest
}

/// A prepared run.
pub(crate) struct Run<'a> {
    sandbox: &'a Sandbox,
    command: Command,
    input: Option<Vec<u8>>,
}

impl Run<'_> {
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub(crate) fn cwd(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    pub(crate) fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.command.stdout(stdout);
        self
    }

    /// Runs it as another user, if the test runs as root.
    pub(crate) fn by_nobody(mut self) -> Self {
        if is_root() {
            self.command.uid(NOBODY).gid(NOBODY);
        }
        self
    }

    /// Runs it and returns the result.
    pub(crate) fn run(self) -> Ran {
        let Self { sandbox, command, input } = self;
        let mut command = assert_cmd::Command::from_std(command);
        if let Some(input) = input {
            command.write_stdin(input);
        }
        let output = command.timeout(PATIENCE).output().unwrap();
        Ran::new(sandbox, &output)
    }

    /// Runs it with the prepared stdout, which is not captured.
    pub(crate) fn run_to_its_stdout(self) -> Ran {
        let Self { sandbox, mut command, .. } = self;
        let output = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        Ran::new(sandbox, &output)
    }

    /// Runs it and expects success and an empty stderr.
    pub(crate) fn succeeds(self) -> Ran {
        let ran = self.run();
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
        ran
    }

    /// Runs it and expects exactly this result, with the parts that differ from run to run masked.
    pub(crate) fn expects(self, status: i32, stdout: &str, stderr: &str) {
        let ran = self.run();
        assert_eq!(
            (ran.status, ran.stdout.as_str(), ran.stderr.as_str()),
            (Some(status), stdout, stderr),
        );
    }

    /// Runs it and returns its only line as a path.
    pub(crate) fn path(self) -> PathBuf {
        let ran = self.succeeds();
        let lines: Vec<&str> = ran.raw.trim_end_matches('\n').split('\n').collect();
        assert_eq!(lines.len(), 1, "{ran:?}");
        PathBuf::from(lines[0])
    }

    /// Returns the command, for a test that runs it in another way.
    pub(crate) fn prepared(self) -> Command {
        self.command
    }

    pub(crate) fn spawn(mut self) -> std::process::Child {
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit status; `None` if a signal ended it.
    pub(crate) status: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    /// stdout, masked.
    pub(crate) stdout: String,
    /// stderr, masked.
    pub(crate) stderr: String,
    /// stdout, not masked.
    pub(crate) raw: String,
}

impl Ran {
    fn new(sandbox: &Sandbox, output: &Output) -> Self {
        let raw = String::from_utf8_lossy(&output.stdout).into_owned();
        Self {
            status: output.status.code(),
            signal: output.status.signal(),
            stdout: sandbox.plain(&raw),
            stderr: sandbox.plain(&String::from_utf8_lossy(&output.stderr)),
            raw,
        }
    }

    /// Whether the loader of shared libraries failed, so that the program never began.
    pub(crate) fn could_not_be_loaded(&self) -> bool {
        self.stderr.contains(": error while loading shared libraries: ")
    }

    /// stderr without the size in the totals of a cleanup: what a directory itself occupies depends on
    /// the filesystem.
    pub(crate) fn stderr_without_size(&self) -> String {
        let totals = |line: &&str| line.starts_with("tmpx: ") && line.ends_with("B)");
        let line = |line: &str| match line.rsplit_once(" (").filter(|_| totals(&line)) {
            Some((before, _)) => format!("{before}\n"),
            None => format!("{line}\n"),
        };
        self.stderr.lines().map(line).collect()
    }

    /// The JSON objects on stdout, one per line.
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        self.raw.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The message about a workspace that is kept.
pub(crate) const KEPT: &str = "tmpx: kept $ROOT/tmp/tmp.RANDOM\n\
                               hint: remove it with: tmpx cleanup $ROOT/tmp/tmp.RANDOM\n";

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The names in a directory, sorted; none where there is no directory.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The permission bits of a path.
pub(crate) fn mode(path: impl AsRef<Path>) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Whether a tool is installed. If it is missing, the test fails with CI set, and otherwise prints
/// that it is skipped.
pub(crate) fn has(tool: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(tool).is_file()));
    skip_unless(found, tool)
}

/// Does the same for anything that a machine may lack.
pub(crate) fn skip_unless(found: bool, what: &str) -> bool {
    if !found {
        assert!(std::env::var_os("CI").is_none(), "no {what}, and CI must not skip");
        println!("skipped: no {what}");
    }
    found
}

/// Splits a command line into words.
pub(crate) fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

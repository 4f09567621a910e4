//! A place of its own for each test: TMPDIR, HOME, state directory, working directory, and nothing
//! else of the environment. When a test ends, its TMPDIR and its store must be empty.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The binary under test.
pub(crate) const TMPX: &str = env!("CARGO_BIN_EXE_tmpx");

/// A user that is not root, for tests that root would pass by mistake.
pub(crate) const NOBODY: u32 = 65534;

/// After this long, a run is taken to hang.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// A test's own directories.
pub(crate) struct Sandbox {
    root: tempfile::TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self::at(tempfile::Builder::new().prefix("tmpx-test.").tempdir().unwrap())
    }

    /// One in memory, where there is such a place, for tests that make thousands of entries.
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

    /// One in which another user may live too.
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

    /// The state directory. It is named, so that no test sees the stores of whoever runs it.
    pub(crate) fn state(&self) -> PathBuf {
        self.root().join("home/state")
    }

    /// Where `tmpx` is in PATH.
    pub(crate) fn bin(&self) -> PathBuf {
        self.root().join("bin")
    }

    pub(crate) fn leases_dir(&self) -> PathBuf {
        self.state().join("leases")
    }

    /// The names in the store.
    pub(crate) fn leases(&self) -> Vec<String> {
        let mut leases = names(&self.leases_dir());
        // A reaper that was killed leaves its FIFO, and the next one takes it.
        leases.retain(|name| !name.starts_with("reaper."));
        leases
    }

    /// The names in TMPDIR.
    pub(crate) fn left(&self) -> Vec<String> {
        names(&self.tmp())
    }

    /// A run of tmpx with these arguments.
    pub(crate) fn tmpx<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Run<'_> {
        let mut command = Command::new(TMPX);
        command.args(args);
        self.command(command)
    }

    /// A run of a shell script, in which `tmpx` is in PATH.
    pub(crate) fn sh(&self, script: &str) -> Run<'_> {
        self.shell("sh", script)
    }

    /// A run of a script in some shell.
    pub(crate) fn shell(&self, shell: &str, script: &str) -> Run<'_> {
        let mut words = shell.split(' ');
        let mut command = Command::new(words.next().unwrap());
        command.args(words).arg("-c").arg(script);
        self.command(command)
    }

    /// A run of any command in this sandbox.
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

    /// Makes one file and returns its path.
    pub(crate) fn file(&self) -> PathBuf {
        self.tmpx(["file"]).path()
    }

    /// Makes one directory and returns its path.
    pub(crate) fn dir(&self) -> PathBuf {
        self.tmpx(["dir"]).path()
    }

    /// Cleans up everything that tmpx lets itself be told to.
    pub(crate) fn clean_up(&self) {
        self.tmpx(["cleanup", "--all", "--force", "--quiet"]).succeeds();
    }

    /// `text` with what differs from run to run replaced: the sandbox's path, random names.
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

/// Replaces the random characters of `tmp.XXXXXXXXXX`, and the names of leases.
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

/// A run that has been prepared.
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

    /// As another user, where the test runs as root.
    pub(crate) fn by_nobody(mut self) -> Self {
        if is_root() {
            self.command.uid(NOBODY).gid(NOBODY);
        }
        self
    }

    /// Runs it, and gives what came of it.
    pub(crate) fn run(self) -> Ran {
        let Self { sandbox, command, input } = self;
        let mut command = assert_cmd::Command::from_std(command);
        if let Some(input) = input {
            command.write_stdin(input);
        }
        let output = command.timeout(PATIENCE).output().unwrap();
        Ran::new(sandbox, &output)
    }

    /// Runs it with stdout as it was prepared, not captured.
    pub(crate) fn run_to_its_stdout(self) -> Ran {
        let Self { sandbox, mut command, .. } = self;
        let output = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        Ran::new(sandbox, &output)
    }

    /// Runs it and expects success and no word on stderr.
    pub(crate) fn succeeds(self) -> Ran {
        let ran = self.run();
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
        ran
    }

    /// Runs it and expects exactly this, with what differs from run to run replaced.
    pub(crate) fn gives(self, status: i32, stdout: &str, stderr: &str) {
        let ran = self.run();
        assert_eq!(
            (ran.status, ran.stdout.as_str(), ran.stderr.as_str()),
            (Some(status), stdout, stderr),
        );
    }

    /// Runs it and takes its one line for a path.
    pub(crate) fn path(self) -> PathBuf {
        let ran = self.succeeds();
        let lines: Vec<&str> = ran.raw.trim_end_matches('\n').split('\n').collect();
        assert_eq!(lines.len(), 1, "{ran:?}");
        PathBuf::from(lines[0])
    }

    /// The command, to be run in some other way.
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

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit status; `None` if a signal ended it.
    pub(crate) status: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    /// stdout, with what differs from run to run replaced.
    pub(crate) stdout: String,
    /// stderr, likewise.
    pub(crate) stderr: String,
    /// stdout as it was.
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

    /// The JSON objects on stdout, one per line.
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        self.raw.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// What is said of a workspace that stays.
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

/// Whether a tool is there. A missing one is a failure where CI is set, and a printed skip elsewhere.
pub(crate) fn has(tool: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(tool).is_file()));
    skip_unless(found, tool)
}

/// The same for anything that a machine may lack.
pub(crate) fn skip_unless(found: bool, what: &str) -> bool {
    if !found {
        assert!(std::env::var_os("CI").is_none(), "no {what}, and CI must not skip");
        println!("skipped: no {what}");
    }
    found
}

/// Words of a command line.
pub(crate) fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

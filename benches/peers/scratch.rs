//! The scratch directory and the environment of the runs.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use rustix::fs::{Mode, OFlags};
use tempfile::TempDir;

use crate::disk::Disk;
use crate::row::Ground;
use crate::system::installed;

/// A gibibyte that is kept in a file while it is passed on.
const TEE: &str = r#"head -c 1G /dev/zero | tee "$HOME/copy""#;

/// A rule of systemd-tmpfiles(8) that removes what is in a directory, however young it is.
const RULES: &str = "rules.conf";

/// The argument with which the harness itself is a peer.
pub(crate) const BARE_LOOP: &str = "bare-loop";

const TRAP: &str = r#"d=$(mktemp -d); trap "rm -rf $d" EXIT; cd "$d"; true"#;

/// A directory with a temp dir and a home. It is removed when the value is dropped.
pub(crate) struct Scratch {
    home: PathBuf,
    pub(crate) store: PathBuf,
    temp_dir: PathBuf,
    pub(crate) tmpx: PathBuf,
    _root: TempDir,
    /// The last field, so that it is unmounted after the directory on it is removed.
    _disk: Option<Disk>,
}

impl Scratch {
    /// Creates one in `location`.
    pub(crate) fn new(location: &Path, tmpx: &Path) -> anyhow::Result<Self> {
        let root = own_dir(location)?;
        let scratch = Self {
            home: root.path().join("home"),
            store: root.path().join("home/.local/state/tmpx"),
            temp_dir: root.path().join("tmp"),
            tmpx: tmpx.to_owned(),
            _root: root,
            _disk: None,
        };
        fs::create_dir(&scratch.home).context("could not create a home")?;
        fs::create_dir(&scratch.temp_dir).context("could not create a temp dir")?;
        let rule = format!("e {} - - - 0\n", scratch.tree().display());
        fs::write(scratch.rules(), rule).context("could not write a rule")?;
        // The very first run creates the store, which a usual run does not.
        scratch.run_tmpx("file")?;
        ensure!(scratch.store.is_dir(), "tmpx keeps no leases in HOME");
        Ok(scratch)
    }

    /// Creates one on a new filesystem, whose image is in `location`.
    pub(crate) fn on_new_disk(location: &Path, tmpx: &Path) -> anyhow::Result<Self> {
        let disk = Disk::new(location)?;
        let scratch = Self::new(disk.path(), tmpx)?;
        Ok(Self { _disk: Some(disk), ..scratch })
    }

    /// The tree that a peer removes.
    pub(crate) fn tree(&self) -> PathBuf {
        self.temp_dir.join("tree")
    }

    fn rules(&self) -> PathBuf {
        self.home.join(RULES)
    }

    pub(crate) fn tmpx_line(&self, args: &str) -> Vec<OsString> {
        let args = args.split(' ').map(OsString::from);
        std::iter::once(self.tmpx.clone().into()).chain(args).collect()
    }

    /// Returns a peer's command line, if the peer is installed.
    pub(crate) fn peer_line(&self, line: &str) -> Option<Vec<OsString>> {
        let mut words = line.split(' ');
        let mut peer = match words.next()? {
            BARE_LOOP => vec![std::env::current_exe().ok()?.into(), BARE_LOOP.into()],
            "GLIBC" => vec![self.tmpx.ancestors().nth(2)?.join("glibc/tmpx").into()],
            program => vec![installed(program)?.into()],
        };
        peer.extend(words.map(|word| match word {
            "TREE" => self.tree().into(),
            "CACHE" => self.home.join("bkt").into(),
            "TEE" => TEE.into(),
            "RULES" => self.rules().into(),
            "TRAP" => TRAP.into(),
            word => OsString::from(word),
        }));
        Some(peer)
    }

    /// Prepares a command in the common environment, with /dev/null as standard input and output.
    ///
    /// The path is absolute and nothing happens before exec, so std spawns it without fork(2).
    pub(crate) fn command(&self, line: &[OsString], locale: (&str, &str)) -> Command {
        let mut command = Command::new(&line[0]);
        command
            .args(&line[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env(locale.0, locale.1)
            .env("HOME", &self.home)
            .env("TMPDIR", &self.temp_dir);
        // Without this a cleanup reads every store of the user, and would remove the user's files.
        if line.iter().any(|word| word == "cleanup") {
            command.env("TMPX_STATE_DIR", &self.store);
        }
        command
    }

    pub(crate) fn run_tmpx(&self, args: &str) -> anyhow::Result<()> {
        let mut command = self.command(&self.tmpx_line(args), ("LC_ALL", "C"));
        let output = command.stderr(Stdio::piped()).output();
        let output = output.context("could not run tmpx")?;
        let messages = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "tmpx {args} failed: {messages}");
        Ok(())
    }

    /// Brings the temp dir and the store into the state that a run should find.
    pub(crate) fn prepare(&self, ground: Ground, leased: bool) -> anyhow::Result<()> {
        let dir = self.store.join("leases");
        if let Ground::Leases(leases) = ground
            && fs::read_dir(&dir)?.count() == leases
        {
            return Ok(());
        }
        empty(&dir)?;
        empty(&self.temp_dir)?;
        match ground {
            Ground::Empty => Ok(()),
            Ground::Files(count) if leased => self.run_tmpx(&format!("file --count {count}")),
            Ground::Files(count) => create_files(&self.tree(), count),
            Ground::Leases(count) => (0..count).try_for_each(|_| self.run_tmpx("file")),
        }
    }
}

/// Creates a directory of the harness.
pub(crate) fn own_dir(location: &Path) -> anyhow::Result<TempDir> {
    let dir = tempfile::Builder::new().prefix("tmpx-bench.").tempdir_in(location);
    dir.context("could not create a scratch directory")
}

fn empty(dir: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let removed = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
        removed.with_context(|| format!("could not remove {}", path.display()))?;
    }
    Ok(())
}

/// Creates files in the cheapest way that exists. This is the bare loop.
pub(crate) fn create_files(dir: &Path, count: usize) -> anyhow::Result<()> {
    fs::create_dir_all(dir).context("could not create a directory")?;
    let dir = rustix::fs::open(dir, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    for number in 0..count {
        let name = format!("tmp.{number:010}");
        let file = rustix::fs::openat(&dir, name, flags, Mode::RUSR | Mode::WUSR);
        file.context("could not create a file")?;
    }
    Ok(())
}

//! tmpx side by side with the tools it stands in for, as whole processes: `cargo bench`.
//!
//! Only ratios are worth quoting: a machine's speed wanders, but two runs made one after the other
//! share it. So runs go in pairs, and the ratio told is the median of the pairs' ratios. Every run
//! has the same made-up environment and finds a temp dir in a known state; what prepares that is
//! outside the timed part, which is spawn to exit. No figure fails the run.

mod disk;
mod trees;

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::Parser;
use rustix::fs::{Mode, OFlags};
use tempfile::TempDir;

use disk::Disk;

/// The argument with which the harness is a peer itself.
const BARE_LOOP: &str = "bare-loop";
/// A gibibyte through a program, by the fastest to write it and to read it.
const GIBIBYTE: &str = r#"dd if=/dev/zero bs=256K count=4096 status=none | "$@" |
    dd of=/dev/null bs=1M status=none"#;
const TRAP: &str = r#"d=$(mktemp -d); trap "rm -rf $d" EXIT; cd "$d"; true"#;

/// Times tmpx and its peers side by side
#[derive(Parser)]
struct Options {
    /// Only the rows that begin with one of these
    names: Vec<String>,
    /// How many pairs, not each row's own number
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    runs: Option<u16>,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let args: Vec<_> = std::env::args().collect();
    if let [_, word, count] = args.as_slice()
        && word == BARE_LOOP
    {
        return make_files(&std::env::temp_dir(), count.parse()?);
    }
    let options = Options::parse();
    let places = places();
    let installation = own_dir(&places[1])?;
    let tmpx = install(installation.path())?;
    let [memory, disk] = [Scratch::new(&places[0], &tmpx)?, Scratch::new(&places[1], &tmpx)?];
    let wanted = |row: &&Row| {
        let names = &options.names;
        let is_named = names.is_empty() || names.iter().any(|name| row.name.starts_with(name));
        is_named && (row.tmpx != "mktemp" || memory.run_tmpx("mktemp --version").is_ok())
    };
    println!("{}\n", heading(&places));
    print_line(["row", "peer"], ["tmpx", "peer's", "ratio", "middle half", "target"]);
    for row in rows().iter().filter(wanted) {
        let scratch = if row.on_disk { &disk } else { &memory };
        row.measure(scratch, options.runs.map(usize::from))?;
    }
    let names = &options.names;
    let is_wanted =
        |row: &str| names.is_empty() || names.iter().any(|name| row.starts_with(name.as_str()));
    trees::measure(&places, &tmpx, options.runs.map(usize::from), &is_wanted)?;
    if names.is_empty() || names.iter().any(|name| UNTIL_EXIT.starts_with(name.as_str())) {
        tell_of_the_reaper(&memory, options.runs.map_or(101, usize::from))?;
    }
    Ok(())
}

/// What has no peer: how long a script's file outlives the script.
const UNTIL_EXIT: &str = "until-exit, kill -9 of the script to removal";

fn tell_of_the_reaper(scratch: &Scratch, runs: usize) -> anyhow::Result<()> {
    scratch.prepare(Ground::Empty, false)?;
    let mut memory = None;
    let times: Vec<f64> =
        (0..runs).map(|_| outlived(scratch, &mut memory)).collect::<anyhow::Result<_>>()?;
    let [low, median, high] = quartiles(times.into_iter()).map(|seconds| seconds * 1e3);
    let met = if median <= 50.0 { "met" } else { "missed" };
    let half = format!("{low:.1}-{high:.1} ms");
    print_line(
        [UNTIL_EXIT, ""],
        [&format!("{median:.2} ms"), "", "", &half, &format!("50 ms {met}")],
    );
    if let Some(kilobytes) = memory {
        print_line(["the reaper's resident memory", ""], [&kilobytes, "", "", "", "3072 kB"]);
    }
    Ok(())
}

/// From SIGKILL of a script to the removal of what it made, in seconds.
fn outlived(scratch: &Scratch, memory: &mut Option<String>) -> anyhow::Result<f64> {
    let script = format!("{} file --until-exit=$$; read wait", scratch.tmpx.display());
    let line = ["sh", "-c", &script].map(OsString::from);
    let mut command = scratch.command(&line, ("LC_ALL", "C"));
    let mut script = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut path = String::new();
    BufReader::new(script.stdout.take().context("no stdout")?).read_line(&mut path)?;
    let path = Path::new(path.trim_end());
    ensure!(path.exists(), "the script made nothing");
    // Until its reaper sleeps, so that not its start is measured.
    let asleep = || reaper_status(&scratch.store).filter(|status| status.contains("State:\tS"));
    let status = std::iter::repeat_with(asleep).find_map(|status| status).unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    *memory = resident.map(|kilobytes| kilobytes.trim().to_owned());
    let start = Instant::now();
    script.kill()?;
    while path.exists() {
        std::hint::spin_loop();
    }
    let time = start.elapsed();
    script.wait()?;
    Ok(time.as_secs_f64())
}

/// What /proc says of the reaper of a store.
fn reaper_status(store: &Path) -> Option<String> {
    let line = format!("tmpx-reaper\0{}\0", store.display());
    let is_it =
        |dir: &PathBuf| fs::read(dir.join("cmdline")).is_ok_and(|text| text == line.as_bytes());
    let processes = fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path());
    fs::read_to_string(processes.into_iter().find(is_it)?.join("status")).ok()
}

/// The rows, in the order of the table.
fn rows() -> Vec<Row> {
    let files = |row: Row| row.on(Ground::Files(20_000), ", 20000 files");
    vec![
        row("file", "mktemp", &[0.85, 0.6]),
        row("file", "mktemp", &[1.0, 1.2]).in_c(),
        row("file", "mktemp", &[]).on_disk(),
        row("file --count 100000", "bare-loop 100000", &[1.5]).on(Ground::Empty, ""),
        row("exec true", "sh -c TRAP", &[0.6]),
        row("mktemp", "mktemp", &[0.75, 0.4]),
        row("mktemp", "mktemp", &[1.0, 0.8]).in_c(),
        row("spool", "sponge", &[1.0]).reading(b"0123456789", ", 10 bytes"),
        row("spool", "sponge", &[0.33]).amid(GIBIBYTE, ", 1 GiB"),
        row("spool", "cat", &[2.0]).amid(GIBIBYTE, ", 1 GiB"),
        row("spool", "sponge", &[0.33]).amid(GIBIBYTE, ", 1 GiB").on_disk(),
        row("spool", "cat", &[2.0]).amid(GIBIBYTE, ", 1 GiB").on_disk(),
        files(row("cleanup --all -q", "rm -rf TREE", &[])),
    ]
}

/// tmpx and a peer at one task.
struct Row {
    name: String,
    /// The arguments.
    tmpx: &'static str,
    /// The command line; words in capitals stand for what belongs to the scratch directory.
    peer: &'static str,
    /// The share of the peer's time, and of its instructions, that tmpx may take.
    targets: &'static [f64],
    locale: (&'static str, &'static str),
    on_disk: bool,
    ground: Ground,
    /// What is in the pipe that standard input is; where there is nothing, it is /dev/null.
    input: &'static [u8],
    /// A script for sh that runs the program as `"$@"`.
    script: Option<&'static str>,
    pairs: usize,
}

/// What tmpx's run took, and its peer's after it.
type Pair = (f64, f64);

/// What a run finds in the temp dir.
#[derive(Clone, Copy)]
enum Ground {
    /// Nothing.
    Empty,
    /// This many files, tmpx's of one lease, a peer's in TREE.
    Files(usize),
}

fn row(tmpx: &'static str, peer: &'static str, targets: &'static [f64]) -> Row {
    Row {
        name: tmpx.to_owned(),
        tmpx,
        peer,
        targets,
        locale: ("LANG", "C.UTF-8"),
        on_disk: false,
        ground: Ground::Empty,
        input: b"",
        script: None,
        pairs: 501,
    }
}

impl Row {
    fn on(mut self, ground: Ground, conditions: &str) -> Self {
        self.name += conditions;
        self.ground = ground;
        self.pairs = 11;
        self
    }

    fn reading(mut self, input: &'static [u8], conditions: &str) -> Self {
        self.name += conditions;
        self.input = input;
        self
    }

    fn amid(mut self, script: &'static str, conditions: &str) -> Self {
        self.name += conditions;
        self.script = Some(script);
        self.pairs = 11;
        self
    }

    fn in_c(mut self) -> Self {
        self.name += ", LC_ALL=C";
        self.locale = ("LC_ALL", "C");
        self
    }

    fn on_disk(mut self) -> Self {
        self.name += ", on disk";
        self.on_disk = true;
        self
    }

    fn measure(&self, scratch: &Scratch, count: Option<usize>) -> anyhow::Result<()> {
        let count = count.unwrap_or(self.pairs);
        let ours = scratch.tmpx_line(self.tmpx);
        let Some(theirs) = scratch.peer_line(self.peer) else {
            print_line([&self.name, self.peer], ["not installed", "", "", "", ""]);
            return Ok(());
        };
        let pairs = |count: usize, under: &[OsString], cost: fn(Command) -> anyhow::Result<f64>| {
            let run = |line: &[OsString], leased| {
                scratch.prepare(self.ground, leased)?;
                let line = [under, &self.shell(), line].concat();
                let mut command = scratch.command(&line, self.locale);
                if !self.input.is_empty() {
                    command.stdin(full_pipe(self.input)?);
                }
                cost(command)
            };
            let pair = |_| Ok((run(&ours, true)?, run(&theirs, false)?));
            (0..count).map(pair).collect::<anyhow::Result<Vec<Pair>>>()
        };
        let _warm_up = pairs(1 + count / 25, &[], seconds)?;
        let times = pairs(count, &[], seconds)?;
        self.print("", &times, self.targets.first(), (1e3, "ms"));
        if let (Some(target), Some(valgrind)) = (self.targets.get(1), installed("valgrind")) {
            let tool = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
            let under = [valgrind.into(), tool[0].into(), tool[1].into()];
            // Several, for now and then a run prunes the store or draws a name again.
            let counts = pairs(5, &under, instructions)?;
            self.print(", instructions", &counts, Some(target), (1e-3, "k"));
        }
        Ok(())
    }

    /// The words that run the script, before those of the program.
    fn shell(&self) -> Vec<OsString> {
        let words = self.script.map(|script| ["/bin/sh", "-c", script, "sh"]);
        words.into_iter().flatten().map(OsString::from).collect()
    }

    fn print(&self, of: &str, pairs: &[Pair], target: Option<&f64>, unit: (f64, &str)) {
        print_pairs([&format!("{}{of}", self.name), self.peer], pairs, target.copied(), unit);
    }
}

/// Prints what became of pairs: medians, the ratio, and whether that is within the target.
fn print_pairs(names: [&str; 2], pairs: &[Pair], target: Option<f64>, (scale, unit): (f64, &str)) {
    let [_, ours, _] = quartiles(pairs.iter().map(|pair| pair.0));
    let [_, theirs, _] = quartiles(pairs.iter().map(|pair| pair.1));
    let [low, ratio, high] = quartiles(pairs.iter().map(|pair| pair.0 / pair.1));
    let [ours, theirs] = [ours, theirs].map(|cost| format!("{:.2} {unit}", cost * scale));
    let verdict = |target: f64| if ratio > target { "missed" } else { "met" };
    let target = target.map(|most| format!("{most:.2} {}", verdict(most)));
    let [ratio, half] = [format!("{ratio:.2}"), format!("{low:.2}-{high:.2}")];
    let figures = [&ours, &theirs, &ratio, &half, &target.unwrap_or_default()];
    print_line(names, figures.map(String::as_str));
}

/// The end of a pipe that holds this, and no more comes.
fn full_pipe(input: &[u8]) -> anyhow::Result<std::io::PipeReader> {
    let (reader, mut writer) = std::io::pipe().context("could not make a pipe")?;
    writer.write_all(input)?;
    Ok(reader)
}

fn seconds(mut command: Command) -> anyhow::Result<f64> {
    let start = Instant::now();
    let status = command.status();
    let time = start.elapsed();
    let is_done = status.context("could not run a program")?.success();
    ensure!(is_done, "a run failed: {command:?}");
    Ok(time.as_secs_f64())
}

/// What callgrind counts.
fn instructions(mut command: Command) -> anyhow::Result<f64> {
    let output = command.stderr(Stdio::piped()).output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    told.lines()
        .find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
        .with_context(|| format!("valgrind counted nothing:\n{told}"))
}

/// A directory of our own with a temp dir and a home, gone with the value.
struct Scratch {
    home: PathBuf,
    store: PathBuf,
    temp_dir: PathBuf,
    tmpx: PathBuf,
    _root: TempDir,
    /// Unmounted when all that is on it is gone.
    _disk: Option<Disk>,
}

impl Scratch {
    fn new(place: &Path, tmpx: &Path) -> anyhow::Result<Self> {
        let root = own_dir(place)?;
        let scratch = Self {
            home: root.path().join("home"),
            store: root.path().join("home/.local/state/tmpx"),
            temp_dir: root.path().join("tmp"),
            tmpx: tmpx.to_owned(),
            _root: root,
            _disk: None,
        };
        fs::create_dir(&scratch.home).context("could not make a home")?;
        fs::create_dir(&scratch.temp_dir).context("could not make a temp dir")?;
        // The first run of all makes the store, which is not the usual run.
        scratch.run_tmpx("file")?;
        ensure!(scratch.store.is_dir(), "tmpx keeps no leases in HOME");
        Ok(scratch)
    }

    /// On a new filesystem, whose image lies in `place`.
    fn on_new_disk(place: &Path, tmpx: &Path) -> anyhow::Result<Self> {
        let disk = Disk::new(place)?;
        let scratch = Self::new(disk.path(), tmpx)?;
        Ok(Self { _disk: Some(disk), ..scratch })
    }

    fn tree(&self) -> PathBuf {
        self.temp_dir.join("tree")
    }

    fn tmpx_line(&self, args: &str) -> Vec<OsString> {
        let args = args.split(' ').map(OsString::from);
        std::iter::once(self.tmpx.clone().into()).chain(args).collect()
    }

    /// A peer's command line, if it is installed.
    fn peer_line(&self, line: &str) -> Option<Vec<OsString>> {
        let mut words = line.split(' ');
        let mut peer = match words.next()? {
            BARE_LOOP => vec![std::env::current_exe().ok()?.into(), BARE_LOOP.into()],
            program => vec![installed(program)?.into()],
        };
        peer.extend(words.map(|word| match word {
            "TREE" => self.tree().into(),
            "TRAP" => TRAP.into(),
            word => OsString::from(word),
        }));
        Some(peer)
    }

    /// A program in the environment that all have: nothing to read, and output that nobody reads.
    /// Its path is absolute and nothing is done before exec, so it is spawned without a fork.
    fn command(&self, line: &[OsString], locale: (&str, &str)) -> Command {
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
        // A cleanup looks into every store of the user, and here it is to take nothing of theirs.
        if line.iter().any(|word| word == "cleanup") {
            command.env("TMPX_STATE_DIR", &self.store);
        }
        command
    }

    fn run_tmpx(&self, args: &str) -> anyhow::Result<()> {
        let mut command = self.command(&self.tmpx_line(args), ("LC_ALL", "C"));
        let output = command.stderr(Stdio::piped()).output();
        let output = output.context("could not run tmpx")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "tmpx {args} failed: {told}");
        Ok(())
    }

    /// Brings the temp dir and the store into the state that a run is to find.
    fn prepare(&self, ground: Ground, leased: bool) -> anyhow::Result<()> {
        empty(&self.store.join("leases"))?;
        empty(&self.temp_dir)?;
        match ground {
            Ground::Empty => Ok(()),
            Ground::Files(count) if leased => self.run_tmpx(&format!("file --count {count}")),
            Ground::Files(count) => make_files(&self.tree(), count),
        }
    }
}

/// Where scratch directories are made: on tmpfs if there is one, and on a disk if there is one.
fn places() -> [PathBuf; 2] {
    let is_tmpfs = |dir: &PathBuf| filesystem(dir) == "tmpfs";
    let temp_dir = std::env::temp_dir();
    let memory = Some("/dev/shm".into()).filter(is_tmpfs);
    let disk = Some(temp_dir.clone()).filter(|dir| !is_tmpfs(dir));
    let beside_builds = || env!("CARGO_TARGET_TMPDIR").into();
    [memory.unwrap_or(temp_dir), disk.unwrap_or_else(beside_builds)]
}

fn heading(places: &[PathBuf; 2]) -> String {
    let [memory, disk] = [0, 1].map(|place| filesystem(&places[place]));
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let mktemp = line_of(Command::new("mktemp").arg("--version"), 0).unwrap_or_default();
    let valgrind = installed("valgrind").map_or("; no valgrind", |_| "");
    format!("TMPDIR and HOME on {memory} (on disk: {disk}); {cpus} CPUs; {mktemp}{valgrind}")
}

fn own_dir(place: &Path) -> anyhow::Result<TempDir> {
    let made = tempfile::Builder::new().prefix("tmpx-bench.").tempdir_in(place);
    made.context("could not make a scratch directory")
}

/// Copies tmpx to a disk, as an installation does: what the linker wrote lies in small pieces of
/// the page cache and starts up to a quarter slower, and so does a copy on tmpfs.
fn install(dir: &Path) -> anyhow::Result<PathBuf> {
    let tmpx = dir.join("tmpx");
    fs::copy(env!("CARGO_BIN_EXE_tmpx"), &tmpx).context("could not copy tmpx")?;
    Ok(tmpx)
}

fn empty(dir: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let removed = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
        removed.with_context(|| format!("could not remove {}", path.display()))?;
    }
    Ok(())
}

/// The bare loop: files with names cannot be had for less.
fn make_files(dir: &Path, count: usize) -> anyhow::Result<()> {
    fs::create_dir_all(dir).context("could not make a directory")?;
    let dir = rustix::fs::open(dir, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    for number in 0..count {
        let name = format!("tmp.{number:010}");
        let made = rustix::fs::openat(&dir, name, flags, Mode::RUSR | Mode::WUSR);
        made.context("could not create a file")?;
    }
    Ok(())
}

/// Where a program lies, by the PATH of whoever started this.
fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path).map(|dir| dir.join(name));
    places.find(|place| place.is_absolute() && place.is_file())
}

/// A line of what a command prints.
fn line_of(command: &mut Command, number: usize) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().nth(number).map(|line| line.trim().to_owned())
}

/// The kind of a filesystem, as GNU df names it.
fn filesystem(dir: &Path) -> String {
    line_of(Command::new("df").arg("--output=fstype").arg(dir), 1).unwrap_or_default()
}

fn print_line([row, peer]: [&str; 2], [tmpx, theirs, ratio, half, target]: [&str; 5]) {
    let figures = format!("{tmpx:>13} {theirs:>10} {ratio:>6} {half:>12}  {target}");
    println!("{}", format!("{row:42} {peer:18}{figures}").trim_end());
}

/// The quartiles, the median between them.
fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| sorted[(sorted.len() - 1) * quarter / 4])
}

//! One row of the table: tmpx and a peer at the same task.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};

use crate::build::Build;
use crate::system::installed;
use crate::table::{print_line, print_pairs};

/// The cost of a run of tmpx, and of the peer's run after it.
pub(crate) type Pair = (f64, f64);

/// What a run finds in the temp dir.
#[derive(Clone, Copy)]
pub(crate) enum Ground {
    Empty,
    /// This many files. tmpx's are under one lease, a peer's are in TREE.
    Files(usize),
    /// This many leases of a file each.
    Leases(usize),
}

/// tmpx and a peer at one task.
pub(crate) struct Row {
    pub(crate) name: String,
    /// tmpx's arguments.
    tmpx: &'static str,
    /// The peer's command line. Words in capitals stand for a part of the scratch directory, or for
    /// tmpx as it is linked with glibc.
    peer: &'static str,
    /// The largest share of the peer's time, and of its instructions, that the build that is released
    /// may use.
    targets: &'static [f64],
    locale: (&'static str, &'static str),
    pub(crate) on_disk: bool,
    ground: Ground,
    /// The content of the pipe on standard input. Without content, standard input is /dev/null.
    input: &'static [u8],
    /// A script for sh that runs the program as `"$@"`.
    script: Option<&'static str>,
    pairs: usize,
}

/// A row with the usual conditions.
pub(crate) fn row(tmpx: &'static str, peer: &'static str, targets: &'static [f64]) -> Row {
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
    pub(crate) fn on(mut self, ground: Ground, conditions: &str) -> Self {
        self.name += conditions;
        self.ground = ground;
        self.pairs = 11;
        self
    }

    pub(crate) fn reading(mut self, input: &'static [u8], conditions: &str) -> Self {
        self.name += conditions;
        self.input = input;
        self
    }

    pub(crate) fn within(mut self, script: &'static str, conditions: &str) -> Self {
        self.name += conditions;
        self.script = Some(script);
        self.pairs = 11;
        self
    }

    pub(crate) fn in_c_locale(mut self) -> Self {
        self.name += ", LC_ALL=C";
        self.locale = ("LC_ALL", "C");
        self
    }

    pub(crate) fn on_disk(mut self) -> Self {
        self.name += ", on disk";
        self.on_disk = true;
        self
    }

    /// Runs all pairs of one build and prints the row.
    pub(crate) fn measure(&self, build: &Build, count: Option<usize>) -> anyhow::Result<()> {
        let count = count.unwrap_or(self.pairs);
        let scratch = if self.on_disk { &build.disk } else { &build.memory };
        let ours = scratch.tmpx_line(self.tmpx);
        let Some(theirs) = scratch.peer_line(self.peer) else {
            print_line([&self.name, build.libc, self.peer], ["not there", "", "", "", ""]);
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
        let target = |number: usize| self.targets.get(number).filter(|_| build.is_released());
        self.print(build, "", &times, target(0), (1e3, "ms"));
        if let (Some(_), Some(valgrind)) = (self.targets.get(1), installed("valgrind")) {
            let tool = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
            let under = [valgrind.into(), tool[0].into(), tool[1].into()];
            // Several runs, since now and then one prunes the store or draws a name again.
            match pairs(5, &under, instructions) {
                Ok(counts) => self.print(build, ", instructions", &counts, target(1), (1e-3, "k")),
                Err(_) => print_line(
                    [&format!("{}, instructions", self.name), build.libc, self.peer],
                    ["valgrind fails", "", "", "", ""],
                ),
            }
        }
        Ok(())
    }

    /// The words that run the script, before those of the program.
    fn shell(&self) -> Vec<OsString> {
        let words = self.script.map(|script| ["/bin/sh", "-c", script, "sh"]);
        words.into_iter().flatten().map(OsString::from).collect()
    }

    fn print(
        &self,
        build: &Build,
        cost: &str,
        pairs: &[Pair],
        target: Option<&f64>,
        unit: (f64, &str),
    ) {
        let name = format!("{}{cost}", self.name);
        print_pairs([&name, build.libc, self.peer], pairs, target.copied(), unit);
    }
}

/// Returns the reading end of a pipe that holds the input and then ends.
fn full_pipe(input: &[u8]) -> anyhow::Result<std::io::PipeReader> {
    let (reader, mut writer) = std::io::pipe().context("could not create a pipe")?;
    writer.write_all(input)?;
    Ok(reader)
}

/// Runs a command and returns the time from spawn to exit.
pub(crate) fn seconds(mut command: Command) -> anyhow::Result<f64> {
    let start = Instant::now();
    let status = command.status();
    let time = start.elapsed();
    let succeeded = status.context("could not run a program")?.success();
    ensure!(succeeded, "a run failed: {command:?}");
    Ok(time.as_secs_f64())
}

/// Runs a command under callgrind and returns its count.
fn instructions(mut command: Command) -> anyhow::Result<f64> {
    let output = command.stderr(Stdio::piped()).output()?;
    let report = String::from_utf8_lossy(&output.stderr);
    report
        .lines()
        .find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
        .with_context(|| format!("valgrind counted nothing:\n{report}"))
}

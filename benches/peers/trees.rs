//! Trees of several shapes, which tmpx and each of its peers remove in turn.
//!
//! The fastest peer for a shape counts: its row has the target. Each run has a scratch directory of
//! its own, and on a disk a filesystem of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;

use crate::build::Build;
use crate::disk::{self, Disk};
use crate::row::{Pair, seconds};
use crate::scratch::{Scratch, create_files};
use crate::table::{print_line, print_pairs, quartiles};

/// The end of the rows of trees on a disk.
const ON_DISK: &str = ", on disk";
const TMPX: &str = "cleanup --all -q";
const PEERS: [&str; 3] = ["rm -rf TREE", "find TREE -delete", "rmz TREE"];

/// The largest share of the fastest peer's time that tmpx may use.
const TARGET: f64 = 1.0;

enum Shape {
    /// This many directories with this many files in each.
    Even(usize, usize),
    /// One directory with this many files.
    Flat(usize),
    /// A copy of this directory.
    Like(PathBuf),
}

impl Shape {
    fn grow(&self, at: &Path) -> anyhow::Result<()> {
        match self {
            Self::Even(dirs, files) => {
                (0..*dirs).try_for_each(|dir| create_files(&at.join(dir.to_string()), *files))
            }
            Self::Flat(files) => create_files(at, *files),
            Self::Like(model) => {
                disk::run(Command::new("cp").arg("-a").arg(model.join(".")).arg(at))
            }
        }
    }
}

fn shapes() -> Vec<(&'static str, Shape)> {
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = cargo.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let sources = cargo.map(|cargo| cargo.join("registry/src")).filter(|dir| dir.is_dir());
    let mut shapes = vec![
        ("1000x100 tree", Shape::Even(1000, 100)),
        ("1x100k tree", Shape::Flat(100_000)),
        ("20kx5 tree", Shape::Even(20_000, 5)),
    ];
    shapes.extend(sources.map(|dir| ("cargo's sources", Shape::Like(dir))));
    shapes
}

/// Prints a row for each selected shape, location and peer.
pub(crate) fn measure(
    locations: &[PathBuf; 2],
    build: &Build,
    runs: Option<usize>,
    is_selected: &dyn Fn(&str) -> bool,
) -> anyhow::Result<()> {
    let [memory, disk] = locations;
    for (name, shape) in shapes() {
        let row = format!("{TMPX}, {name}");
        if is_selected(&row) {
            compare(
                build,
                &row,
                &shape,
                &|| Scratch::new(memory, &build.tmpx),
                runs.unwrap_or(41),
            )?;
        }
        let row = row + ON_DISK;
        if is_selected(&row) && Disk::is_possible() {
            compare(
                build,
                &row,
                &shape,
                &|| Scratch::on_new_disk(disk, &build.tmpx),
                runs.unwrap_or(11),
            )?;
        } else if is_selected(&row) {
            print_line([&row, "", ""], ["needs root and mkfs.ext4", "", "", "", ""]);
        }
    }
    Ok(())
}

fn compare(
    build: &Build,
    row: &str,
    shape: &Shape,
    scratch: &dyn Fn() -> anyhow::Result<Scratch>,
    rounds: usize,
) -> anyhow::Result<()> {
    let ours = || {
        let scratch = scratch()?;
        scratch.run_tmpx("dir --name tree")?;
        run(&scratch, shape, &scratch.tmpx_line(TMPX))
    };
    let theirs = |peer: &str| {
        let scratch = scratch()?;
        let line = scratch.peer_line(peer);
        line.map(|line| run(&scratch, shape, &line)).transpose()
    };
    let mut pairs: [Vec<Pair>; PEERS.len()] = Default::default();
    // The first round warms up. Each round begins with another program, since the run before has an
    // effect.
    for round in 0..=rounds {
        let mut times = [None; PEERS.len() + 1];
        for turn in 0..times.len() {
            let who = (round + turn) % times.len();
            times[who] = match who.checked_sub(1) {
                None => Some(ours()?),
                Some(peer) => theirs(PEERS[peer])?,
            };
        }
        for (pairs, their_time) in pairs.iter_mut().zip(&times[1..]) {
            if let (Some(time), Some(their_time)) = (times[0], *their_time)
                && round > 0
            {
                pairs.push((time, their_time));
            }
        }
    }
    let median = |pairs: &[Pair]| quartiles(pairs.iter().map(|pair| pair.1))[1];
    let installed = || pairs.iter().enumerate().filter(|(_, pairs)| !pairs.is_empty());
    let fastest = installed().min_by(|(_, one), (_, other)| median(one).total_cmp(&median(other)));
    for (peer, pairs) in installed() {
        let target = fastest.filter(|(fastest, _)| *fastest == peer).map(|_| TARGET);
        print_pairs([row, build.libc, PEERS[peer]], pairs, target, (1e3, "ms"));
    }
    Ok(())
}

fn run(scratch: &Scratch, shape: &Shape, line: &[std::ffi::OsString]) -> anyhow::Result<f64> {
    let tree = scratch.tree();
    shape.grow(&tree)?;
    // No run waits for what was written before it.
    rustix::fs::sync();
    let time = seconds(scratch.command(line, ("LANG", "C.UTF-8")))?;
    ensure!(!tree.exists(), "the tree is still there");
    Ok(time)
}

//! Prints the table.

use std::path::PathBuf;
use std::process::Command;

use crate::row::Pair;
use crate::system::{filesystem, installed, line_of};

/// Prints the conditions of this table, and its first line.
pub(crate) fn print_heading(locations: &[PathBuf; 2]) {
    let [memory, disk] = [0, 1].map(|location| filesystem(&locations[location]));
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let mktemp = line_of(Command::new("mktemp").arg("--version"), 0).unwrap_or_default();
    let valgrind = installed("valgrind").map_or("; no valgrind", |_| "");
    println!("TMPDIR and HOME on {memory} (on disk: {disk}); {cpus} CPUs; {mktemp}{valgrind}\n");
    print_line(["row", "libc", "peer"], ["tmpx", "peer's", "ratio", "middle half", "target"]);
}

/// Prints the medians of pairs, their ratio, and whether the ratio is within the target.
pub(crate) fn print_pairs(
    names: [&str; 3],
    pairs: &[Pair],
    target: Option<f64>,
    (scale, unit): (f64, &str),
) {
    let [_, ours, _] = quartiles(pairs.iter().map(|pair| pair.0));
    let [_, theirs, _] = quartiles(pairs.iter().map(|pair| pair.1));
    let [low, ratio, high] = quartiles(pairs.iter().map(|pair| pair.0 / pair.1));
    let [ours, theirs] = [ours, theirs].map(|cost| format!("{:.2} {unit}", cost * scale));
    let verdict = |target: f64| if ratio > target { "missed" } else { "met" };
    let target = target.map(|target| format!("{target:.2} {}", verdict(target)));
    let [ratio, half] = [format!("{ratio:.2}"), format!("{low:.2}-{high:.2}")];
    let figures = [&ours, &theirs, &ratio, &half, &target.unwrap_or_default()];
    print_line(names, figures.map(String::as_str));
}

/// Prints a line of the table. A row belongs to the build of tmpx that is linked with this C library.
pub(crate) fn print_line(
    [row, libc, peer]: [&str; 3],
    [tmpx, theirs, ratio, half, target]: [&str; 5],
) {
    let figures = format!("{tmpx:>13} {theirs:>10} {ratio:>6} {half:>12}  {target}");
    println!("{}", format!("{row:42} {libc:5} {peer:18}{figures}").trim_end());
}

/// Returns the lower quartile, the median and the upper quartile.
pub(crate) fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| sorted[(sorted.len() - 1) * quarter / 4])
}

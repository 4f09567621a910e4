//! The row without a peer: how long a file outlives its script.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, ensure};

use crate::build::Build;
use crate::row::Ground;
use crate::scratch::Scratch;
use crate::table::{print_line, quartiles};

pub(crate) const ROW: &str = "until-exit, kill -9 of the script to removal";

/// The longest time to removal, in milliseconds.
const TARGET: f64 = 50.0;

/// Kills scripts, and prints the time to the removal of their files and the memory of the reaper.
pub(crate) fn measure(build: &Build, runs: usize) -> anyhow::Result<()> {
    let scratch = &build.memory;
    scratch.prepare(Ground::Empty, false)?;
    let mut memory = None;
    let times: Vec<f64> =
        (0..runs).map(|_| time_to_removal(scratch, &mut memory)).collect::<anyhow::Result<_>>()?;
    let [low, median, high] = quartiles(times.into_iter()).map(|seconds| seconds * 1e3);
    let verdict = if median <= TARGET { "met" } else { "missed" };
    let half = format!("{low:.1}-{high:.1} ms");
    print_line(
        [ROW, build.libc, ""],
        [&format!("{median:.2} ms"), "", "", &half, &format!("{TARGET} ms {verdict}")],
    );
    if let Some(kilobytes) = memory {
        print_line(
            ["the reaper's resident memory", build.libc, ""],
            [&kilobytes, "", "", "", "3072 kB"],
        );
    }
    Ok(())
}

/// Returns the seconds from SIGKILL of a script to the removal of its file.
fn time_to_removal(scratch: &Scratch, memory: &mut Option<String>) -> anyhow::Result<f64> {
    let script = format!("{} file --until-exit=$$; read wait", scratch.tmpx.display());
    let line = ["sh", "-c", &script].map(OsString::from);
    let mut command = scratch.command(&line, ("LC_ALL", "C"));
    let mut script = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut path = String::new();
    BufReader::new(script.stdout.take().context("no stdout")?).read_line(&mut path)?;
    let path = Path::new(path.trim_end());
    ensure!(path.exists(), "the script created no file");
    // Wait until its reaper sleeps: the start of the reaper is not measured.
    let asleep = || status_of_reaper(&scratch.store).filter(|status| status.contains("State:\tS"));
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

/// Returns /proc/PID/status of a store's reaper, if one runs.
fn status_of_reaper(store: &Path) -> Option<String> {
    let line = format!("tmpx-reaper\0{}\0", store.display());
    let is_reaper =
        |dir: &PathBuf| fs::read(dir.join("cmdline")).is_ok_and(|text| text == line.as_bytes());
    let processes = fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path());
    fs::read_to_string(processes.into_iter().find(is_reaper)?.join("status")).ok()
}

//! Creators, cleaners, listers and reapers at once, some of them killed: nothing leaks, and nothing
//! live or foreign is removed. This takes five seconds; `TMPX_STRESS=60 cargo test stress -- --nocapture`
//! takes 60.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::reaper::kill_reapers;
use crate::support::sandbox::{Sandbox, TMPX, names};

/// The commands of a creator, in turn.
const COMMANDS: [&str; 14] = [
    "file --until-exit=PID",
    "dir --ttl 50ms",
    "file --count 20 --until-exit=PID",
    "file --name same --until-exit=PID",
    "workspace --mkdir a/b --until-exit=PID",
    "exec sh -c :>x",
    "file --from source --until-exit=PID",
    "dir --name dir --session s --until-exit=PID",
    "mktemp",
    "mktemp -d",
    "spool --max-size 2 -- test -s {}",
    "replace target",
    "replace --append target",
    "exec --out made:saved -- touch made",
];

struct Crowd<'a> {
    sandbox: &'a Sandbox,
    /// Whether cleanups remove only what has ended.
    keeps_live: bool,
    stop: AtomicBool,
    runs: AtomicU64,
    killed: AtomicU64,
    checked: AtomicU64,
}

impl Crowd<'_> {
    fn tmpx(&self, args: &[&str]) -> Child {
        let sandbox = self.sandbox;
        self.runs.fetch_add(1, Ordering::Relaxed);
        Command::new(TMPX)
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", sandbox.home())
            .env("TMPDIR", sandbox.tmp())
            .env("TMPX_STATE_DIR", sandbox.state())
            .env("TMPX_UNTIL_EXIT", std::process::id().to_string())
            .current_dir(sandbox.cwd())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// Creates resources with this process as the owner, and checks that they exist. Some runs are
    /// killed.
    fn write(&self, seed: u64) {
        let pid = std::process::id().to_string();
        let mut n = seed;
        while self.goes_on() {
            n = next(n);
            let line =
                COMMANDS[usize::try_from(n >> 33).unwrap() % COMMANDS.len()].replace("PID", &pid);
            let args: Vec<&str> = line.splitn(4, ' ').collect();
            let mut child =
                self.tmpx(&if args[0] == "exec" { args } else { line.split(' ').collect() });
            if self.kills(&mut child, n) {
                continue;
            }
            let output = child.wait_with_output().unwrap();
            let is_bound = line.contains(&pid) || line.starts_with("mktemp");
            if output.status.success() && is_bound && self.keeps_live {
                for path in String::from_utf8(output.stdout).unwrap().lines() {
                    assert!(PathBuf::from(path).exists(), "{line}: {path} was removed");
                    self.checked.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Kills one run of four, and returns whether it has.
    fn kills(&self, child: &mut Child, n: u64) -> bool {
        let kills = (n >> 40).is_multiple_of(4);
        if kills {
            // The kill races with the run and hits it anywhere.
            (0..n >> 42 & 0x3fff).for_each(|_| std::hint::spin_loop());
            let _ = child.kill();
            self.killed.fetch_add(1, Ordering::Relaxed);
            let _ = child.wait();
        }
        kills
    }

    fn look(&self, args: &[&str], seed: u64) {
        let mut n = seed;
        while self.goes_on() {
            n = next(n);
            let mut child = self.tmpx(args);
            if !self.kills(&mut child, n) {
                let output = child.wait_with_output().unwrap();
                assert!(output.status.code().is_some_and(|code| code < 2), "{args:?}: {output:?}");
            }
        }
    }

    /// Kills each reaper. The next lease starts another one.
    fn kill_reapers(&self) {
        while self.goes_on() {
            let killed = kill_reapers(self.sandbox);
            self.killed.fetch_add(killed.try_into().unwrap(), Ordering::Relaxed);
            // Leaves the others some time.
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }
}

/// Returns the next of a sequence of numbers.
fn next(n: u64) -> u64 {
    n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
}

#[test]
fn creators_cleaners_and_listers_run_at_once_while_some_are_killed() {
    run_a_crowd(&["cleanup", "-q"]);
}

#[test]
fn creators_run_beside_cleanups_of_everything_and_no_printed_path_is_without_a_lease() {
    run_a_crowd(&["cleanup", "--all", "--force", "-q"]);
}

fn run_a_crowd(cleanup: &[&str]) {
    let seconds = std::env::var("TMPX_STRESS").map_or(5, |text| text.parse().unwrap());
    let sandbox = Sandbox::new();
    let canary = sandbox.tmp().join("canary");
    fs::create_dir(&canary).unwrap();
    fs::write(canary.join("egg"), "untouched").unwrap();
    fs::write(sandbox.cwd().join("source"), "source").unwrap();
    let keeps_live = !cleanup.contains(&"--force");
    let crowd = Crowd {
        sandbox: &sandbox,
        keeps_live,
        stop: AtomicBool::new(false),
        runs: AtomicU64::new(0),
        killed: AtomicU64::new(0),
        checked: AtomicU64::new(0),
    };
    std::thread::scope(|scope| {
        let crowd = &crowd;
        for seed in 0..16 {
            scope.spawn(move || crowd.write(seed));
        }
        for seed in 0..4 {
            scope.spawn(move || crowd.look(cleanup, seed));
        }
        for seed in 0..2 {
            scope.spawn(move || crowd.look(&["list", "--json"], seed));
        }
        scope.spawn(|| crowd.kill_reapers());
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            std::thread::park_timeout(end - Instant::now());
        }
        crowd.stop.store(true, Ordering::Relaxed);
    });
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{} runs in {seconds} s, {} killed, {} paths seen alive",
        count(&crowd.runs),
        count(&crowd.killed),
        count(&crowd.checked)
    );
    assert!(count(&crowd.checked) > 0 || !keeps_live);
    // A cleanup leaves what a reaper is just looking at.
    kill_reapers(&sandbox);
    // The remaining resources belong to this live process; nothing else may exist.
    sandbox.tmpx(["cleanup", "-q"]).run();
    for entry in sandbox.tmpx(["list", "--json"]).succeeds().json() {
        let ttl = entry["lifetime"] == "ttl";
        assert!(entry["owner"] == std::process::id() || ttl, "{entry}");
    }
    let listed = sandbox.tmpx(["list"]).succeeds();
    let mut listed: Vec<PathBuf> = listed.raw.lines().map(PathBuf::from).collect();
    listed.push(canary.clone());
    for name in sandbox.left() {
        assert!(listed.contains(&sandbox.tmp().join(&name)), "{name} belongs to no lease");
    }
    assert_eq!(fs::read(canary.join("egg")).unwrap(), b"untouched");
    let around = names(&sandbox.cwd());
    assert!(around.iter().all(|name| !name.starts_with(".tmpx.")), "{around:?}");
    fs::remove_dir_all(canary).unwrap();
    sandbox.clean_up();
}

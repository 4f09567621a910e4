//! Creators, cleaners and listers at once, some of them killed: nothing leaks, and nothing live or
//! foreign is removed. This takes five seconds; `TMPX_STRESS=60 cargo test stress -- --nocapture`
//! takes 60.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::sandbox::{Sandbox, TMPX};

/// The commands of a creator, in turn.
const COMMANDS: [&str; 6] = [
    "file --until-exit=PID",
    "dir --ttl 50ms",
    "file --count 20 --until-exit=PID",
    "file --name same --until-exit=PID",
    "workspace --mkdir a/b --until-exit=PID",
    "exec sh -c :>x",
];

struct Crowd<'a> {
    sandbox: &'a Sandbox,
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
            n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let line =
                COMMANDS[usize::try_from(n >> 33).unwrap() % COMMANDS.len()].replace("PID", &pid);
            let args: Vec<&str> = line.splitn(4, ' ').collect();
            let mut child =
                self.tmpx(&if args[0] == "exec" { args } else { line.split(' ').collect() });
            if (n >> 40).is_multiple_of(4) {
                // The kill races with the run and hits it anywhere.
                (0..n >> 42 & 0x3fff).for_each(|_| std::hint::spin_loop());
                let _ = child.kill();
                self.killed.fetch_add(1, Ordering::Relaxed);
                let _ = child.wait();
                continue;
            }
            let output = child.wait_with_output().unwrap();
            if output.status.success() && line.contains(&pid) {
                for path in String::from_utf8(output.stdout).unwrap().lines() {
                    assert!(PathBuf::from(path).exists(), "{line}: {path} was removed");
                    self.checked.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    fn look(&self, args: &[&str]) {
        while self.goes_on() {
            let output = self.tmpx(args).wait_with_output().unwrap();
            assert!(output.status.code().is_some_and(|code| code < 2), "{args:?}: {output:?}");
        }
    }
}

#[test]
fn creators_cleaners_and_listers_run_at_once_while_some_are_killed() {
    let seconds = std::env::var("TMPX_STRESS").map_or(5, |text| text.parse().unwrap());
    let sandbox = Sandbox::new();
    let canary = sandbox.tmp().join("canary");
    fs::create_dir(&canary).unwrap();
    fs::write(canary.join("egg"), "untouched").unwrap();
    let crowd = Crowd {
        sandbox: &sandbox,
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
        for _ in 0..4 {
            scope.spawn(|| crowd.look(&["cleanup", "-q"]));
        }
        for _ in 0..2 {
            scope.spawn(|| crowd.look(&["list", "--json"]));
        }
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
    assert!(count(&crowd.checked) > 0);
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
    fs::remove_dir_all(canary).unwrap();
    sandbox.clean_up();
}

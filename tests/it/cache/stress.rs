//! Readers, writers and evicters at once, some of them killed: no error, and no wrong byte. This takes
//! two seconds; `TMPX_STRESS=60 cargo test cache::stress` takes 60.

use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::fixture::{files, store};
use crate::support::sandbox::{Sandbox, names};

const KEYS: [&str; 4] = ["a", "b", "c", "d"];

struct CacheCrowd<'a> {
    sandbox: &'a Sandbox,
    stop: AtomicBool,
    hits: AtomicU64,
    runs: AtomicU64,
}

impl CacheCrowd<'_> {
    fn tmpx(&self, args: &[&str], max: &str, input: Option<String>) -> Output {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let mut command = self.sandbox.tmpx(args).env("TMPX_CACHE_MAX", max).prepared();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        if let Some(input) = input {
            std::io::Write::write_all(&mut stdin, input.as_bytes()).unwrap();
        }
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// Stores values that begin with their key and have one letter throughout.
    fn write(&self, seed: usize) {
        let mut n = seed;
        while self.goes_on() {
            n += 1;
            let key = KEYS[n % KEYS.len()];
            let letter = ["x", "y", "z"][n % 3];
            let value = format!("{key}:{}\n", letter.repeat([10, 5000, 300_000][n / 3 % 3]));
            let output = self.tmpx(&["cache", "set", key], "1M", Some(value));
            assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
            let script = format!("printf {key}:; seq {}; echo end", n % 7 * 1000);
            let args = ["cache", "run", "--key", key, "--", "sh", "-c", &script];
            let output = self.tmpx(&args, "1M", None);
            let text = String::from_utf8(output.stdout).unwrap();
            let lines = n % 7 * 1000 + 1;
            let lines = if lines == 1 { 1 } else { lines };
            assert!(text.starts_with(key) && text.ends_with("end\n"), "{text}");
            assert!(text.lines().count() == lines && output.stderr.is_empty());
        }
    }

    fn read(&self, seed: usize) {
        let mut n = seed;
        while self.goes_on() {
            n += 1;
            let key = KEYS[n % KEYS.len()];
            let output = self.tmpx(&["cache", "get", key], "1M", None);
            assert!(output.stderr.is_empty(), "{output:?}");
            let text = String::from_utf8(output.stdout).unwrap();
            if output.status.code() == Some(1) {
                // It was evicted.
                assert_eq!(text, "");
                continue;
            }
            self.hits.fetch_add(1, Ordering::Relaxed);
            let value = text.strip_prefix(&format!("{key}:")).unwrap().strip_suffix('\n').unwrap();
            assert!([10, 5000, 300_000].contains(&value.len()), "{}", value.len());
            assert!(value.bytes().all(|byte| byte == value.as_bytes()[0]), "a mixture");
        }
    }

    fn evict(&self) {
        while self.goes_on() {
            for args in
                [&["cache", "set", "evict"][..], &["cache", "clear", "-q", "b"], &["cleanup", "-q"]]
            {
                let output = self.tmpx(args, "350K", Some(String::new()));
                assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
            }
            let output = self.tmpx(&["cache", "list", "--json"], "1M", None);
            assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        }
    }
}

#[test]
fn readers_writers_and_evicters_see_no_error_and_no_wrong_byte() {
    let seconds = std::env::var("TMPX_STRESS").map_or(2, |text| text.parse().unwrap());
    let sandbox = Sandbox::in_memory();
    let crowd = CacheCrowd {
        sandbox: &sandbox,
        stop: AtomicBool::new(false),
        hits: AtomicU64::new(0),
        runs: AtomicU64::new(0),
    };
    std::thread::scope(|scope| {
        let crowd = &crowd;
        for seed in 0..8 {
            scope.spawn(move || crowd.write(seed * 13));
            scope.spawn(move || crowd.read(seed * 7));
        }
        for _ in 0..2 {
            scope.spawn(|| crowd.evict());
        }
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            std::thread::park_timeout(end - Instant::now());
        }
        crowd.stop.store(true, Ordering::Relaxed);
    });
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!("{} runs in {seconds} s, {} values read", count(&crowd.runs), count(&crowd.hits));
    assert!(count(&crowd.hits) > 0);
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
    let left = names(&store(&sandbox)).len();
    assert_eq!(left, files(&sandbox).len() + 1);
    assert!(files(&sandbox).iter().all(|name| name.len() == 16));
}

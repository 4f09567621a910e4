//! Many processes append to one file while some of them are killed: each line whose writer reported
//! success is in the file. This takes three seconds. `TMPX_STRESS=1` takes ten minutes and 200 writers,
//! and a higher number that many seconds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, thread};

use crate::support::sandbox::{Sandbox, names};

/// Appends lines until it is stopped, and kills some of the writers. Returns the lines whose writers
/// reported success, and the number of those that were killed.
fn append(sandbox: &Sandbox, writer: u64, stop: &AtomicBool) -> (Vec<String>, u64) {
    let mut random = writer;
    let (mut lines, mut killed) = (Vec::new(), 0);
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let line = format!("writer {writer} line {n}");
        let mut child = sandbox.tmpx(["replace", "-a", "f", "--", "echo", &line]).spawn();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if (random >> 40).is_multiple_of(4) {
            thread::sleep(Duration::from_micros(random >> 44 & 0x7fff));
            let _ = child.kill();
            killed += 1;
        }
        if child.wait().unwrap().success() {
            lines.push(line);
        }
    }
    (lines, killed)
}

#[test]
fn every_line_whose_appender_succeeded_is_there_although_others_are_killed() {
    let (writers, seconds) = match std::env::var("TMPX_STRESS").as_deref() {
        Ok("1") => (200, 600),
        Ok(seconds) => (200, seconds.parse().unwrap()),
        Err(_) => (16, 3),
    };
    let sandbox = Sandbox::new();
    let stop = AtomicBool::new(false);
    let results: Vec<_> = thread::scope(|scope| {
        let (sandbox, stop) = (&sandbox, &stop);
        let threads: Vec<_> =
            (0..writers).map(|writer| scope.spawn(move || append(sandbox, writer, stop))).collect();
        thread::sleep(Duration::from_secs(seconds));
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let text = fs::read_to_string(sandbox.cwd().join("f")).unwrap();
    let mut counts = HashMap::new();
    for line in text.lines() {
        assert!(line.starts_with("writer "), "{line:?}");
        *counts.entry(line).or_insert(0) += 1;
    }
    let (mut written, mut killed) = (0, 0);
    for (lines, kills) in &results {
        for line in lines {
            assert_eq!(counts.get(line.as_str()), Some(&1), "{line}");
        }
        written += lines.len();
        killed += kills;
    }
    println!("{written} lines by writers that succeeded, {killed} writers killed");
    assert!(written > 0 && killed > 0);
    assert!(counts.values().all(|&count| count == 1));
    sandbox.clean_up();
    assert_eq!(names(&sandbox.cwd()), ["f"]);
}

//! Kills tmpx at the calls of the thread that reads the output of a producer, and makes them fail.

use std::fs;

use super::every_call::{Case, SPOUT, check, clear, is_fallible, prepare, run_with};
use crate::support::sandbox::has;

/// Traces tmpx with all its threads, without the commands that it runs.
const THREADS: [&str; 3] = ["-f", "-b", "execve"];

/// Returns the names of the calls that only the thread which reads a producer's output makes, under
/// the injection `inject`. strace counts each thread separately. So each name comes with the number
/// of the first call that no other thread reaches, and with that of the last call.
fn calls_of_the_reading_thread(case: &Case, inject: &[&str]) -> Vec<(String, usize, usize)> {
    let sandbox = prepare(case);
    let trace = sandbox.root().join("trace");
    let options = [&THREADS, inject, &["-o", trace.to_str().unwrap()]].concat();
    let ran = run_with(&sandbox, case, &options);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    clear(&sandbox);
    let text = fs::read_to_string(trace).unwrap();
    let calls: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.split_once('(')?.0.split_once(char::is_whitespace))
        .map(|(thread, name)| (thread, name.trim()))
        // Skips the second half of a call that another thread's call interrupted in the trace.
        .filter(|(_, name)| !name.starts_with('<'))
        .collect();
    let reader = calls.iter().find(|(_, name)| *name == "splice").unwrap().0;
    let of =
        |thread: &str, name: &str| calls.iter().filter(|call| **call == (thread, name)).count();
    let mut names: Vec<&str> =
        calls.iter().filter(|(thread, _)| *thread == reader).map(|(_, name)| *name).collect();
    names.sort_unstable();
    names.dedup();
    let others = |name| {
        let others = calls.iter().map(|(thread, _)| *thread).filter(|thread| *thread != reader);
        others.map(|thread| of(thread, name)).max().unwrap_or(0)
    };
    let alone = names.into_iter().map(|name| (name.to_owned(), others(name) + 1, of(reader, name)));
    // A thread's calls for memory and locks vary from run to run.
    let steady = |name: &str| is_fallible(name) || name == "exit";
    let alone = alone.filter(|(name, first, last)| steady(name) && first <= last);
    let alone: Vec<_> = alone.collect();
    assert!(!alone.is_empty(), "{text}");
    alone
}

/// Kills tmpx at the calls of that thread, and makes them fail: those that move the output within
/// the kernel, and those that read and write it if the kernel cannot move it.
#[test]
fn the_thread_that_reads_a_producers_output_fails_safely_at_every_call() {
    if !has("strace") {
        return;
    }
    let without_splice: &[&str] = &["-e", "inject=splice:error=EINVAL"];
    for inject in [&[], without_splice] {
        for (name, first, last) in calls_of_the_reading_thread(&SPOUT, inject) {
            let mut faults = vec!["signal=SIGKILL", "signal=SIGTERM"];
            if is_fallible(&name) {
                faults.extend(["error=EIO", "error=ENOSPC", "error=EINTR", "error=ENOSYS"]);
            }
            // The number of calls varies; the last ones are like those before.
            for n in (first..=last).take(2) {
                for fault in &faults {
                    let sandbox = prepare(&SPOUT);
                    let injected = format!("inject={name}:{fault}:when={n}");
                    let options = [&THREADS, inject, &["-o", "/dev/null", "-e", &injected]];
                    let ran = run_with(&sandbox, &SPOUT, &options.concat());
                    check(&sandbox, &SPOUT, &ran, &format!("{} with {injected}", SPOUT.args));
                    let killed = *fault == "signal=SIGKILL";
                    assert!(!killed || ran.signal == Some(9), "{injected} was not met: {ran:?}");
                }
            }
        }
    }
}

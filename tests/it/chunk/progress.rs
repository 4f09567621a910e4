//! The line that shows on a terminal how far a run is.

use std::fs;

use crate::support::sandbox::{Sandbox, has};

/// Runs a command line on a terminal, and returns what the terminal gets.
fn on_terminal(sandbox: &Sandbox, line: &str) -> String {
    sandbox
        .sh(&format!("seq 4 > in.txt; export TERM=xterm; script -qec \"{line}\" log > /dev/null"))
        .succeeds();
    let log = String::from_utf8(fs::read(sandbox.cwd().join("log")).unwrap()).unwrap();
    let lines = log.lines().filter(|line| !line.starts_with("Script "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_line_has_records_rate_and_time_left_and_is_removed() {
    if !has("script") {
        return;
    }
    let sandbox = Sandbox::new();
    let command = "tmpx chunk -j 1 --rows 2 in.txt -o out -- sleep 1; echo end";
    let shown = on_terminal(&sandbox, command);
    let mut drawn: Vec<&str> = shown.split('\r').map(str::trim).collect();
    drawn.retain(|line| !line.is_empty() && *line != "\u{1b}[2K");
    let all = drawn.iter().map(|line| line.trim_start_matches("\u{1b}[2K").trim_end());
    let (last, steps) =
        all.collect::<Vec<_>>().split_last().map(|(l, s)| (*l, s.to_vec())).unwrap();
    assert_eq!(last, "end", "{shown:?}");
    assert!(steps.iter().any(|step| step.starts_with("0 records, ")), "{shown:?}");
    assert!(steps.iter().any(|step| step.starts_with("2 records, ")), "{shown:?}");
    for step in steps {
        let words = step.split(", ").collect::<Vec<_>>();
        assert!(
            matches!(words[..], [records, rate, left]
            if records.ends_with(" records") && rate.ends_with("/s")
                && left.ends_with(" left: in.txt")),
            "{step:?} in {shown:?}"
        );
    }
}

#[test]
fn outputs_on_the_terminal_are_not_mixed_with_the_line() {
    if !has("script") {
        return;
    }
    let sandbox = Sandbox::new();
    let command = "tmpx chunk -j 1 --rows 2 in.txt -- sh -c 'sleep 0.8; cat'";
    assert_eq!(on_terminal(&sandbox, command), "1\n2\n3\n4");
}

//! The help texts: `-h` is shorter than `--help`, and every example runs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use clap::Command;

use crate::support::sandbox::Sandbox;

/// Returns tmpx and its subcommands, as help sees them.
fn commands() -> Vec<Command> {
    let mut tmpx = tmpx::testing::full_command();
    tmpx.build();
    let mut all = vec![tmpx];
    let mut next = 0;
    while let Some(command) = all.get(next) {
        let below: Vec<Command> = command.get_subcommands().cloned().collect();
        all.extend(below);
        next += 1;
    }
    all
}

#[test]
fn rare_options_and_examples_are_in_the_long_help_only() {
    let sandbox = Sandbox::new();
    let short = sandbox.tmpx(["file", "-h"]).succeeds().stdout;
    let long = sandbox.tmpx(["file", "--help"]).succeeds().stdout;
    for usual in ["--ttl", "--until-exit", "--suffix", "--dir", "--json"] {
        assert!(short.contains(usual) && long.contains(usual), "{usual}");
    }
    for rare in ["--count", "--mode", "--null", "--session", "--keep", "Examples:"] {
        assert!(!short.contains(rare) && long.contains(rare), "{rare}");
    }
    let usual = "rows bytes jobs output format merge to help";
    assert_eq!(options_in_the_short_help(&sandbox, &["chunk"]), usual);
    let usual = "ttl stale refresh key key-env key-file key-stdin help";
    assert_eq!(options_in_the_short_help(&sandbox, &["cache", "run"]), usual);
}

/// Returns the names of the options that `-h` lists.
fn options_in_the_short_help(sandbox: &Sandbox, subcommand: &[&str]) -> String {
    let short = sandbox.tmpx(subcommand.iter().chain(&["-h"])).succeeds().stdout;
    let (_, options) = short.split_once("Options:\n").unwrap();
    let (options, _) = options.split_once("\nExample").unwrap();
    let names =
        options.lines().filter_map(|line| line.split_once("--")?.1.split([' ', '[']).next());
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_top_level_help_has_the_environment_the_files_and_the_exit_status() {
    let sandbox = Sandbox::new();
    let help = sandbox.tmpx(["--help"]).succeeds().stdout;
    for part in ["Environment:", "Files:", "Exit status:", "TMPX_STATE_DIR", "TMPX_REAPER"] {
        assert!(help.contains(&format!("\n{part}")) || help.contains(&format!("\n  {part} ")));
    }
    assert!(!sandbox.tmpx(["-h"]).succeeds().stdout.contains("Environment:"));
}

/// Returns the examples of a help text: the indented lines below each sentence.
fn examples(command: &Command) -> Vec<String> {
    let text = command.get_after_long_help().unwrap().to_string();
    let (_, examples) = text.split_once("Examples:\n").unwrap();
    let mut found: Vec<String> = Vec::new();
    for line in examples.lines() {
        match (line.strip_prefix("      "), found.last_mut()) {
            (Some(code), Some(script)) => script.extend([code, "\n"]),
            (None, _) if !line.is_empty() => found.push(String::new()),
            _ => {}
        }
    }
    found
}

#[test]
fn every_example_runs_and_prints_nothing_on_stderr_but_summaries_of_cleanup() {
    for command in commands() {
        let examples = examples(&command);
        assert!((1..=4).contains(&examples.len()), "{}: {examples:?}", command.get_name());
        for example in examples {
            let sandbox = Sandbox::new();
            fs::write(sandbox.cwd().join("data.csv"), "b\na\nb\n").unwrap();
            let script = sandbox.cwd().join("test.sh");
            fs::write(&script, "#!/bin/sh\nmktemp > made\n").unwrap();
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
            let ran = sandbox.sh(&format!("set -eu\n{example}")).run();
            assert_eq!(ran.status, Some(0), "{example}{ran:?}");
            let unexpected =
                ran.stderr.lines().find(|line| !line.contains(" remove") && !line.contains("hint"));
            assert_eq!(unexpected, None, "{example}");
            sandbox.clean_up();
        }
    }
}

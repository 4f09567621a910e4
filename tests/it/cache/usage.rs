//! What is refused before anything runs, and what is meant instead.

use crate::support::sandbox::Sandbox;

#[test]
fn a_command_right_after_cache_gets_a_hint_with_the_right_command() {
    let sandbox = Sandbox::new();
    let cases = [
        ("cache -- ls -l", "unrecognized subcommand 'ls'", "tmpx cache run -- ls -l"),
        ("cache curl -s URL", "unrecognized subcommand 'curl'", "tmpx cache run -- curl -s URL"),
        ("cache --ttl 5m ls", "unexpected argument '--ttl' found", "tmpx cache run --ttl 5m ls"),
    ];
    for (args, message, hint) in cases {
        let expected = format!("tmpx: {message}\nhint: run comes first: {hint}\n");
        sandbox.tmpx(args.split(' ')).expects(2, "", &expected);
    }
    for (args, meant) in [("lst", "list"), ("ls", "list"), ("rm k", "clear"), ("delete", "clear")] {
        let word = args.split(' ').next().unwrap();
        let expected = format!(
            "tmpx: unrecognized subcommand '{word}'\nhint: did you mean tmpx cache {meant}?\n"
        );
        sandbox.tmpx(["cache"].into_iter().chain(args.split(' '))).expects(2, "", &expected);
    }
    let ran = sandbox.tmpx(["cache"]).run();
    assert_eq!((ran.status, &*ran.stdout), (Some(2), ""));
    assert!(ran.stderr.contains("\nUsage: tmpx cache COMMAND\n"));
}

#[test]
fn a_stale_time_beyond_the_ttl_is_a_usage_error() {
    let sandbox = Sandbox::new();
    for (args, message) in [
        ("--ttl 5s --stale 5s true", "--stale: not shorter than the TTL"),
        ("--stale 2h true", "--stale: not shorter than the TTL"),
        ("", "COMMAND is missing"),
    ] {
        let args = ["cache", "run"].into_iter().chain(args.split_whitespace());
        sandbox.tmpx(args).expects(2, "", &format!("tmpx: {message}\n"));
    }
    let refused = |name: &str, value: &str, why: &str| {
        let run = sandbox.tmpx(["cache", "run", "true"]).env(name, value);
        run.expects(2, "", &format!("tmpx: {name}: {why}: {value}\n"));
    };
    refused("TMPX_CACHE_TTL", "0", "not a positive duration");
    refused(
        "TMPX_CACHE_TTL",
        "soon",
        "not a duration such as 90 (seconds), 300ms, 15m, 1h30m, 2d or 1w",
    );
    refused("TMPX_CACHE_MAX", "much", "not a size such as 4096, 64K, 10M, 2G, 10MB or 10MiB");
    assert!(!sandbox.home().join(".cache").exists());
}

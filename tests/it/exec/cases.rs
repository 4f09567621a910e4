//! What the test suites of dumb-init, tini and GNU timeout ask of a program that runs another one, as
//! far as it applies. Signals, stops and inherited state are in the files of those names.

use crate::support::sandbox::{Sandbox, has, is_root, skip_unless, words};

#[test]
fn a_limit_ends_the_command_whatever_signals_are_blocked_or_ignored() {
    let sandbox = Sandbox::new();
    let ended = "tmpx: timed out after 100ms\n";
    for before in [
        "",
        "trap '' CHLD;",
        "trap '' ALRM;",
        "set -- env --block-signal=ALRM;",
        "set -- env --block-signal=CHLD;",
        "set -- env --block-signal=TERM;",
    ] {
        let run =
            |command: &str| sandbox.sh(&format!("{before} \"$@\" tmpx exec --timeout {command}"));
        let blocks_term = before.contains("TERM");
        run("10 true").expects(0, "", "");
        run("10 sh -c 'exit 2'").expects(2, "", "");
        if blocks_term {
            let killed = "tmpx: timed out after 100ms and was killed\n";
            run("100ms --kill-after 100ms sleep 1000").expects(124, "", killed);
        } else {
            run("100ms sleep 1000").expects(124, "", ended);
        }
    }
}

#[test]
fn a_limit_ends_a_command_in_a_session_of_its_own() {
    let sandbox = Sandbox::new();
    let ended = "tmpx: timed out after 100ms\n";
    sandbox.tmpx(words("exec --timeout 100ms setsid sleep 1000")).expects(124, "", ended);
}

#[test]
fn a_limit_beyond_every_clock_is_no_error() {
    let sandbox = Sandbox::new();
    for limit in ["9223372036854775808d", "18446744073709551616", "999999999999999999999w"] {
        sandbox.tmpx(["exec", "--timeout", limit, "true"]).expects(0, "", "");
    }
}

#[test]
fn a_closed_stdout_reaches_a_command_with_a_limit() {
    let sandbox = Sandbox::new();
    let script = "tmpx exec --timeout 10 -- sh -c 'yes; echo $? >&2' | head -n 1";
    sandbox.sh(script).expects(0, "y\n", "141\n");
}

#[test]
fn orphans_that_end_are_reaped_while_the_command_runs() {
    let sandbox = Sandbox::new();
    let script = "i=0; while [ $i -lt 100 ]; do (sh -c 'echo $$ >>pids' &); i=$((i + 1)); done; \
                  until [ $(wc -l <pids) = 100 ]; do :; done; \
                  for pid in $(cat pids); do while [ -e /proc/$pid ]; do :; done; done; echo reaped";
    sandbox.tmpx(["exec", "sh", "-c", script]).expects(0, "reaped\n", "");
}

#[test]
fn as_the_first_process_of_a_container_tmpx_passes_on_statuses_and_signals() {
    if !skip_unless(is_root(), "root") || !has("unshare") {
        return;
    }
    let sandbox = Sandbox::new();
    let run = |script: &str| {
        let args = words("unshare --fork --pid --mount-proc tmpx exec -- sh -c");
        let mut command = std::process::Command::new(&args[0]);
        command.args(&args[1..]).arg(script);
        sandbox.command(command)
    };
    run("exit 3").expects(3, "", "");
    run("[ $PPID = 1 ] && echo first").expects(0, "first\n", "");
    // A process in the container cannot kill its first process, which passes the signal on.
    let ended = run("trap 'exit 4' TERM; kill -TERM 1; while :; do sleep 0.01; done");
    ended.expects(4, "", "");
}

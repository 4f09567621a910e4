//! The progress line of a long removal, copy or spool.

use std::time::Instant;

use crate::support::sandbox::{Sandbox, has};

/// A Python script that runs a command on a terminal and prints what the command wrote to it.
const ON_A_TERMINAL: &str = r"
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
output = b''
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    output += piece
sys.stdout.write(output.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

#[test]
fn progress_is_shown_only_on_a_terminal_and_only_for_a_long_removal() {
    let sandbox = Sandbox::new();
    if !has("python3") || !has("strace") {
        return;
    }
    // Delays each rmdir(2).
    let slow = "strace -f -o /dev/null -e inject=unlinkat:delay_enter=150ms";
    let output = |under: &str, options: &str, on_terminal: bool| {
        let python = if on_terminal { "python3 -c \"$ON_A_TERMINAL\"" } else { "" };
        let script = format!(
            "d=$(tmpx dir); mkdir -p $d/a/b/c/d/e; {python} {under} tmpx cleanup --all {options} 2>&1"
        );
        sandbox.sh(&script).env("ON_A_TERMINAL", ON_A_TERMINAL).env("TERM", "xterm").run().stdout
    };
    let shown = output(slow, "", true);
    assert!(shown.contains(" entries"), "{shown:?}");
    assert!(shown.contains("/s: $ROOT/tmp/tmp."), "the rate and the path: {shown:?}");
    assert!(shown.contains("\r\ntmpx: removed 1 ("), "{shown:?}");
    for not_shown in [output(slow, "-q", true), output(slow, "", false)] {
        assert!(!not_shown.contains(" entries"), "{not_shown:?}");
    }
    let start = Instant::now();
    let shown = output("", "", true);
    // On a busy machine even a short removal may take that long.
    assert!(!shown.contains(" entries") || start.elapsed().as_millis() > 500, "{shown:?}");
}

#[test]
fn progress_of_inputs_and_of_a_spool_is_shown_only_on_a_terminal() {
    let sandbox = Sandbox::new();
    if !has("python3") || !has("strace") {
        return;
    }
    let output = |line: &str, on_terminal: bool| {
        let python = if on_terminal { "python3 -c \"$ON_A_TERMINAL\"" } else { "" };
        let run = sandbox.sh(&format!("mkdir -p many/a/b/c/d/e/f/g; {python} {line} 2>&1"));
        run.env("ON_A_TERMINAL", ON_A_TERMINAL).env("TERM", "xterm").run().stdout
    };
    // Delays each mkdir(2).
    let copies = "strace -f -o /dev/null -e inject=mkdirat:delay_enter=150ms \
                  tmpx exec --in many -- echo done";
    let shown = output(copies, true);
    assert!(shown.contains(" entries, ") && shown.contains("/s: many"), "{shown:?}");
    assert!(shown.ends_with("done\n") || shown.ends_with("done\r\n"), "{shown:?}");
    assert_eq!(output(copies, false), "done\n");
    // The writer goes on when the line has been drawn, which takes half a second.
    let spools = "sh -c '{ head -c 9000000 /dev/zero; sleep 1; } | tmpx spool | wc -c'";
    let shown = output(spools, true);
    assert!(shown.contains("8.5 MiB, ") && shown.contains("MiB/s"), "{shown:?}");
    assert!(shown.contains("9000000"), "{shown:?}");
    assert_eq!(output(spools, false), "9000000\n");
}

//! The progress line of a long removal.

use std::time::Instant;

use crate::support::sandbox::{Sandbox, has};

/// Runs what follows with a terminal for its standard error, and prints what that was told.
const ON_A_TERMINAL: &str = r"
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
told = b''
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    told += piece
sys.stdout.write(told.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

#[test]
fn a_terminal_is_told_of_the_progress_of_a_long_removal_only() {
    let sandbox = Sandbox::new();
    if !has("python3") || !has("strace") {
        return;
    }
    // Each rmdir(2) takes its time.
    let slow = "strace -f -o /dev/null -e inject=unlinkat:delay_enter=150ms";
    let told = |under: &str, options: &str, on_terminal: bool| {
        let python = if on_terminal { "python3 -c \"$ON_A_TERMINAL\"" } else { "" };
        let script = format!(
            "d=$(tmpx dir); mkdir -p $d/a/b/c/d/e; {python} {under} tmpx cleanup --all {options} 2>&1"
        );
        sandbox.sh(&script).env("ON_A_TERMINAL", ON_A_TERMINAL).env("TERM", "xterm").run().stdout
    };
    let shown = told(slow, "", true);
    assert!(shown.contains(" entries"), "{shown:?}");
    assert!(shown.ends_with("tmpx: removed 1 (0 B)\r\n"), "{shown:?}");
    for not_shown in [told(slow, "-q", true), told(slow, "", false)] {
        assert!(!not_shown.contains(" entries"), "{not_shown:?}");
    }
    let start = Instant::now();
    let shown = told("", "", true);
    // Unless the machine was busy with other things for so long.
    assert!(!shown.contains(" entries") || start.elapsed().as_millis() > 500, "{shown:?}");
}

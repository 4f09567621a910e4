//! `tmpx chunk` on a terminal.

use rustix::process::Signal;

use crate::support::dialogue::Step::{See, Send, Type};
use crate::support::dialogue::{CTRL_BACKSLASH, CTRL_C, PLAIN, hold, shells};

/// Runs a command on a chunk of one record. It writes to the terminal at once; its standard output would wait
/// for its end.
const ON_A_CHUNK: &str = "#!/bin/sh\necho 1 >in.txt\n\
    exec tmpx chunk in.txt -- sh -c 'exec \"$@\" >/dev/tty' sh \"$@\"\n";

#[test]
fn ctrl_c_and_ctrl_backslash_end_a_command_on_a_chunk_and_reach_one_that_survives_them() {
    let dialogue = [
        Type("run dies\n"),
        See("ready"),
        Type(CTRL_C),
        Type("echo \"<$?>\"\n"),
        See("<130>"),
        Type("run dies\n"),
        See("ready"),
        Type(CTRL_BACKSLASH),
        Type("echo \"<$?>\"\n"),
        See("<131>"),
        Type("run echoes\n"),
        See("ready"),
        Type(CTRL_C),
        See("INT 1"),
        Send(Signal::USR1),
        See("USR1 1"),
        Type("a line\nend 4\n"),
        See("read a line"),
        Type("echo \"<$?>\"\n"),
        See("<4>"),
    ];
    for shell in shells() {
        let (mut lines, end) = hold(shell, ON_A_CHUNK, &dialogue);
        lines.retain(|line| !line.starts_with("tmpx: chunk 0 "));
        assert_eq!((lines, end), hold(shell, PLAIN, &dialogue), "{shell}");
    }
}

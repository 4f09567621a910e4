//! `tmpx exec` on a terminal. Each dialogue runs twice, with the plain command and with the command
//! under tmpx, and must go the same way.

use rustix::process::Signal;

use crate::support::dialogue::Step::{Resize, See, Send, Type};
use crate::support::dialogue::{
    CTRL_BACKSLASH, CTRL_C, CTRL_Z, PLAIN, Step, hold, shells, sit_down, stage,
};
use crate::support::pty::Terminal;
use crate::support::sandbox::{Sandbox, has, is_root, skip_unless};
use crate::support::wait::wait_until;

/// Runs a command, or else a scratch shell, under tmpx.
const UNDER_TMPX: &str = "#!/bin/sh\nexec tmpx exec \"$@\"\n";

/// Holds a dialogue with each shell, with and without tmpx, and expects the same output.
fn goes_the_same_way(dialogue: &[Step]) {
    for shell in shells() {
        goes_the_same_way_in(shell, dialogue);
    }
}

fn goes_the_same_way_in(shell: &str, dialogue: &[Step]) {
    let plain = hold(shell, PLAIN, dialogue);
    println!("{shell}: {:#?}", plain.0);
    let under_tmpx = hold(shell, UNDER_TMPX, dialogue);
    println!("{shell}: {:#?}", plain.0);
    assert_eq!(under_tmpx, plain, "{shell}");
}

#[test]
fn ctrl_c_and_ctrl_backslash_end_the_job() {
    goes_the_same_way(&[
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
    ]);
}

#[test]
fn a_command_that_has_left_the_process_group_ends_and_stops_like_the_job() {
    // The plain command leads the group already, since the shell has started it.
    goes_the_same_way(&[
        Type("run leaves dies\n"),
        See("ready"),
        Type(CTRL_C),
        Type("echo \"<$?>\"\n"),
        See("<130>"),
        Type("run leaves dies\n"),
        See("ready"),
        Type(CTRL_BACKSLASH),
        Type("echo \"<$?>\"\n"),
        See("<131>"),
        // timeout(1) leaves it together with its command.
        Type("run timeout 1000 echoes deaf\n"),
        See("ready"),
        Resize(33, 77),
        See("77x33"),
        Type(CTRL_Z),
        See("run timeout"),
        Type("echo \"<$?>\"; fg\n"),
        See("<148>"),
        See("CONT 1"),
        Send(Signal::TERM),
        Type("echo \"<$?>\"\n"),
        See("<143>"),
    ]);
}

#[test]
fn a_command_that_survives_ctrl_c_gets_each_one_once() {
    // A signal to tmpx alone is passed on, after all earlier ones.
    goes_the_same_way(&[
        Type("run echoes\n"),
        See("ready"),
        Type(CTRL_C),
        See("INT 1"),
        Send(Signal::USR1),
        See("USR1 1"),
        Type(CTRL_BACKSLASH),
        See("QUIT 1"),
        Send(Signal::USR1),
        See("USR1 2"),
        Type(CTRL_C),
        See("INT 2"),
        Send(Signal::USR2),
        See("USR2 1"),
        Type("a line\nend 4\n"),
        See("read a line"),
        Type("echo \"<$?>\"\n"),
        See("<4>"),
    ]);
}

#[test]
fn a_stopped_job_is_listed_and_resumes_in_the_foreground_without_loss() {
    goes_the_same_way(&[
        Type("run echoes\n"),
        See("ready"),
        Type(CTRL_Z),
        See("run echoes"),
        Type("echo \"<$?>\"\n"),
        See("<148>"),
        Type("jobs; fg\n"),
        See("CONT 1"),
        Type("a line\n"),
        See("read a line"),
        Type(CTRL_Z),
        See("run echoes"),
        Type("echo \"<$?>\"; fg\n"),
        See("<148>"),
        See("CONT 2"),
        Type("end 4\n"),
        Type("echo \"<$?>\"; jobs\n"),
        See("<4>"),
    ]);
}

#[test]
fn a_stopped_job_resumes_in_the_background_until_it_is_killed() {
    goes_the_same_way(&[
        Type("run echoes deaf\n"),
        See("ready"),
        Type(CTRL_Z),
        See("run echoes"),
        Type("echo \"<$?>\"; bg\n"),
        See("<148>"),
        See("CONT 1"),
        Send(Signal::USR1),
        See("USR1 1"),
        Type("kill %1; wait %1; echo \"<$?>\"; jobs\n"),
        See("<143>"),
    ]);
}

#[test]
fn a_background_job_that_reads_is_stopped_until_it_is_in_the_foreground() {
    goes_the_same_way(&[
        Type(
            "run echoes reading & until jobs >list; grep 'topped\\|suspended' list; do :; done; fg\n",
        ),
        See("ready"),
        Type("a line\nend 4\n"),
        See("read a line"),
        Type("echo \"<$?>\"\n"),
        See("<4>"),
    ]);
}

#[test]
fn session_group_and_terminal_settings_are_those_of_the_command() {
    goes_the_same_way(&[
        Type("stty -a >before; run shows; stty -a | diff before - && echo unchanged\n"),
        See("in the session of the shell"),
        See("in the foreground"),
        See("unchanged"),
        Type("run echoes\n"),
        See("ready"),
        Type(CTRL_Z),
        See("run echoes"),
        Type("stty -a | diff before - && echo unchanged; fg\n"),
        See("unchanged"),
        See("CONT 1"),
        Type("end 4\n"),
        Type("echo \"<$?>\"; stty -a | diff before - && echo unchanged\n"),
        See("unchanged"),
    ]);
}

#[test]
fn a_new_window_size_reaches_the_command() {
    goes_the_same_way(&[
        Type("run echoes\n"),
        See("ready"),
        Resize(33, 77),
        See("77x33"),
        Type("end 4\n"),
        Type("echo \"<$?>\"\n"),
        See("<4>"),
    ]);
}

#[test]
fn a_command_in_raw_mode_stops_and_resumes() {
    goes_the_same_way(&[
        Type("run draws\n"),
        See("ready"),
        Type("a\x03\x1c"),
        See("key 28"),
        Type(CTRL_Z),
        See("key 26"),
        See("run draws"),
        Type("echo \"<$?>\"; fg\n"),
        See("<148>"),
        See("back"),
        Type("bq"),
        See("key 98"),
        Type("echo \"<$?>\"\n"),
        See("<4>"),
    ]);
}

#[test]
fn without_a_command_a_scratch_shell_with_job_control_runs() {
    goes_the_same_way(&[
        Type("run\n"),
        Type("echoes\n"),
        See("ready"),
        Type(CTRL_Z),
        See("echoes"),
        Type("echo \"<$?>\"; fg\n"),
        See("<148>"),
        See("CONT 1"),
        Type("end 4\n"),
        Type("dies\n"),
        See("ready"),
        Type(CTRL_C),
        Type("echo \"<$?>\"; exit 3\n"),
        See("<130>"),
        Type("echo \"<$?>\"\n"),
        See("<3>"),
    ]);
}

#[test]
fn a_scratch_shell_says_that_it_is_one() {
    let sandbox = stage(UNDER_TMPX);
    let mut terminal = sit_down(&sandbox, "bash");
    terminal.type_in("run\n");
    terminal.see("tmpx: scratch shell in ");
    terminal.type_in("echo $TMPX_WORKSPACE\n");
    terminal.see(sandbox.tmp().to_str().unwrap());
    terminal.type_in("exit\nexit\n");
    let (shown, _) = terminal.close();
    assert!(shown.contains("; 'exit' ends it"), "{shown}");
}

#[test]
fn what_is_saved_is_reported_on_a_terminal_and_not_in_a_script() {
    let sandbox = Sandbox::new();
    let exec = |out: &str, names: &str| {
        let touch = format!("mkdir out; cd out; touch {names}");
        sandbox.tmpx(["exec", "--out", out, "--", "sh", "-c", &touch])
    };
    let on_a_terminal = |out: &str, names: &str| {
        let (shown, status) = Terminal::start(exec(out, names).prepared()).close();
        assert_eq!(status.code(), Some(0), "{shown}");
        sandbox.plain(&shown)
    };
    assert_eq!(on_a_terminal("out", "x y"), "tmpx: saved out/x, out/y\n");
    assert_eq!(on_a_terminal("out", "a b c d e"), "tmpx: saved out/a, out/b, out/c and 2 more\n");
    let elsewhere = format!("out/*:{}", sandbox.home().display());
    assert_eq!(on_a_terminal(&elsewhere, "x"), "tmpx: saved $ROOT/home/x\n");
    exec("out", "x").succeeds();
}

#[test]
fn a_lost_terminal_hangs_up_the_command_and_the_workspace_is_removed() {
    for shell in shells() {
        for run in [PLAIN, UNDER_TMPX] {
            for command in ["echoes deaf", "dies"] {
                let sandbox = stage(run);
                let mut terminal = sit_down(&sandbox, shell);
                terminal.type_in(&format!("run {command}\n"));
                terminal.see("ready");
                terminal.hang_up();
                let hung_up = sandbox.home().join("hung-up").exists();
                assert_eq!(hung_up, command != "dies", "{shell}: {run} {command}");
            }
        }
    }
}

#[test]
fn a_scratch_shell_can_be_suspended() {
    if !has("zsh") {
        return;
    }
    goes_the_same_way(&[
        Type("SHELL=$HOME/zshell run\n"),
        Type("echo inside; suspend\n"),
        See("inside"),
        See("run"),
        Type("echo outside; fg\n"),
        See("outside"),
        Type("echo inside; exit 3\n"),
        See("inside"),
        Type("echo \"<$?>\"\n"),
        See("<3>"),
    ]);
}

#[test]
fn a_command_that_stops_by_itself_stops_the_job() {
    goes_the_same_way(&[
        Type("run stops\n"),
        See("run stops"),
        Type("jobs; fg\n"),
        See("continues"),
        Type("echo \"<$?>\"\n"),
        See("<4>"),
    ]);
}

#[test]
fn as_session_leader_tmpx_passes_on_the_loss_of_its_terminal() {
    // As under `ssh -t`, or as the only program in a terminal window.
    for run in [PLAIN, UNDER_TMPX] {
        let sandbox = stage(run);
        let mut terminal = sit_down(&sandbox, "run echoes deaf");
        terminal.see("ready");
        assert_eq!(terminal.hang_up().code(), Some(6), "{run}");
    }
}

#[test]
fn a_session_that_another_pid_namespace_leads_can_lose_its_terminal() {
    // As in a container whose shell came from outside: the id of the session is 0 there.
    if !skip_unless(is_root(), "root") || !has("unshare") {
        return;
    }
    let sandbox = stage(UNDER_TMPX);
    let mut terminal = sit_down(&sandbox, "unshare --pid --fork run echoes deaf");
    terminal.see("ready");
    terminal.hang_up();
    wait_until("the workspace is removed", || sandbox.left().is_empty());
    assert!(sandbox.home().join("hung-up").exists());
}

//! `tmpx exec` on a terminal. Each dialogue runs twice, with the plain command and with the command
//! under tmpx, and must go the same way.

use std::fs;
use std::process::{Command, ExitStatus};

use rustix::process::Signal;

use crate::support::pty::Terminal;
use crate::support::sandbox::{Sandbox, has, is_root, skip_unless};
use crate::support::wait::wait_until;

/// One step of the user at the terminal.
enum Step {
    Type(&'static str),
    See(&'static str),
    /// Sends a signal only to the process that the shell started for the job.
    Send(Signal),
    Resize(u16, u16),
}

use Step::{Resize, See, Send, Type};

const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";
const CTRL_BACKSLASH: &str = "\x1c";

/// Prints each signal and each line that it receives. It creates a file in its working directory,
/// and reports if that disappears. With `reading` it reads a line first, with `deaf` it reads none.
/// A signal becomes a byte in a pipe, so that none is lost just before a wait, and so that it does
/// not wait for a line that the shell reads meanwhile.
const ECHOES: &str = r#"#!/usr/bin/python3
import contextlib, os, select, signal, sys
def say(text):
    with contextlib.suppress(OSError):
        os.write(1, (text + "\n").encode())
def hear(line):
    if not os.path.exists("note"):
        say("lost my note")
    if not line or line.startswith(b"end"):
        sys.exit(int(line[4:] or 8))
    say("read " + line.decode().strip())
signals, signal_end = os.pipe()
os.set_blocking(signal_end, False)
signal.set_wakeup_fd(signal_end)
keys = os.open("/dev/tty", os.O_RDONLY | os.O_NONBLOCK)
count = {}
for name in "HUP INT QUIT USR1 USR2 WINCH CONT".split():
    number = signal.Signals["SIG" + name]
    signal.signal(number, lambda *_: None)
    count[number] = 0
open("note", "w").close()
say("ready")
if "reading" in sys.argv:
    hear(os.read(0, 99))
sources = [signals] if "deaf" in sys.argv else [signals, keys]
while True:
    ready = select.select(sources, [], [])[0]
    for number in os.read(signals, 99) if signals in ready else []:
        if number == signal.SIGHUP:
            open(os.environ["HOME"] + "/hung-up", "w").close()
            sys.exit(6)
        count[number] += 1
        say("%s %d" % (signal.Signals(number).name[3:], count[number]))
        if number == signal.SIGWINCH:
            say("%dx%d" % os.get_terminal_size())
    if keys in ready:
        with contextlib.suppress(BlockingIOError):
            hear(os.read(keys, 99))
"#;

/// Draws its own screen, as editors do: it reads single keys, and at Ctrl-Z it restores the
/// terminal and stops the job.
const DRAWS: &str = r#"#!/usr/bin/python3
import os, signal, sys, termios, tty
cooked = termios.tcgetattr(0)
def say(text):
    os.write(1, (text + "\r\n").encode())
tty.setraw(0)
say("ready")
while (key := os.read(0, 1)) != b"q":
    say("key %d" % key[0])
    if key == b"\x1a":
        termios.tcsetattr(0, termios.TCSADRAIN, cooked)
        os.kill(0, signal.SIGTSTP)
        tty.setraw(0)
        say("back")
termios.tcsetattr(0, termios.TCSADRAIN, cooked)
sys.exit(4)
"#;

/// Prints its session, group, terminal, and the terminal's settings.
const SHOWS: &str = r#"#!/bin/sh
read -r pid name state parent group session terminal foreground rest </proc/self/stat
[ "$session" = "$SHELL_PID" ] && echo "in the session of the shell"
[ "$group" != "$SHELL_PID" ] && echo "not in the group of the shell"
[ "$group" = "$foreground" ] && echo "in the foreground"
tty | tr -d 0-9
stty -a
"#;

const COMMANDS: [(&str, &str); 7] = [
    ("echoes", ECHOES),
    ("draws", DRAWS),
    ("shows", SHOWS),
    ("dies", "#!/bin/sh\necho ready\nexec sleep 1000\n"),
    ("stops", "#!/bin/sh\nkill -STOP $$\necho continues\nexit 4\n"),
    ("shell", "#!/bin/sh\nexec bash --norc --noprofile --noediting -i\n"),
    ("zshell", "#!/bin/sh\nexec zsh -f +Z -o nopromptsp -i\n"),
];

/// Shells as people use them, without line editing, which would be shown.
fn shells() -> Vec<&'static str> {
    let shells =
        ["bash --norc --noprofile --noediting -i", "dash -i", "zsh -f +Z -o nopromptsp -i"];
    shells.into_iter().filter(|shell| has(shell.split(' ').next().unwrap())).collect()
}

/// Runs a command plainly, or under tmpx.
const PLAIN: &str = "#!/bin/sh\n[ $# != 0 ] || exec $SHELL\nexec \"$@\"\n";
const UNDER_TMPX: &str = "#!/bin/sh\nexec tmpx exec \"$@\"\n";

/// Creates a sandbox with the commands above and with `run`, which runs one of them. A file that
/// the test process itself writes may still be open in another test's child when it should run. So
/// the commands are copies.
fn stage(run: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let source = sandbox.home().join("source");
    fs::create_dir(&source).unwrap();
    for (name, script) in COMMANDS.into_iter().chain([("run", run)]) {
        fs::write(source.join(name), script).unwrap();
    }
    sandbox.sh("install -m 755 source/* .").cwd(sandbox.home()).succeeds();
    sandbox
}

/// Starts a command line as the leader of a session with a terminal of its own.
fn sit_down(sandbox: &Sandbox, line: &str) -> Terminal {
    let mut command = Command::new("setsid");
    command.arg("--ctty").args(line.split(' '));
    let path = format!("{}:{}:/usr/bin:/bin", sandbox.home().display(), sandbox.bin().display());
    let run = sandbox.command(command).env("PATH", path).env("TERM", "dumb").env("PS1", "");
    Terminal::start(run.env("PS2", "").env("SHELL", sandbox.home().join("shell")).prepared())
}

/// Holds a dialogue with a shell. Returns all lines without process numbers, and the exit status of
/// the shell. The lines are sorted and unique, since shells report their jobs at various moments
/// and more than once. The dialogue itself has checked the order.
fn hold(shell: &str, run: &str, dialogue: &[Step]) -> (Vec<String>, ExitStatus) {
    let sandbox = stage(run);
    let mut terminal = sit_down(&sandbox, shell);
    // These tests create no core files.
    terminal.type_in("ulimit -c 0; export SHELL_PID=$$; echo come in\n");
    terminal.see("come in");
    for step in dialogue {
        match *step {
            Type(text) => terminal.type_in(text),
            See(text) => terminal.see(text),
            Send(signal) => terminal.send(signal),
            Resize(rows, columns) => terminal.resize(rows, columns),
        }
    }
    terminal.type_in("exit 7\n");
    let (shown, end) = terminal.close();
    let shown = without_numbers(&shown).replace(" (core dumped)", "");
    let mut lines: Vec<String> =
        shown.lines().filter(|line| !is_own_note(line)).map(str::to_owned).collect();
    lines.sort();
    lines.dedup();
    (lines, end)
}

/// Whether a line is empty or the note about a scratch shell, which no plain shell prints.
fn is_own_note(line: &str) -> bool {
    line.is_empty() || line.starts_with("tmpx: scratch shell in ")
}

/// Masks numbers of three digits and more, except for statuses in angle brackets.
fn without_numbers(text: &str) -> String {
    let mut plain = String::new();
    let mut digits = String::new();
    for character in text.chars().chain(['\0']) {
        if character.is_ascii_digit() {
            digits.push(character);
            continue;
        }
        let kept = digits.len() < 3 || plain.ends_with('<');
        plain += if kept { &digits } else { "N" };
        digits.clear();
        plain.push(character);
    }
    plain.trim_end_matches('\0').to_owned()
}

/// Holds a dialogue with each shell, with and without tmpx, and expects the same output.
fn goes_the_same_way(dialogue: &[Step]) {
    for shell in shells() {
        goes_the_same_way_in(shell, dialogue);
    }
}

fn goes_the_same_way_in(shell: &str, dialogue: &[Step]) {
    let plain = hold(shell, PLAIN, dialogue);
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

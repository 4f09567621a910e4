//! Dialogues with a shell on a terminal, whose jobs are commands that tell what happens to them.

use std::fs;
use std::process::{Command, ExitStatus};

use rustix::process::Signal;

use crate::support::pty::Terminal;
use crate::support::sandbox::{Sandbox, has};

/// One step of the user at the terminal.
pub(crate) enum Step {
    Type(&'static str),
    See(&'static str),
    /// Sends a signal only to the process that the shell started for the job.
    Send(Signal),
    Resize(u16, u16),
}

pub(crate) const CTRL_C: &str = "\x03";
pub(crate) const CTRL_Z: &str = "\x1a";
pub(crate) const CTRL_BACKSLASH: &str = "\x1c";

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

/// Leaves the process group, unless it leads it, and then runs a command.
const LEAVES: &str = "#!/usr/bin/python3\nimport os, sys\nos.setpgid(0, 0)\n\
                      os.execvp(sys.argv[1], sys.argv[1:])\n";

const COMMANDS: [(&str, &str); 8] = [
    ("leaves", LEAVES),
    ("echoes", ECHOES),
    ("draws", DRAWS),
    ("shows", SHOWS),
    ("dies", "#!/bin/sh\necho ready\nexec sleep 1000\n"),
    ("stops", "#!/bin/sh\nkill -STOP $$\necho continues\nexit 4\n"),
    ("shell", "#!/bin/sh\nexec bash --norc --noprofile --noediting -i\n"),
    ("zshell", "#!/bin/sh\nexec zsh -f +Z -o nopromptsp -i\n"),
];

/// Shells as people use them, without line editing, which would be shown.
pub(crate) fn shells() -> Vec<&'static str> {
    let shells =
        ["bash --norc --noprofile --noediting -i", "dash -i", "zsh -f +Z -o nopromptsp -i"];
    shells.into_iter().filter(|shell| has(shell.split(' ').next().unwrap())).collect()
}

/// Runs a command, or else the shell, without tmpx.
pub(crate) const PLAIN: &str = "#!/bin/sh\n[ $# != 0 ] || exec $SHELL\nexec \"$@\"\n";

/// Creates a sandbox with the commands above and with `run`, which runs one of them. A file that
/// the test process itself writes may still be open in another test's child when it should run. So
/// the commands are copies.
pub(crate) fn stage(run: &str) -> Sandbox {
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
pub(crate) fn sit_down(sandbox: &Sandbox, line: &str) -> Terminal {
    let mut command = Command::new("setsid");
    command.arg("--ctty").args(line.split(' '));
    let path = format!("{}:{}:/usr/bin:/bin", sandbox.home().display(), sandbox.bin().display());
    let run = sandbox.command(command).env("PATH", path).env("TERM", "dumb").env("PS1", "");
    Terminal::start(run.env("PS2", "").env("SHELL", sandbox.home().join("shell")).prepared())
}

/// Holds a dialogue with a shell. Returns all lines without process numbers, and the exit status of
/// the shell. The lines are sorted and unique, since shells report their jobs at various moments
/// and more than once. The dialogue itself has checked the order.
pub(crate) fn hold(shell: &str, run: &str, dialogue: &[Step]) -> (Vec<String>, ExitStatus) {
    let sandbox = stage(run);
    let mut terminal = sit_down(&sandbox, shell);
    // These tests create no core files.
    terminal.type_in("ulimit -c 0; export SHELL_PID=$$; echo come in\n");
    terminal.see("come in");
    for step in dialogue {
        match *step {
            Step::Type(text) => terminal.type_in(text),
            Step::See(text) => terminal.see(text),
            Step::Send(signal) => terminal.send(signal),
            Step::Resize(rows, columns) => terminal.resize(rows, columns),
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

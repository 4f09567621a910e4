//! Running a command, as transparently as env(1).
//!
//! The command runs in tmpx's own process group, with its terminal, its descriptors, and the
//! signal state that tmpx was given. tmpx waits for it. A signal that a process sends to tmpx is
//! passed on; one from the terminal reaches the command anyway.

use std::ffi::OsString;
use std::io::{self, PipeReader};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Status, Tell as _};
use crate::sys::{InheritedSignals, SignalQueue};

/// A command line, and where it was said.
#[derive(Clone, Debug)]
pub struct Program {
    name: OsString,
    args: Vec<OsString>,
}

impl Program {
    /// The words of a command line; the user's shell where there are none.
    #[must_use]
    pub fn new(words: Vec<OsString>, shell: Option<OsString>) -> Self {
        let mut words = words.into_iter();
        let name = words.next().or(shell).unwrap_or_else(|| "/bin/sh".into());
        Self { name, args: words.collect() }
    }

    /// The command, to be run wherever. A name with a slash in it is meant from `cwd`, where the
    /// user said it.
    #[must_use]
    pub fn command(&self, cwd: &Path) -> Command {
        let from_here = self.name.as_bytes().contains(&b'/');
        let mut command = if from_here {
            let mut command = Command::new(cwd.join(&self.name));
            command.arg0(&self.name);
            command
        } else {
            Command::new(&self.name)
        };
        command.args(&self.args);
        command
    }

    /// What is said when it cannot be started.
    fn could_not_run(&self, err: io::Error) -> anyhow::Result<Child> {
        let name = Path::new(&self.name).display();
        let is_searched = !self.name.as_bytes().contains(&b'/');
        let err = if is_searched && err.kind() == io::ErrorKind::NotFound {
            Err(anyhow!("could not run {name}: command not found"))
        } else {
            Err(err).with_context(|| format!("could not run {name}"))
        };
        let for_a_shell = |byte: &u8| byte.is_ascii_whitespace() || b"|&;<>()$`".contains(byte);
        if self.name.as_bytes().iter().any(for_a_shell) {
            return err
                .hint(format!("each word is an argument of its own; for a shell: sh -c '{name}'"));
        }
        if matches!(self.name.as_bytes(), b"always" | b"on-failure") {
            return err.hint(format!("the value of --keep comes after =, as in --keep={name}"));
        }
        err
    }
}

/// Signals are queued from here on: one that arrives before the command is started reaches it.
#[must_use]
pub fn queue(inherited: InheritedSignals) -> SignalQueue {
    SignalQueue::open(inherited)
}

/// How long a command may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// After this it is asked to end, by SIGTERM.
    pub timeout: Option<Duration>,
    /// After this more it is made to, by SIGKILL.
    pub kill_after: Duration,
}

impl Limits {
    /// As long as it likes.
    pub const NONE: Self = Self { timeout: None, kill_after: Duration::ZERO };
}

/// Runs a command to its end.
///
/// # Errors
/// Where it cannot be started: status 127 where there is no such command, 126 where it cannot be
/// executed.
pub fn run(
    program: &Program,
    command: &mut Command,
    signals: &SignalQueue,
    limits: Limits,
) -> anyhow::Result<Status> {
    let mut child = signals.spawn(command).or_else(|err| {
        let status = match err.kind() {
            io::ErrorKind::NotFound => Status::NotFound,
            _ => Status::NotExecutable,
        };
        program.could_not_run(err).status(status)
    })?;
    wait(&mut child, signals, limits).context("could not wait for the command")
}

/// Runs a command to its end, and has `take` read what it writes to stdout. When both have ended,
/// gives the command's status and what `take` returned. Where `take` gives up before the end, the
/// command finds its reader gone.
///
/// # Errors
/// As [`run`], and where there is no pipe or thread to be had.
pub fn run_into<T: Send>(
    program: &Program,
    command: &mut Command,
    signals: SignalQueue,
    take: impl FnOnce(PipeReader) -> T + Send,
) -> anyhow::Result<(Status, T)> {
    let (reader, writer) = io::pipe().context("could not make a pipe")?;
    std::thread::scope(|scope| {
        let taking = std::thread::Builder::new()
            .spawn_scoped(scope, || take(reader))
            .context("could not start a thread")?;
        command.stdout(writer);
        let ended = run(program, command, &signals, Limits::NONE);
        // The copy of the pipe's end that is in there would keep it open.
        command.stdout(Stdio::null());
        // What the command left running may write on; from here on a signal ends the wait for it.
        signals.close();
        match taking.join() {
            Ok(taken) => Ok((ended?, taken)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn wait(child: &mut Child, signals: &SignalQueue, limits: Limits) -> io::Result<Status> {
    let pid = Pid::from_child(child);
    let mut timed_out = false;
    let mut next = limits.timeout.map(|timeout| (Instant::now() + timeout, Signal::TERM));
    loop {
        // Until it has been waited for, its number is its own.
        if let Some(ended) = child.try_wait()? {
            return Ok(if timed_out { Status::TimedOut } else { status(ended) });
        }
        let left = next.map(|(at, _)| at.saturating_duration_since(Instant::now()));
        if let (Some(Duration::ZERO), Some((_, signal))) = (left, next) {
            timed_out = true;
            let _ = kill_process(pid, signal);
            // One that is stopped would not notice.
            let _ = kill_process(pid, Signal::CONT);
            let last = signal == Signal::KILL;
            next = (!last).then(|| (Instant::now() + limits.kill_after, Signal::KILL));
            continue;
        }
        if let Some(arrived) = signals.wait(left)
            && arrived.from_process
            && arrived.signal != libc::SIGCHLD
            && let Some(signal) = Signal::from_named_raw(arrived.signal)
        {
            let _ = kill_process(pid, signal);
        }
    }
}

fn status(ended: ExitStatus) -> Status {
    match (ended.code(), ended.signal()) {
        (Some(code), _) => Status::Command(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, Some(signal)) => Status::Signal(signal),
        (None, None) => Status::Broken,
    }
}

//! Running a command, as transparently as env(1).
//!
//! The command runs in tmpx's own process group, with its terminal, its descriptors, and the
//! signal state that tmpx was given. tmpx waits for it. A signal that a process sends to tmpx is
//! passed on; one from the terminal reaches the command anyway.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::io::{self, PipeReader};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags, accessat, open, stat};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, getsid, kill_process, set_child_subreaper, waitid,
};

use crate::cli::clap_error;
use crate::os::{Env, processes};
use crate::sys::{
    self, ExitInfo, InheritedSignals, PreExecError, PrivateMounts, ReceivedSignal, SignalQueue,
    SpawnRequest,
};
use crate::values::error::usage;
use crate::values::{ErrorExt as _, Status};

/// Where programs are looked for when PATH is not set, as execvp(3) does.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// What runs a file that is executable and of no format that the system knows, as execvp(3) has it.
const SHELL: &CStr = c"/bin/sh";

/// A command line, and what it is to be run with.
#[derive(Debug)]
pub(crate) struct Command<'a> {
    name: OsString,
    args: Vec<OsString>,
    env: &'a Env,
    search_dir: &'a Path,
    changed: Vec<(&'static str, OsString)>,
    dir: Option<BorrowedFd<'a>>,
    descriptors: Vec<(OwnedFd, i32)>,
    private: Option<PrivateMounts>,
}

impl<'a> Command<'a> {
    /// The words of a command line that was said in the directory `said_in`.
    pub(crate) fn new(words: Vec<OsString>, env: &'a Env, said_in: &'a Path) -> Self {
        let mut words = words.into_iter();
        Self {
            name: words.next().unwrap_or_default(),
            args: words.collect(),
            env,
            search_dir: said_in,
            changed: Vec::new(),
            dir: None,
            descriptors: Vec::new(),
            private: None,
        }
    }

    /// Has it find a variable with this value in its environment.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.changed.retain(|(other, _)| *other != name);
        self.changed.push((name, value.into()));
    }

    /// Has it run in this directory.
    pub(crate) fn current_dir(&mut self, dir: BorrowedFd<'a>) {
        self.dir = Some(dir);
    }

    /// Gives it a descriptor, under this number.
    pub(crate) fn pass_fd(&mut self, descriptor: OwnedFd, number: i32) {
        self.descriptors.push((descriptor, number));
    }

    /// Mounts these for it alone. Their directories are relative to the one that it runs in.
    pub(crate) fn mount(&mut self, private: PrivateMounts) {
        self.private = Some(private);
    }

    /// Starts it, and lets go of what it was given.
    fn start(self, signals: &SignalQueue) -> anyhow::Result<Pid> {
        self.try_to_start(signals).or_else(|err| {
            let err = match could_not_prepare(err) {
                Ok(err) => return Err(err),
                Err(err) => err,
            };
            let status = match err.raw_os_error() {
                _ if err.kind() == io::ErrorKind::NotFound => Status::NotFound,
                // There is no room for another process, or for what it needs.
                Some(libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE) => {
                    Status::TmpxFailed
                }
                _ => Status::NotExecutable,
            };
            self.could_not_start(err).status(status)
        })
    }

    fn try_to_start(&self, signals: &SignalQueue) -> io::Result<Pid> {
        let path = CString::new(self.program()?.into_os_string().into_vec())?;
        let words = [&self.name].into_iter().chain(&self.args);
        let args = words.map(|word| c_string(word)).collect::<io::Result<Vec<_>>>()?;
        let env = self.env.with(&self.changed)?;
        let descriptors: Vec<_> =
            self.descriptors.iter().map(|(fd, number)| (fd.as_fd(), *number)).collect();
        let launch = SpawnRequest {
            path: &path,
            args: &args,
            env: &env,
            dir: self.dir,
            descriptors: &descriptors,
            private: self.private.as_ref(),
        };
        match launch.start(signals) {
            Err(err) if err.raw_os_error() == Some(libc::ENOEXEC) => {
                let args = [&[SHELL.to_owned(), path.clone()], &args[1..]].concat();
                SpawnRequest { path: SHELL, args: &args, ..launch }.start(signals)
            }
            started => started,
        }
    }

    /// Where its program is. A name with a slash in it, and relative directories of PATH, are meant
    /// from where the user said it.
    fn program(&self) -> io::Result<PathBuf> {
        if self.name.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        if self.name.as_bytes().contains(&b'/') {
            return Ok(self.search_dir.join(&self.name));
        }
        let path = self.env.value("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
        find(&self.name, &path, self.search_dir)
    }

    /// What is said when it cannot be started.
    fn could_not_start(&self, err: io::Error) -> anyhow::Result<Pid> {
        let name = Path::new(&self.name).display();
        let is_searched = !self.name.as_bytes().contains(&b'/');
        let not_found = err.kind() == io::ErrorKind::NotFound;
        let is_there = self.program().is_ok_and(|path| is_file(&path));
        let hint = if not_found && is_there {
            Some("what its first line (#!) names, or its loader, is not there".to_owned())
        } else {
            clap_error::suggest_for_program(&self.name, &err, self.search_dir)
        };
        let err = if not_found && is_searched && !is_there {
            Err(anyhow!("could not run {name}: command not found"))
        } else {
            Err(err).with_context(|| format!("could not run {name}"))
        };
        match hint {
            Some(hint) => err.hint(hint),
            None => err,
        }
    }
}

/// What is said when the command's own mounts cannot be made; any other error comes back.
fn could_not_prepare(err: io::Error) -> Result<anyhow::Error, io::Error> {
    let PreExecError(cause) = err.downcast::<PreExecError>()?;
    let told: anyhow::Result<()> = Err(cause)
        .context("could not give the command a /tmp of its own")
        .hint("that takes root or user namespaces, which this system or a container may forbid");
    Ok(told.err().unwrap_or_else(|| anyhow!("could not give the command a /tmp of its own")))
}

fn c_string(word: &OsStr) -> io::Result<CString> {
    Ok(CString::new(word.as_bytes())?)
}

/// Looks for a program as execvp(3) does: one that may not be executed is passed over, and the
/// error if no other is found.
fn find(name: &OsStr, path: &OsStr, here: &Path) -> io::Result<PathBuf> {
    let mut failure = Errno::NOENT.into();
    for dir in path.as_bytes().split(|byte| *byte == b':') {
        let candidate = here.join(OsStr::from_bytes(dir)).join(name);
        match accessat(CWD, &candidate, Access::EXEC_OK, AtFlags::EACCESS) {
            Ok(()) if is_file(&candidate) => return Ok(candidate),
            Ok(()) | Err(Errno::ACCESS) => {
                failure = Errno::ACCESS.into();
            }
            Err(_) => {}
        }
    }
    Err(failure)
}

fn is_file(path: &Path) -> bool {
    stat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

/// Occupies these descriptors, so that nothing of tmpx's own comes to lie where a command is to
/// find something else. One that is open already is left as it is.
pub(crate) fn reserve_fds(numbers: &[i32]) -> anyhow::Result<Vec<OwnedFd>> {
    let mut reserved = Vec::new();
    for &number in numbers {
        let anything = open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        if anything.as_raw_fd() == number {
            reserved.push(anything);
            continue;
        }
        match fcntl_dupfd_cloexec(&anything, number) {
            Ok(copy) if copy.as_raw_fd() == number => reserved.push(copy),
            Ok(_) | Err(Errno::MFILE) => {}
            Err(_) => {
                return Err(usage(format!("{number} is beyond the limit on open files")))
                    .hint("'ulimit -n' shows it");
            }
        }
    }
    Ok(reserved)
}

/// What a command leaves running.
#[derive(Debug)]
pub(crate) struct Orphans {
    /// Children that a script had before it became this process.
    older: Vec<u32>,
}

impl Orphans {
    /// Has this process adopt what the command will leave running, so that it can be told of.
    pub(crate) fn adopt() -> Self {
        // Where that fails, nothing is told.
        let _ = set_child_subreaper(Some(getpid()));
        Self { older: if sys::has_children() { processes::children() } else { Vec::new() } }
    }

    /// What runs still although the command has ended: numbers and names.
    pub(crate) fn left(&self) -> Vec<(u32, OsString)> {
        if !sys::has_children() {
            return Vec::new();
        }
        let new = processes::children().into_iter().filter(|pid| !self.older.contains(pid));
        new.map(|pid| (pid, processes::program_name(pid).unwrap_or_else(|| "?".into()))).collect()
    }
}

/// Signals are queued from here on: one that arrives before the command is started reaches it.
pub(crate) fn queue(inherited: InheritedSignals) -> SignalQueue {
    SignalQueue::open(inherited)
}

/// How long a command may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// After this it is asked to end, by SIGTERM.
    pub timeout: Option<Duration>,
    /// After this more it is made to, by SIGKILL.
    pub kill_after: Duration,
}

impl Limits {
    /// As long as it likes.
    pub(crate) const NONE: Self = Self { timeout: None, kill_after: Duration::ZERO };
}

/// How a command ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExitOutcome {
    /// What tmpx is to end with.
    pub status: Status,
    /// What the command itself ended with, and what it took.
    pub ended: ExitInfo,
    /// From its start to its end.
    pub wall: Duration,
    /// The mount namespace (`st_ino`) that was made for it.
    pub mount_namespace: Option<u64>,
}

/// Runs a command to its end.
pub(crate) fn run(
    command: Command,
    signals: &SignalQueue,
    limits: Limits,
) -> anyhow::Result<ExitOutcome> {
    let began = Instant::now();
    let is_private = command.private.is_some();
    let child = command.start(signals)?;
    let mount_namespace = if is_private { processes::mount_namespace(child) } else { None };
    let (ended, timed_out) =
        wait(child, signals, limits).context("could not wait for the command")?;
    let status = if timed_out { Status::TimedOut } else { status(ended.status) };
    Ok(ExitOutcome { status, ended, wall: began.elapsed(), mount_namespace })
}

/// Runs a command to its end, and has `take` read what it writes to stdout. When both have ended,
/// gives the command's status and what `take` returned. Where `take` gives up before the end, the
/// command finds its reader gone.
pub(crate) fn run_capturing<T: Send>(
    mut command: Command,
    signals: SignalQueue,
    take: impl FnOnce(PipeReader) -> T + Send,
) -> anyhow::Result<(Status, T)> {
    let (reader, writer) = io::pipe().context("could not make a pipe")?;
    std::thread::scope(|scope| {
        let taking = std::thread::Builder::new()
            .spawn_scoped(scope, || take(reader))
            .context("could not start a thread")?;
        command.pass_fd(writer.into(), 1);
        let ended = run(command, &signals, Limits::NONE);
        // What the command left running may write on; from here on a signal ends the wait for it.
        signals.close();
        match taking.join() {
            Ok(taken) => Ok((ended?.status, taken)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Waits for a command, and tells how it ended and whether that was for its having taken too long.
fn wait(pid: Pid, signals: &SignalQueue, limits: Limits) -> io::Result<(ExitInfo, bool)> {
    let mut timed_out = false;
    // One that is too long for the clock is none.
    let after = |time| Instant::now().checked_add(time);
    let mut next = limits.timeout.and_then(after).map(|at| (at, Signal::TERM));
    loop {
        // Until it has been waited for, its number is its own.
        if let Some(ended) = sys::reap(pid)? {
            return Ok((ended, timed_out));
        }
        let left = next.map(|(at, _)| at.saturating_duration_since(Instant::now()));
        if let (Some(Duration::ZERO), Some((_, signal))) = (left, next) {
            timed_out = true;
            end(pid, signal);
            let last = signal == Signal::KILL;
            next = if last { None } else { after(limits.kill_after).map(|at| (at, Signal::KILL)) };
            continue;
        }
        match signals.wait(left) {
            Some(arrived) if arrived.signal == libc::SIGCHLD && limits.timeout.is_none() => {
                propagate_stop(pid);
            }
            Some(arrived) if is_for_the_command(arrived) => {
                let _ = sys::send(arrived.signal, pid);
            }
            _ => {}
        }
    }
}

/// Asks a command to end, or makes it, and all that it has started: a shell that is told to end does
/// not tell those that it waits for.
fn end(command: Pid, signal: Signal) {
    let others = processes::descendants();
    let itself = command.as_raw_nonzero().get().cast_unsigned();
    let _ = kill_process(command, signal);
    // One that is stopped would not notice.
    let _ = kill_process(command, Signal::CONT);
    for process in others.into_iter().filter(|process| process.pid != itself) {
        process.signal(signal);
        process.signal(Signal::CONT);
    }
}

/// Whether a signal that came is to be passed on: the terminal's reach the command without help, but
/// for the loss of the terminal, of which the kernel tells the leader of its session alone.
fn is_for_the_command(arrived: ReceivedSignal) -> bool {
    let leads = || getsid(None).is_ok_and(|leader| leader == getpid());
    let lost = !arrived.from_process && arrived.signal == libc::SIGHUP && leads();
    arrived.signal != libc::SIGCHLD && (arrived.from_process || lost)
}

/// Where a command has stopped, stops too, so that whoever waits for this process learns of it; and
/// when it has been continued alone, continues the command. Where both were stopped together, as
/// by the terminal, they have both been continued when this is reached.
fn propagate_stop(command: Pid) {
    let stopped = |more| {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | more;
        waitid(WaitId::Pid(command), options).ok().flatten()
    };
    let Some(signal) = stopped(WaitIdOptions::NOWAIT).and_then(|seen| seen.stopping_signal())
    else {
        return;
    };
    // Only where there is a terminal is there somebody who waits for that, and will continue us.
    if open("/dev/tty", OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).is_err() {
        return;
    }
    let stop = if sys::is_ignored(signal) { libc::SIGSTOP } else { signal };
    let _ = sys::send(stop, getpid());
    if stopped(WaitIdOptions::empty()).is_some() {
        let _ = kill_process(command, Signal::CONT);
    }
}

fn status(ended: ExitStatus) -> Status {
    match (ended.code(), ended.signal()) {
        (Some(code), _) => Status::Command(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, Some(signal)) => Status::Signal(signal),
        (None, None) => Status::TmpxFailed,
    }
}

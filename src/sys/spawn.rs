//! Starting a command, and waiting for it.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::io::{self, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus};
use std::ptr;
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, fchdir, waitpid};

use crate::sys::mount_ns::PrivateMounts;
use crate::sys::signals::SignalQueue;
use crate::sys::start::InheritedSignals;

/// A command, and what it is started with.
#[derive(Debug)]
pub(crate) struct SpawnRequest<'a> {
    /// The program's path.
    pub path: &'a CStr,
    /// The arguments, the name that it is called by first.
    pub args: &'a [CString],
    /// The environment, each variable as `NAME=value`.
    pub env: &'a [CString],
    /// Where it runs; here if that is not said.
    pub dir: Option<BorrowedFd<'a>>,
    /// Descriptors that it finds under these numbers, given in this order: one that is still to be
    /// given must not be overwritten before.
    pub descriptors: &'a [(BorrowedFd<'a>, c_int)],
    /// Mounts that it alone sees.
    pub private: Option<&'a PrivateMounts>,
}

/// Why a command could not be started.
#[derive(Debug)]
pub(crate) enum SpawnError {
    /// The new process could not make its private mounts.
    PrivateMounts(io::Error),
    /// Another call failed, execve(2) included.
    Exec(io::Error),
}

impl From<io::Error> for SpawnError {
    fn from(err: io::Error) -> Self {
        Self::Exec(err)
    }
}

impl SpawnRequest<'_> {
    /// Starts it, with the signal mask and the dispositions that tmpx itself was given.
    ///
    /// As vfork(2) does it, in this process's memory, which need not be copied for that:
    /// `posix_spawn(3)` would ask for and set each of the 64 signals besides. What mounts something
    /// takes a process of its own, by fork(2).
    pub(crate) fn start(&self, signals: &SignalQueue) -> Result<Pid, SpawnError> {
        if self.private.is_some() {
            return self.start_by_fork(signals);
        }
        let (args, env) = (pointers(self.args), pointers(self.env));
        let signals = &signals.inherited;
        let mut birth = ChildContext { launch: self, args: &args, env: &env, signals, error: None };
        let mut stack: Vec<MaybeUninit<u128>> = Vec::with_capacity(STACK / size_of::<u128>());
        let top = stack.spare_capacity_mut().as_mut_ptr_range().end;
        // SAFETY: the new process runs `be_born` on a stack of its own, with a pointer to `birth`,
        // while this thread stands still until it has called execve(2) or is gone. Other threads
        // run on; nothing that they use is touched.
        let pid = unsafe {
            libc::clone(
                be_born,
                top.cast(),
                libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
                (&raw mut birth).cast(),
            )
        };
        if pid == -1 {
            return Err(io::Error::last_os_error().into());
        }
        let child = Pid::from_raw(pid);
        match (birth.error, child) {
            (None, Some(child)) => Ok(child),
            (Some(err), Some(child)) => {
                let _ = waitpid(Some(child), WaitOptions::empty());
                Err(err.into())
            }
            (_, None) => Err(io::Error::other("the system gave it no number").into()),
        }
    }

    fn start_by_fork(&self, signals: &SignalQueue) -> Result<Pid, SpawnError> {
        let word = |word: &CString| OsStr::from_bytes(word.to_bytes()).to_owned();
        let mut command = Command::new(OsStr::from_bytes(self.path.to_bytes()));
        let mut args = self.args.iter().map(word);
        command.arg0(args.next().unwrap_or_default()).args(args).env_clear();
        for variable in self.env {
            let mut halves = variable.to_bytes().splitn(2, |byte| *byte == b'=');
            let mut half = || OsStr::from_bytes(halves.next().unwrap_or_default());
            command.env(half(), half());
        }
        let inherited = signals.inherited;
        let private = self.private.cloned();
        let (reader, failed) = io::pipe()?;
        let dir = self.dir.map(|dir| dir.as_raw_fd());
        let copies: Vec<_> =
            self.descriptors.iter().map(|(fd, number)| (fd.as_raw_fd(), *number)).collect();
        // SAFETY: the closure makes plain system calls and touches no memory but its own. The
        // descriptors are open for as long as `self` lives, so at the fork.
        unsafe {
            command.pre_exec(move || {
                if let Some(dir) = dir {
                    fchdir(BorrowedFd::borrow_raw(dir))?;
                }
                copies.iter().try_for_each(|(fd, number)| copy(*fd, *number))?;
                if let Some(private) = &private {
                    private.make().inspect_err(|_| drop((&failed).write(b"!")))?;
                }
                inherited.restore();
                Ok(())
            });
        }
        let started = command.spawn();
        // The closure has the end of the pipe that is written to.
        drop(command);
        match started {
            Ok(child) => Ok(Pid::from_child(&child)),
            Err(err) if (&reader).read(&mut [0])? > 0 => Err(SpawnError::PrivateMounts(err)),
            Err(err) => Err(err.into()),
        }
    }
}

/// Pointers to C strings, as execve(2) wants them.
fn pointers(words: &[CString]) -> Vec<*const c_char> {
    words.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect()
}

/// How large the stack of a process is that is about to become a command, in bytes.
const STACK: usize = 64 * 1024;

/// A new process that is about to become a command.
struct ChildContext<'a> {
    launch: &'a SpawnRequest<'a>,
    args: &'a [*const c_char],
    env: &'a [*const c_char],
    signals: &'a InheritedSignals,
    /// Why it did not.
    error: Option<io::Error>,
}

/// What a new process does in the memory of the old one.
extern "C" fn be_born(birth: *mut c_void) -> c_int {
    // SAFETY: the one who called clone(2) gave a pointer to a `Birth` that nobody else uses until
    // this process has become another or is gone.
    let birth = unsafe { &mut *birth.cast::<ChildContext<'_>>() };
    birth.error = birth.exec_child().err();
    127
}

impl ChildContext<'_> {
    /// Makes plain system calls and takes no memory. Returns only where one fails.
    fn exec_child(&self) -> io::Result<()> {
        let SpawnRequest { path, dir, descriptors, .. } = self.launch;
        if let Some(dir) = dir {
            fchdir(dir)?;
        }
        for (fd, number) in *descriptors {
            copy(fd.as_raw_fd(), *number)?;
        }
        self.signals.restore();
        // SAFETY: the path is a C string, and both lists end with a null pointer and point to C
        // strings.
        unsafe { libc::execve(path.as_ptr(), self.args.as_ptr(), self.env.as_ptr()) };
        Err(io::Error::last_os_error())
    }
}

/// Copies a descriptor to a number, for a command to inherit.
fn copy(fd: c_int, number: c_int) -> io::Result<()> {
    // SAFETY: takes two numbers. What was open under the second one is lost to this process, which is
    // about to become another.
    match unsafe { libc::dup2(fd, number) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// How a command ended, and what it took, with those of its children that it waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExitInfo {
    /// Its exit status or signal.
    pub status: ExitStatus,
    /// Processor time in user mode.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// The most memory that one process of them had at once, in bytes.
    pub peak_memory: u64,
}

/// Whether a command has ended, and how; does not wait. Other children, which this process has
/// adopted, are seen off on the way.
pub(crate) fn reap(command: Pid) -> io::Result<Option<ExitInfo>> {
    loop {
        let mut status = 0;
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the pointers are to live objects that the call fills in.
        let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, usage.as_mut_ptr()) };
        match pid {
            0 => return Ok(None),
            -1 => return Err(io::Error::last_os_error()),
            pid if pid == command.as_raw_nonzero().get() => {
                // SAFETY: all zeroes is a valid rusage, and the call has filled it in.
                let usage = unsafe { usage.assume_init() };
                return Ok(Some(ExitInfo {
                    status: ExitStatus::from_raw(status),
                    user: duration(usage.ru_utime),
                    system: duration(usage.ru_stime),
                    peak_memory: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
                }));
            }
            _ => {}
        }
    }
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

/// Whether this process has children that live, those that it has adopted included. The ones that
/// have ended are seen off.
pub(crate) fn has_children() -> bool {
    loop {
        // SAFETY: a null pointer says that the status is not wanted.
        match unsafe { libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG) } {
            0 => return true,
            -1 => return false,
            _ => {}
        }
    }
}

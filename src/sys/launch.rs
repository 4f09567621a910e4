//! Starting a command, and waiting for it.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_short};
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus};
use std::ptr;
use std::time::Duration;

use rustix::process::Pid;

use super::{InheritedSignals, PrivateMounts, SignalQueue, set_disposition};

/// A command, and what it is started with.
#[derive(Debug)]
pub struct Launch<'a> {
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

/// What was to be done in the new process before it becomes the command, and failed.
#[derive(Debug)]
pub struct CouldNotPrepare(pub io::Error);

impl fmt::Display for CouldNotPrepare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for CouldNotPrepare {}

impl Launch<'_> {
    /// Starts it, with the signal mask and the dispositions that tmpx itself was given.
    ///
    /// By `posix_spawn(3)`, which does not copy the page tables as fork(2) does. Only fork(2) can
    /// have SIGCHLD ignored in the command and not here, or mount anything in between.
    ///
    /// # Errors
    /// As fchdir(2), dup2(2) and execve(2) in the new process, and as clone(2); [`CouldNotPrepare`]
    /// where the private mounts could not be made.
    pub fn start(&self, signals: &SignalQueue) -> io::Result<Pid> {
        if signals.inherited.child == libc::SIG_IGN || self.private.is_some() {
            return self.start_by_fork(signals);
        }
        let mut actions = Actions::new()?;
        if let Some(dir) = self.dir {
            actions.enter(dir)?;
        }
        for (fd, number) in self.descriptors {
            actions.copy(*fd, *number)?;
        }
        let attributes = Attributes::new(&signals.inherited)?;
        let (args, env) = (pointers(self.args), pointers(self.env));
        let mut pid = 0;
        // SAFETY: both lists end with a null pointer and point to C strings that outlive the call;
        // actions and attributes are initialised.
        check(unsafe {
            libc::posix_spawn(
                &raw mut pid,
                self.path.as_ptr(),
                &raw const actions.0,
                &raw const attributes.0,
                args.as_ptr(),
                env.as_ptr(),
            )
        })?;
        Pid::from_raw(pid).ok_or_else(|| io::Error::other("the system gave it no number"))
    }

    fn start_by_fork(&self, signals: &SignalQueue) -> io::Result<Pid> {
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
                if let Some(dir) = dir
                    && libc::fchdir(dir) == -1
                {
                    return Err(io::Error::last_os_error());
                }
                for (fd, number) in &copies {
                    if libc::dup2(*fd, *number) == -1 {
                        return Err(io::Error::last_os_error());
                    }
                }
                if let Some(private) = &private {
                    private.make().inspect_err(|_| drop((&failed).write(b"!")))?;
                }
                set_disposition(libc::SIGPIPE, inherited.pipe);
                set_disposition(libc::SIGCHLD, inherited.child);
                libc::sigprocmask(libc::SIG_SETMASK, &raw const inherited.mask, ptr::null_mut());
                Ok(())
            });
        }
        let started = command.spawn();
        // The closure has the end of the pipe that is written to.
        drop(command);
        match started {
            Ok(child) => Ok(Pid::from_child(&child)),
            Err(err) if (&reader).read(&mut [0])? > 0 => {
                Err(io::Error::new(err.kind(), CouldNotPrepare(err)))
            }
            Err(err) => Err(err),
        }
    }
}

/// Pointers to C strings, as execve(2) wants them.
fn pointers(words: &[CString]) -> Vec<*mut c_char> {
    words.iter().map(|word| word.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect()
}

/// What `posix_spawn(3)` and its kin return is an error number.
fn check(returned: c_int) -> io::Result<()> {
    if returned == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(returned)) }
}

/// What the new process does before it becomes the command.
struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new() -> io::Result<Self> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: the call initialises what it is given, and is checked.
        unsafe {
            check(libc::posix_spawn_file_actions_init(actions.as_mut_ptr()))?;
            Ok(Self(actions.assume_init()))
        }
    }

    fn enter(&mut self, dir: BorrowedFd<'_>) -> io::Result<()> {
        // SAFETY: initialised in `new`; the descriptor is only noted.
        check(unsafe {
            libc::posix_spawn_file_actions_addfchdir_np(&raw mut self.0, dir.as_raw_fd())
        })
    }

    fn copy(&mut self, fd: BorrowedFd<'_>, number: c_int) -> io::Result<()> {
        // SAFETY: as above.
        check(unsafe {
            libc::posix_spawn_file_actions_adddup2(&raw mut self.0, fd.as_raw_fd(), number)
        })
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, and not used any more.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

/// The signal state that the command begins with.
struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new(inherited: &InheritedSignals) -> io::Result<Self> {
        #[allow(clippy::cast_possible_truncation, reason = "small constants of the C interface")]
        let flags = (libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF) as c_short;
        let mut attributes = MaybeUninit::uninit();
        let mut not_ignored = MaybeUninit::uninit();
        // SAFETY: both are initialised by the first call on each, and the pointers are to live
        // objects.
        unsafe {
            check(libc::posix_spawnattr_init(attributes.as_mut_ptr()))?;
            let mut attributes = Self(attributes.assume_init());
            libc::sigemptyset(not_ignored.as_mut_ptr());
            if inherited.pipe != libc::SIG_IGN {
                libc::sigaddset(not_ignored.as_mut_ptr(), libc::SIGPIPE);
            }
            check(libc::posix_spawnattr_setsigdefault(
                &raw mut attributes.0,
                not_ignored.as_ptr(),
            ))?;
            check(libc::posix_spawnattr_setsigmask(
                &raw mut attributes.0,
                &raw const inherited.mask,
            ))?;
            check(libc::posix_spawnattr_setflags(&raw mut attributes.0, flags))?;
            Ok(attributes)
        }
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, and not used any more.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}

/// How a command ended, and what it took, with those of its children that it waited for.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
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
///
/// # Errors
/// As wait4(2).
pub fn ended(command: Pid) -> io::Result<Option<Ended>> {
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
                return Ok(Some(Ended {
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
#[must_use]
pub fn has_children() -> bool {
    loop {
        // SAFETY: a null pointer says that the status is not wanted.
        match unsafe { libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG) } {
            0 => return true,
            -1 => return false,
            _ => {}
        }
    }
}

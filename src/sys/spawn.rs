//! Starting a command, and reaping it.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{Access, CWD};
use rustix::process::{Pid, Resource, Rlimit, WaitOptions, fchdir, setrlimit, wait, waitpid};

use crate::sys::mount_ns::PrivateMounts;
use crate::sys::older::may_access;
use crate::sys::signals::SignalQueue;
use crate::sys::start::InheritedSignals;

/// A command, with everything that execve(2) and the new process need.
#[derive(Debug)]
pub(crate) struct SpawnRequest<'a> {
    /// The program's path.
    pub path: &'a CStr,
    /// The arguments, beginning with the name of the program.
    pub args: &'a [CString],
    /// The environment, each variable as `NAME=value`.
    pub env: &'a [CString],
    /// The directory that the command runs in; by default the current one.
    pub dir: Option<BorrowedFd<'a>>,
    /// The descriptors to pass, each with its number in the command. They are duplicated in this
    /// order: no number may be that of a descriptor further down.
    pub descriptors: &'a [(BorrowedFd<'a>, c_int)],
    /// Mounts that only the command sees.
    pub mounts: Option<&'a PrivateMounts>,
    /// The limit on open files, where it is not that of tmpx.
    pub fd_limit: Option<Rlimit>,
}

/// Why a command could not be started.
#[derive(Debug)]
pub(crate) enum SpawnError {
    /// The new process could not create its mounts.
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
    /// Starts the command, with the signal mask and dispositions that tmpx inherited.
    ///
    /// Like vfork(2), this shares the memory of tmpx with the new process instead of copying it.
    /// `posix_spawn(3)` does too, but queries and sets each of the 64 signals. Creating mounts takes
    /// a process with its own memory, by fork(2).
    ///
    /// Calls `mounted` with the new process once it has its mounts, and before it can end.
    pub(crate) fn start(
        &self,
        signals: &SignalQueue,
        mounted: &mut dyn FnMut(Pid),
    ) -> Result<Pid, SpawnError> {
        if self.mounts.is_some() {
            return self.start_by_fork(signals, mounted);
        }
        self.start_in(libc::CLONE_VM, signals)
    }

    /// Starts the command in this memory (`CLONE_VM`), or in a copy of it (0).
    fn start_in(&self, memory: c_int, signals: &SignalQueue) -> Result<Pid, SpawnError> {
        let (args, mut env) = (pointers(self.args), pointers(self.env));
        let mut context = self.context(&args, &mut env, &signals.inherited);
        let mut stack: Vec<MaybeUninit<u128>> = Vec::with_capacity(STACK / size_of::<u128>());
        let top = stack.spare_capacity_mut().as_mut_ptr_range().end;
        // SAFETY: the new process runs `child_main` on its own stack, with a pointer to `context`.
        // CLONE_VFORK suspends this thread until the new process has called execve(2) or exited, so
        // both live long enough. Other threads run on; the new process touches nothing they use.
        let pid = unsafe {
            libc::clone(
                child_main,
                top.cast(),
                memory | libc::CLONE_VFORK | libc::SIGCHLD,
                (&raw mut context).cast(),
            )
        };
        if pid == -1 {
            return Err(io::Error::last_os_error().into());
        }
        let child = Pid::from_raw(pid);
        if !context.is_shared.load(Ordering::Relaxed) {
            context.error = self.foresee_error();
        }
        match (context.error, child) {
            (None, Some(child)) => Ok(child),
            (Some(err), Some(child)) => {
                let _ = waitpid(Some(child), WaitOptions::empty());
                Err(err.into())
            }
            (_, None) => Err(io::Error::other("clone(2) returned no process id").into()),
        }
    }

    /// Returns the error of execve(2), as far as it can be foreseen. qemu-user copies the memory, so that
    /// nobody learns the error of the new process.
    fn foresee_error(&self) -> Option<io::Error> {
        let dir = self.dir.unwrap_or(CWD);
        may_access(dir, self.path, Access::EXEC_OK).err().map(io::Error::from)
    }

    /// Returns the index of `LISTEN_PID` in the environment if it names tmpx. By `sd_listen_fds(3)`, only
    /// the process that it names uses the sockets, and they are meant for the command.
    fn listen_pid_index(&self) -> Option<usize> {
        self.env.iter().position(|variable| {
            let value = variable.to_bytes().strip_prefix(LISTEN_PID);
            value.is_some_and(|value| value == std::process::id().to_string().as_bytes())
        })
    }

    fn start_by_fork(
        &self,
        signals: &SignalQueue,
        mounted: &mut dyn FnMut(Pid),
    ) -> Result<Pid, SpawnError> {
        let (args, mut env) = (pointers(self.args), pointers(self.env));
        let mut context = self.context(&args, &mut env, &signals.inherited);
        let (mut reports, mut reporter) = io::pipe()?;
        let (gate, opener) = io::pipe()?;
        // SAFETY: the new process makes system calls and allocates no memory until it has called
        // execve(2) or exited.
        let pid = unsafe { libc::fork() };
        if pid == -1 {
            return Err(io::Error::last_os_error().into());
        }
        if pid == 0 {
            drop(opener);
            context.gate = Some((&reporter, &gate));
            let err = context.exec_child().err().and_then(|err| err.raw_os_error());
            let [a, b, c, d] = err.unwrap_or(libc::EIO).to_ne_bytes();
            let kind = if context.mounts_failed { MOUNTS_FAILED } else { EXEC_FAILED };
            let _ = reporter.write(&[kind, a, b, c, d]);
            // SAFETY: _exit runs nothing of this program.
            unsafe { libc::_exit(127) }
        }
        // Only the new process can write into the pipe now. execve(2) closes its end.
        drop(reporter);
        let child = Pid::from_raw(pid).ok_or_else(|| io::Error::other("fork(2) failed"))?;
        let mut report = || {
            let mut kind = [0];
            reports.read_exact(&mut kind).map(|()| kind[0]).ok()
        };
        let mut kind = report();
        if kind == Some(MOUNTED) {
            mounted(child);
            drop(opener);
            kind = report();
        }
        let Some(kind) = kind else { return Ok(child) };
        let mut code = [0; 4];
        let read = reports.read_exact(&mut code);
        let _ = waitpid(Some(child), WaitOptions::empty());
        read?;
        let err = io::Error::from_raw_os_error(i32::from_ne_bytes(code));
        let is_of_mounts = kind == MOUNTS_FAILED;
        Err(if is_of_mounts { SpawnError::PrivateMounts(err) } else { SpawnError::Exec(err) })
    }

    fn context<'a>(
        &'a self,
        args: &'a [*const c_char],
        env: &'a mut [*const c_char],
        signals: &'a InheritedSignals,
    ) -> ChildContext<'a> {
        ChildContext {
            request: self,
            args,
            env,
            signals,
            listen_pid_index: self.listen_pid_index(),
            listen_pid: [0; LISTEN_PID_SIZE],
            gate: None,
            mounts_failed: false,
            is_shared: AtomicBool::new(false),
            error: None,
        }
    }
}

/// Returns an array of C strings in the form that execve(2) expects.
fn pointers(words: &[CString]) -> Vec<*const c_char> {
    words.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect()
}

/// The stack of a new process until it calls execve(2), in bytes.
const STACK: usize = 64 * 1024;

/// The variable of socket activation, up to its value.
const LISTEN_PID: &[u8] = b"LISTEN_PID=";

/// The room for the variable with a value and its NUL.
const LISTEN_PID_SIZE: usize = LISTEN_PID.len() + 11;

/// The reports of a new process that has a memory of its own. Its error follows the last two.
const MOUNTED: u8 = 0;
const MOUNTS_FAILED: u8 = 1;
const EXEC_FAILED: u8 = 2;

/// What a new process needs until it calls execve(2).
struct ChildContext<'a> {
    request: &'a SpawnRequest<'a>,
    args: &'a [*const c_char],
    env: &'a mut [*const c_char],
    signals: &'a InheritedSignals,
    /// The variable that is to hold the id of the new process.
    listen_pid_index: Option<usize>,
    /// The text of that variable.
    listen_pid: [u8; LISTEN_PID_SIZE],
    /// Where it reports that it has its mounts, and the pipe that ends when it may go on.
    gate: Option<(&'a PipeWriter, &'a PipeReader)>,
    /// Whether a call failed that creates its mounts.
    mounts_failed: bool,
    /// Whether the new process has the same memory, as it should: it sets this at its start.
    is_shared: AtomicBool,
    /// Why execve(2), or a call before it, failed.
    error: Option<io::Error>,
}

/// The main function of a new process, which runs in the memory of its parent.
extern "C" fn child_main(context: *mut c_void) -> c_int {
    // SAFETY: `start` passes a pointer to a `ChildContext`, and does not use it until this process
    // has called execve(2) or exited.
    let context = unsafe { &mut *context.cast::<ChildContext<'_>>() };
    context.is_shared.store(true, Ordering::Relaxed);
    context.error = context.exec_child().err();
    127
}

impl ChildContext<'_> {
    /// Becomes the command. Allocates no memory. Returns only if a call fails.
    fn exec_child(&mut self) -> io::Result<()> {
        self.name_in_listen_pid();
        let SpawnRequest { path, dir, descriptors, mounts, fd_limit, .. } = self.request;
        if let Some(dir) = dir {
            fchdir(dir)?;
        }
        if let Some(mounts) = mounts {
            self.mounts_failed = true;
            mounts.create()?;
            self.mounts_failed = false;
        }
        // Before a number of a descriptor may become that of a pipe.
        if let Some((mut reporter, mut gate)) = self.gate {
            reporter.write_all(&[MOUNTED])?;
            let _ = gate.read(&mut [0])?;
        }
        for (fd, number) in *descriptors {
            duplicate_to(fd.as_raw_fd(), *number)?;
        }
        if let Some(limit) = *fd_limit {
            setrlimit(Resource::Nofile, limit)?;
        }
        self.signals.restore();
        // SAFETY: the path is a C string, and both arrays hold pointers to C strings and end with a
        // null pointer.
        unsafe { libc::execve(path.as_ptr(), self.args.as_ptr(), self.env.as_ptr()) };
        Err(io::Error::last_os_error())
    }
}

impl ChildContext<'_> {
    /// Makes `LISTEN_PID` name this process. Its id was unknown when the environment was built.
    fn name_in_listen_pid(&mut self) {
        let variable = self.listen_pid_index.and_then(|index| self.env.get_mut(index));
        let Some(variable) = variable else { return };
        let mut text = self.listen_pid.as_mut_slice();
        // SAFETY: getpid always succeeds. It asks the kernel: this process shares the memory of tmpx.
        let pid = unsafe { libc::getpid() };
        if text.write_all(LISTEN_PID).and_then(|()| write!(text, "{pid}\0")).is_ok() {
            *variable = self.listen_pid.as_ptr().cast();
        }
    }
}

/// Duplicates a descriptor to this number, which the command inherits.
fn duplicate_to(fd: c_int, number: c_int) -> io::Result<()> {
    // SAFETY: dup2 reads no memory. It closes what was open under `number`, but only in this process,
    // which calls execve(2) next and drops no values.
    match unsafe { libc::dup2(fd, number) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// How a command ended, and the resources that it and the children it waited for used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExitInfo {
    /// The exit status or signal.
    pub status: ExitStatus,
    /// Processor time in user mode.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// The peak memory of the largest of these processes, in bytes.
    pub peak_memory: u64,
}

/// Returns how a command ended, or `None` while it runs. Does not wait. Also reaps other children,
/// which this process has adopted.
pub(crate) fn reap(command: Pid) -> io::Result<Option<ExitInfo>> {
    loop {
        let mut status = 0;
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: both pointers are to live values, which the call fills.
        let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, usage.as_mut_ptr()) };
        match pid {
            0 => return Ok(None),
            -1 => return Err(io::Error::last_os_error()),
            pid if pid == command.as_raw_nonzero().get() => {
                // SAFETY: all zeroes is a valid rusage, and the call has filled it.
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

/// Whether one child has ended, and how; does not wait. Other children are left alone.
pub(crate) fn reap_one(child: Pid) -> io::Result<Option<ExitStatus>> {
    let reaped = waitpid(Some(child), WaitOptions::NOHANG)?;
    Ok(reaped.map(|(_, status)| ExitStatus::from_raw(status.as_raw())))
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

/// Whether this process has live children, including adopted ones. Reaps those that have ended.
pub(crate) fn has_children() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(path: &CStr, memory: c_int) -> Result<ExitStatus, SpawnError> {
        let request = SpawnRequest {
            path,
            args: &[path.to_owned()],
            env: &[],
            dir: None,
            descriptors: &[],
            mounts: None,
            fd_limit: None,
        };
        let signals = SignalQueue { inherited: InheritedSignals::usual() };
        let child = request.start_in(memory, &signals)?;
        let (_, status) = waitpid(Some(child), WaitOptions::empty()).unwrap().unwrap();
        Ok(ExitStatus::from_raw(status.as_raw()))
    }

    #[test]
    fn a_command_that_does_not_exist_is_reported_even_if_an_emulator_copies_the_memory() {
        for memory in [libc::CLONE_VM, 0] {
            assert!(start(c"/bin/true", memory).unwrap().success());
            for (path, expected) in
                [(c"/nodir/command", libc::ENOENT), (c"/etc/passwd", libc::EACCES)]
            {
                let Err(SpawnError::Exec(err)) = start(path, memory) else { panic!("{path:?}") };
                assert_eq!(err.raw_os_error(), Some(expected), "{path:?}");
            }
        }
    }
}

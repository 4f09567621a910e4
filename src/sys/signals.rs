//! Receiving and sending signals while a command runs.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::time::Duration;
use std::{io, ptr};

use rustix::process::Pid;

use crate::sys::signal_set::{REAL_TIME, SignalSet};
use crate::sys::start::InheritedSignals;

/// The signals of a process that waits for a command. They are blocked, and the process fetches them
/// one by one, so that no handler runs at an arbitrary moment.
#[derive(Debug)]
pub(crate) struct SignalQueue {
    pub(super) inherited: InheritedSignals,
}

/// A signal that this process received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReceivedSignal {
    /// Its number.
    pub signal: i32,
    /// Whether a process sent it. Signals of the terminal come from the kernel, which sends them to
    /// the command too.
    pub from_process: bool,
}

/// The signals that tmpx forwards to its command, besides the real-time signals: all that a process
/// may receive on purpose. Those of [`HELD`] are
/// queued only while a command runs. A real fault of tmpx still ends tmpx: the kernel
/// ignores the mask then.
const FORWARDED: &[c_int] = &[
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGXCPU,
    libc::SIGXFSZ,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGURG,
    libc::SIGWINCH,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGSEGV,
    libc::SIGSYS,
    // Some architectures do not have it.
    #[cfg(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64"))]
    libc::SIGSTKFLT,
];

/// The signals that stop a process, and that it can catch.
const STOPS: [c_int; 3] = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// The signals that concern tmpx itself until a command runs: they stop it and continue it, and it
/// ignores SIGPIPE from its start.
const HELD: [c_int; 5] =
    [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU, libc::SIGCONT, libc::SIGPIPE];

/// Signals whose default action does not end a process.
const HARMLESS: [c_int; 7] = [
    libc::SIGCHLD,
    libc::SIGURG,
    libc::SIGWINCH,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGCONT,
];

impl ReceivedSignal {
    /// Whether its default action is to stop a process.
    pub(crate) fn is_stop(self) -> bool {
        STOPS.contains(&self.signal)
    }
}

/// While this exists, the signals that stop and continue a process, and SIGPIPE, are queued too.
/// Threads must be started later, or a stop signal reaches them instead.
#[derive(Debug)]
pub(crate) struct HeldSignals {
    mask_before: SignalSet,
}

impl HeldSignals {
    /// Lets a stop signal have its default action on this process. Returns once the process is
    /// continued, and takes that signal from the queue. Returns `false` if the process did not stop:
    /// the kernel ignores such a signal where no job control could continue the process.
    #[allow(clippy::unused_self, reason = "the signals are held as long as it exists")]
    pub(crate) fn stop_by(&self, signal: c_int) -> bool {
        let set = SignalSet::of([signal]);
        let _ = send(signal, rustix::process::getpid());
        set.unblock();
        set.block();
        let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let set = SignalSet::of([libc::SIGCONT]);
        // SAFETY: the set and the time are live, and a null pointer asks for no details.
        unsafe { libc::sigtimedwait(set.as_ptr(), ptr::null_mut(), &raw const now) > 0 }
    }
}

impl Drop for HeldSignals {
    fn drop(&mut self) {
        self.mask_before.set_as_mask();
    }
}

impl SignalQueue {
    /// Blocks SIGCHLD and the signals to forward, so that they queue up.
    pub(crate) fn open(inherited: InheritedSignals) -> Self {
        SignalSet::of(queued().filter(|signal| !HELD.contains(signal))).block();
        Self { inherited }
    }

    /// Queues the signals that stop and continue this process, too.
    #[allow(clippy::unused_self, reason = "a queue without these is what they are added to")]
    pub(crate) fn hold_stops(&self) -> HeldSignals {
        HeldSignals { mask_before: SignalSet::of(HELD).block() }
    }

    /// Restores the signal mask. Queued signals take effect now.
    pub(crate) fn close(self) {
        self.inherited.mask.set_as_mask();
    }

    /// Returns a descriptor that is readable while a signal is queued, for a process that waits for
    /// descriptors too. [`wait`](Self::wait) takes the signal.
    #[allow(clippy::unused_self, reason = "signals are queued as long as it exists")]
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        let set = queued_set();
        // SAFETY: the pointer is to a live set; the call makes a new descriptor.
        match unsafe { libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) } {
            -1 => Err(io::Error::last_os_error()),
            // SAFETY: the call has just made it, and nothing else owns it.
            fd => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        }
    }

    /// Waits for the next signal, at most for `limit`. Returns `None` if none arrived, or if stopping
    /// and continuing this process interrupted the wait.
    #[expect(
        clippy::unused_self,
        reason = "only signals that a queue has blocked can be waited for"
    )]
    pub(crate) fn wait(&self, limit: Option<Duration>) -> Option<ReceivedSignal> {
        let set = queued_set();
        // The widths of the fields differ between architectures; each holds an i32.
        let limit = limit.map(|limit| libc::timespec {
            tv_sec: i32::try_from(limit.as_secs()).unwrap_or(i32::MAX).into(),
            tv_nsec: limit.subsec_nanos().cast_signed().into(),
        });
        let limit = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: each pointer is null or to a live value of the right type.
        let signal = unsafe { libc::sigtimedwait(set.as_ptr(), info.as_mut_ptr(), limit) };
        if signal <= 0 {
            return None;
        }
        // SAFETY: all zeroes is a valid siginfo_t, and the call has filled it.
        let info = unsafe { info.assume_init() };
        // A write(2) of this process caused these, and has returned the error.
        if matches!(signal, libc::SIGPIPE | libc::SIGXFSZ) {
            // SAFETY: kill(2) and a failing write(2) both fill this field.
            let sender = unsafe { info.si_pid() };
            if sender == rustix::process::getpid().as_raw_nonzero().get() {
                return None;
            }
        }
        Some(ReceivedSignal { signal, from_process: info.si_code <= 0 })
    }

    /// Returns the next queued signal that would have ended this process, if one has arrived.
    pub(crate) fn pending_termination(&self) -> Option<i32> {
        while let Some(ReceivedSignal { signal, .. }) = self.wait(Some(Duration::ZERO)) {
            if would_end_process(signal) {
                return Some(signal);
            }
        }
        None
    }
}

/// Whether a queued signal would have ended this process.
pub(crate) fn would_end_process(signal: i32) -> bool {
    !HARMLESS.contains(&signal) && !is_ignored(signal)
}

fn queued() -> impl Iterator<Item = c_int> {
    FORWARDED.iter().copied().chain([libc::SIGCHLD]).chain(HELD).chain(REAL_TIME)
}

fn queued_set() -> SignalSet {
    SignalSet::of(queued())
}

/// Whether this process ignores a signal. A blocked signal is queued even so.
pub(crate) fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null pointer sets no new action. All zeroes is a valid sigaction, and the call
    // overwrites it with one.
    let action = unsafe {
        libc::sigaction(signal, ptr::null(), action.as_mut_ptr());
        action.assume_init()
    };
    action.sa_sigaction == libc::SIG_IGN
}

/// Whether this process leads its session. rustix cannot tell: it takes no 0, and that is the id of
/// a session whose leader is in a PID namespace further out.
pub(crate) fn is_session_leader() -> bool {
    // SAFETY: getsid reads no memory.
    unsafe { libc::getsid(0) == libc::getpid() }
}

/// Returns the process group of another process, unless it is that of this one. rustix cannot tell: the id
/// of a group can be 0, too.
pub(crate) fn other_group(of: Pid) -> Option<Pid> {
    // SAFETY: getpgid reads no memory.
    let (group, ours) = unsafe { (libc::getpgid(of.as_raw_nonzero().get()), libc::getpgid(0)) };
    Pid::from_raw(group).filter(|_| group > 0 && group != ours)
}

/// Sends a signal to a process. rustix has no names for the real-time signals.
pub(crate) fn send(signal: i32, to: Pid) -> io::Result<()> {
    // SAFETY: kill reads no memory.
    match unsafe { libc::kill(to.as_raw_nonzero().get(), signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

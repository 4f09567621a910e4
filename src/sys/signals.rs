//! Signals of a process that waits for a command.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::time::Duration;
use std::{io, ptr};

use rustix::process::Pid;

use crate::sys::start::InheritedSignals;

/// The signals of a process that waits for a command: each is taken from a queue, none is handled
/// by a function that could run at any moment.
#[derive(Debug)]
pub(crate) struct SignalQueue {
    pub(super) inherited: InheritedSignals,
}

/// A signal that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReceivedSignal {
    /// Its number.
    pub signal: i32,
    /// Whether a process sent it. The terminal's signals come from the kernel, and reach the
    /// command without help.
    pub from_process: bool,
}

/// What is passed on to a command that tmpx runs, besides the real-time signals: all that a process
/// may be sent for a purpose. Not among them are faults, what stops and continues (job control is
/// for tmpx too), and SIGPIPE, which tmpx has ignored from the start.
const FORWARDED: [c_int; 15] = [
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
];

/// What does nothing unless it is handled.
const HARMLESS: [c_int; 3] = [libc::SIGCHLD, libc::SIGURG, libc::SIGWINCH];

impl SignalQueue {
    /// Queues SIGCHLD and the signals that are to be passed on, from now until the process ends.
    pub(crate) fn open(inherited: InheritedSignals) -> Self {
        let set = queued_set();
        // SAFETY: `set` is initialised; blocking signals touches no memory.
        unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) };
        Self { inherited }
    }

    /// Lets signals do again what they did before.
    pub(crate) fn close(self) {
        // SAFETY: the mask is one that sigprocmask itself returned; nothing is written back.
        unsafe {
            libc::sigprocmask(libc::SIG_SETMASK, &raw const self.inherited.mask, ptr::null_mut());
        }
    }

    /// Waits for the next signal, at most so long. `None` where none came, or the wait was cut
    /// short (by a stop and a continuation of this process).
    pub(crate) fn wait(&self, limit: Option<Duration>) -> Option<ReceivedSignal> {
        let set = queued_set();
        let limit = limit.map(|limit| libc::timespec {
            tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        });
        let limit = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: all pointers are null or to live, properly sized objects.
        let signal = unsafe { libc::sigtimedwait(&raw const set, info.as_mut_ptr(), limit) };
        if signal <= 0 {
            return None;
        }
        // SAFETY: all zeroes is a valid siginfo_t, and the call has filled it in.
        let info = unsafe { info.assume_init() };
        Some(ReceivedSignal { signal, from_process: info.si_code <= 0 })
    }

    /// The next signal that would have ended this process if it were not queued, if one has come
    /// already.
    pub(crate) fn pending_termination(&self) -> Option<i32> {
        while let Some(ReceivedSignal { signal, .. }) = self.wait(Some(Duration::ZERO)) {
            if !HARMLESS.contains(&signal) && !is_ignored(signal) {
                return Some(signal);
            }
        }
        None
    }
}

fn queued_set() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set before anything is added to it.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
        for signal in FORWARDED.into_iter().chain(libc::SIGRTMIN()..=libc::SIGRTMAX()) {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

/// Whether this process ignores a signal. One that is blocked is queued all the same.
pub(crate) fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null pointer changes nothing; all zeroes is a valid sigaction, and what the call
    // writes is one.
    let action = unsafe {
        libc::sigaction(signal, ptr::null(), action.as_mut_ptr());
        action.assume_init()
    };
    action.sa_sigaction == libc::SIG_IGN
}

/// Sends any signal, the real-time ones included, for which `rustix` has no names.
pub(crate) fn send(signal: i32, to: Pid) -> io::Result<()> {
    // SAFETY: takes two numbers.
    match unsafe { libc::kill(to.as_raw_nonzero().get(), signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

//! Signals of a process that waits for a command.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::Duration;

use super::InheritedSignals;

/// The signals of a process that waits for a command: each is taken from a queue, none is handled
/// by a function that could run at any moment.
#[derive(Debug)]
pub struct SignalQueue {
    pub(super) inherited: InheritedSignals,
}

/// A signal that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Its number.
    pub signal: i32,
    /// Whether a process sent it. The terminal's signals come from the kernel, and reach the
    /// command without help.
    pub from_process: bool,
}

/// What is passed on to a command that tmpx runs.
const FORWARDED: [c_int; 6] =
    [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1, libc::SIGUSR2];

impl SignalQueue {
    /// Queues SIGCHLD and the signals that are to be passed on, from now until the process ends.
    #[must_use]
    pub fn open(inherited: InheritedSignals) -> Self {
        let set = queued_set();
        // SAFETY: `set` is initialised; blocking signals touches no memory.
        unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) };
        Self { inherited }
    }

    /// Lets signals do again what they did before.
    pub fn close(self) {
        // SAFETY: the mask is one that sigprocmask itself returned; nothing is written back.
        unsafe {
            libc::sigprocmask(libc::SIG_SETMASK, &raw const self.inherited.mask, ptr::null_mut());
        }
    }

    /// Waits for the next signal, at most so long. `None` where none came, or the wait was cut
    /// short (by a stop and a continuation of this process).
    #[must_use]
    pub fn wait(&self, limit: Option<Duration>) -> Option<Arrived> {
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
        Some(Arrived { signal, from_process: info.si_code <= 0 })
    }

    /// The next signal that asks this process to end, if one has come already.
    #[must_use]
    pub fn wish_to_end(&self) -> Option<i32> {
        while let Some(arrived) = self.wait(Some(Duration::ZERO)) {
            if matches!(arrived.signal, libc::SIGHUP | libc::SIGINT | libc::SIGQUIT | libc::SIGTERM)
            {
                return Some(arrived.signal);
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
        for signal in FORWARDED {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

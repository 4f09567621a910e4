//! The start and the end of the process.
//!
//! tmpx defines its own `main` symbol (see [`entry_point!`](crate::entry_point)). Before Rust's
//! runtime calls `main`, it opens /dev/null over descriptors that the caller closed, and ignores
//! SIGPIPE. That hides two facts that tmpx must know, and costs 19 system calls.

use std::ffi::{CStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStringExt as _;

use crate::sys::signal_set::SignalSet;

/// Defines the process's `main`, which calls a `fn(Start)` whose result converts into an exit code or
/// a signal.
///
/// A macro, because the symbol belongs into the binary: in the library it would clash with the
/// `main` of every test that links it.
#[macro_export]
macro_rules! entry_point {
    ($run:path) => {
        #[unsafe(no_mangle)]
        extern "C" fn main(
            argc: ::std::ffi::c_int,
            argv: *const *const ::std::ffi::c_char,
        ) -> ::std::ffi::c_int {
            // SAFETY: the C runtime calls `main` once, with exactly these two values, before any
            // other thread runs.
            unsafe { $crate::enter(argc, argv, |start| $run(start).into()) }
        }
    };
}

/// What the process inherited, before tmpx changed any of it.
#[derive(Debug)]
pub struct Start {
    /// The arguments, beginning with the program's own name.
    pub args: Vec<OsString>,
    /// The signal state, which a command that tmpx runs must find unchanged.
    pub signals: InheritedSignals,
}

/// How the process is to end.
#[derive(Clone, Copy, Debug)]
pub struct Exit {
    /// The exit code.
    pub code: u8,
    /// A signal to die of instead. The code applies if that signal does not kill.
    pub signal: Option<i32>,
}

/// The exit code after a panic: that of env(1) and timeout(1) where they fail themselves, so it
/// masks no status of a command.
const PANIC_CODE: u8 = 125;

/// The signal state that the caller passed to tmpx.
#[derive(Clone, Copy)]
pub struct InheritedSignals {
    pub(super) mask: SignalSet,
    pipe: libc::sighandler_t,
    child: libc::sighandler_t,
}

impl std::fmt::Debug for InheritedSignals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InheritedSignals").finish_non_exhaustive()
    }
}

impl InheritedSignals {
    /// Whether the caller ignores SIGPIPE: writing to a closed pipe is an error then, and does not
    /// kill the writer.
    pub fn ignore_broken_pipes(&self) -> bool {
        self.pipe == libc::SIG_IGN
    }

    /// Returns the state that most programs get.
    #[cfg(test)]
    pub(super) fn usual() -> Self {
        Self { mask: SignalSet::of([]), pipe: libc::SIG_DFL, child: libc::SIG_DFL }
    }

    /// Restores this state in the current process. tmpx changes no other part of it.
    pub(crate) fn restore(&self) {
        set_disposition(libc::SIGPIPE, self.pipe);
        set_disposition(libc::SIGCHLD, self.child);
        self.mask.set_as_mask();
    }
}

/// Runs the program. Only [`entry_point!`](crate::entry_point) calls this.
///
/// # Safety
/// `argv` must point to `count` pointers to NUL-terminated strings, as for C's `main`, and no other
/// thread may run yet.
pub unsafe fn enter(count: c_int, argv: *const *const c_char, run: fn(Start) -> Exit) -> c_int {
    let arguments = (0..usize::try_from(count).unwrap_or(0))
        .map(|n| {
            // SAFETY: the caller promises `count` valid strings.
            let arg = unsafe { CStr::from_ptr(*argv.add(n)) };
            OsString::from_vec(arg.to_bytes().to_vec())
        })
        .collect();
    occupy_closed_standard_descriptors();
    let signals = InheritedSignals {
        // Beyond `ulimit -f`, a write must be an error too. The signal stays blocked and pending.
        mask: SignalSet::of([libc::SIGXFSZ]).block(),
        // A closed pipe must be an error, so that tmpx can remove the resource, and must not kill
        // tmpx halfway.
        pipe: set_disposition(libc::SIGPIPE, libc::SIG_IGN),
        child: set_disposition(libc::SIGCHLD, libc::SIG_DFL),
    };
    let exit = std::panic::catch_unwind(|| run(Start { args: arguments, signals }))
        .unwrap_or(Exit { code: PANIC_CODE, signal: None });
    if let Some(signal) = exit.signal {
        die_of(signal);
    }
    c_int::from(exit.code)
}

/// Opens a placeholder on each closed standard descriptor. Otherwise the first file that tmpx opens
/// would get that number, and tmpx would write to it as if it were stdout. Reading from the
/// placeholder of stdin fails, and so does writing to the other two, as it does on a closed
/// descriptor. The placeholders are closed in a command that tmpx runs.
fn occupy_closed_standard_descriptors() {
    let mut standard = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    // SAFETY: the three entries are live. One call tells that nothing is wrong with any of them.
    if unsafe { libc::poll(standard.as_mut_ptr(), 3, 0) } == 0 {
        return;
    }
    for fd in 0..3 {
        // SAFETY: F_GETFD reads no memory and changes nothing.
        let closed = unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1;
        if closed {
            let access = if fd == 0 { libc::O_WRONLY } else { libc::O_RDONLY };
            // SAFETY: the path is a C string. The call returns `fd`, the lowest free number, since
            // those below it are open. No value owns it: it stays open until the process ends.
            let opened = unsafe { libc::open(c"/dev/null".as_ptr(), access | libc::O_CLOEXEC) };
            if opened == -1 {
                // A chroot may lack it. The root directory can be neither read nor written.
                // SAFETY: as above.
                unsafe { libc::open(c"/".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
            }
        }
    }
}

fn set_disposition(signal: c_int, disposition: libc::sighandler_t) -> libc::sighandler_t {
    // SAFETY: the disposition is SIG_IGN, SIG_DFL or a value that signal(2) returned; tmpx has no
    // handlers.
    unsafe { libc::signal(signal, disposition) }
}

/// Dies of the signal that killed the command, so that the caller's shell sees the same death.
/// Leaves no core file: the command has left its own. Returns if the signal does not kill.
fn die_of(signal: c_int) {
    let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live local value. No other code runs in this process any more, so
    // the changes affect nothing.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core);
        // The kernel ignores the limit if it pipes core dumps to a program.
        libc::prctl(libc::PR_SET_DUMPABLE, 0);
        libc::signal(signal, libc::SIG_DFL);
    }
    SignalSet::of([signal]).unblock();
    // SAFETY: kill reads no memory.
    unsafe {
        // raise(3) refuses the signals that the C library reserves for itself.
        libc::kill(libc::getpid(), signal);
    }
}

//! The system calls that `rustix` lacks, and the process's first and last moments.
//!
//! This is, with its submodule, the only one with `unsafe` in it. Each function wraps one call (or one moment) and
//! keeps no state; each block says why it is sound. What is specific to Linux and not in
//! `process.rs` stands here too, so that another Unix has one place to fill in.
//!
//! tmpx brings its own `main` symbol (see [`entry_point!`](crate::entry_point)): Rust's runtime
//! opens /dev/null over descriptors that the caller closed and ignores SIGPIPE before `main` is
//! reached, which hides two things that tmpx has to know, and it costs 19 system calls.

use std::ffi::{CStr, OsString, c_char, c_int};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStringExt as _;
use std::ptr;

/// Defines the process's `main` and passes it to a `fn(Start)` whose result converts into
/// [`Exit`].
///
/// A macro, since the symbol must stand in the binary: in the library it would clash with the
/// `main` of every test that links it.
#[macro_export]
macro_rules! entry_point {
    ($run:path) => {
        #[unsafe(no_mangle)]
        extern "C" fn main(
            argc: ::std::ffi::c_int,
            argv: *const *const ::std::ffi::c_char,
        ) -> ::std::ffi::c_int {
            // SAFETY: the C runtime calls main with exactly these two values, once.
            unsafe { $crate::enter(argc, argv, |start| $run(start).into()) }
        }
    };
}

/// What the process was started with, as it was before tmpx changed any of it.
#[derive(Debug)]
pub struct Start {
    /// The arguments, the program's own name first.
    pub args: Vec<OsString>,
    /// What a command that tmpx runs must find unchanged.
    pub signals: InheritedSignals,
}

/// How the process ends.
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

/// The signal state that the caller gave to tmpx.
#[derive(Clone, Copy)]
pub struct InheritedSignals {
    pub(crate) mask: libc::sigset_t,
    pipe: libc::sighandler_t,
    child: libc::sighandler_t,
}

impl std::fmt::Debug for InheritedSignals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InheritedSignals").finish_non_exhaustive()
    }
}

impl InheritedSignals {
    /// Whether a reader that is gone is to be an error, and not the end.
    pub fn ignore_broken_pipes(&self) -> bool {
        self.pipe == libc::SIG_IGN
    }

    /// Makes it this process's again. What else tmpx was given it has not changed.
    pub(crate) fn restore(&self) {
        set_disposition(libc::SIGPIPE, self.pipe);
        set_disposition(libc::SIGCHLD, self.child);
        // SAFETY: the mask is one that sigprocmask itself returned; nothing is written back.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const self.mask, ptr::null_mut()) };
    }
}

/// Runs the program. Called by [`entry_point!`](crate::entry_point) and by nothing else.
///
/// # Safety
/// `argv` must point to `count` pointers to NUL-terminated strings, as C's `main` is given them, and
/// no other thread may run yet.
pub unsafe fn enter(count: c_int, argv: *const *const c_char, run: fn(Start) -> Exit) -> c_int {
    let words = (0..usize::try_from(count).unwrap_or(0))
        .map(|n| {
            // SAFETY: the caller promises `count` valid strings.
            let word = unsafe { CStr::from_ptr(*argv.add(n)) };
            OsString::from_vec(word.to_bytes().to_vec())
        })
        .collect();
    occupy_closed_standard_descriptors();
    let signals = InheritedSignals {
        mask: current_mask(),
        // A reader that is gone must be an error that can be acted on (the resource goes), not a
        // death in the middle.
        pipe: set_disposition(libc::SIGPIPE, libc::SIG_IGN),
        child: set_disposition(libc::SIGCHLD, libc::SIG_DFL),
    };
    let exit = std::panic::catch_unwind(|| run(Start { args: words, signals }))
        .unwrap_or(Exit { code: PANIC_CODE, signal: None });
    if let Some(signal) = exit.signal {
        die_of(signal);
    }
    c_int::from(exit.code)
}

/// Puts something that fails over each closed standard descriptor, else the first file that tmpx
/// opens would land there and be written to as if it were stdout. Reading fails on what stands in
/// for stdin and writing on the others, as it would have on the closed one, and a command that is
/// run finds it closed again.
fn occupy_closed_standard_descriptors() {
    for fd in 0..3 {
        // SAFETY: F_GETFD takes no pointer and changes nothing.
        let closed = unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1;
        if closed {
            let access = if fd == 0 { libc::O_WRONLY } else { libc::O_RDONLY };
            // SAFETY: the path is a C string; the lowest free descriptor is `fd`, since those
            // below it are open, and it is meant to stay open until the process ends.
            unsafe { libc::open(c"/dev/null".as_ptr(), access | libc::O_CLOEXEC) };
        }
    }
}

fn current_mask() -> libc::sigset_t {
    let mut mask = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set that sigprocmask then overwrites; a null new set
    // changes nothing.
    unsafe {
        libc::sigemptyset(mask.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, ptr::null(), mask.as_mut_ptr());
        mask.assume_init()
    }
}

fn set_disposition(signal: c_int, disposition: libc::sighandler_t) -> libc::sighandler_t {
    // SAFETY: SIG_IGN, SIG_DFL or a value that signal(2) itself returned; no handler of ours.
    unsafe { libc::signal(signal, disposition) }
}

/// Dies of a signal, as the command did that was run, so that the caller's shell sees the same
/// death. Leaves no core file: the command has left its own. Returns where the signal is one that
/// does not kill.
fn die_of(signal: c_int) {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: plain calls on values of our own; nothing else runs in this process any more.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        // A program that is piped cores heeds no limit.
        libc::prctl(libc::PR_SET_DUMPABLE, 0);
        libc::signal(signal, libc::SIG_DFL);
        let mut set = MaybeUninit::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut());
        // Not raise(3), which refuses the signals that the C library uses itself.
        libc::kill(libc::getpid(), signal);
    }
}

//! The system calls that `rustix` lacks, and the process's first and last moments.
//!
//! This is, with its submodule, the only one with `unsafe` in it. Each function wraps one call (or one moment) and
//! keeps no state; each block says why it is sound. What is specific to Linux and not in
//! `process.rs` stands here too, so that another Unix has one place to fill in.
//!
//! tmpx brings its own `main` symbol (see [`entry_point!`](crate::entry_point)): Rust's runtime
//! opens /dev/null over descriptors that the caller closed and ignores SIGPIPE before `main` is
//! reached, which hides two things that tmpx has to know, and it costs 19 system calls.

use std::ffi::{CStr, OsString, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::{io, ptr};

pub(crate) use crate::sys::mount_ns::PrivateMounts;
pub(crate) use crate::sys::signals::{Arrived, SignalQueue, is_ignored, send};
pub(crate) use crate::sys::spawn::{CouldNotPrepare, Ended, Launch, ended, has_children};
use crate::values::error::Status;

/// Defines the process's `main` and gives it over to a `fn(Start) -> Status`.
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
            unsafe { $crate::enter(argc, argv, $run) }
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
pub unsafe fn enter(count: c_int, argv: *const *const c_char, run: fn(Start) -> Status) -> c_int {
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
    let status =
        std::panic::catch_unwind(|| run(Start { args: words, signals })).unwrap_or(Status::Broken);
    if let Status::Signal(number) = status {
        die_of(number);
    }
    c_int::from(status.code())
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

fn whole_file_lock(kind: c_int) -> libc::flock {
    // SAFETY: flock is a C struct of integers, for which all zeroes is valid. Zero is also what is
    // wanted for l_start, l_len (to the end, wherever that is) and l_pid (the OFD calls want 0).
    let mut lock: libc::flock = unsafe { MaybeUninit::zeroed().assume_init() };
    #[allow(clippy::cast_possible_truncation, reason = "small constants of the C interface")]
    {
        lock.l_type = kind as _;
        lock.l_whence = libc::SEEK_SET as _;
    }
    lock
}

/// Takes the exclusive lock on the open file description behind `fd`: it belongs to whoever holds
/// a copy of the descriptor, and is gone when the last copy is closed. `false` where somebody
/// else has it.
pub(crate) fn try_lock(fd: BorrowedFd<'_>) -> io::Result<bool> {
    match set_lock(fd, libc::F_WRLCK) {
        Ok(()) => Ok(true),
        Err(err) if matches!(err.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(err) => Err(err),
    }
}

/// Takes a lock that others may have too, in place of the exclusive one where `fd` has that. It
/// needs no more than reading, and keeps off whoever wants the exclusive one.
pub(crate) fn share_lock(fd: BorrowedFd<'_>) -> io::Result<()> {
    set_lock(fd, libc::F_RDLCK)
}

fn set_lock(fd: BorrowedFd<'_>, kind: c_int) -> io::Result<()> {
    let lock = whole_file_lock(kind);
    // SAFETY: `lock` lives through the call and F_OFD_SETLK only reads it.
    let done = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether somebody else holds the lock that [`try_lock`] takes. Only looks: a probe that took the
/// lock for a moment would make a cleaner that comes by in that moment pass the lease over.
pub(crate) fn is_locked(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut lock = whole_file_lock(libc::F_WRLCK);
    // SAFETY: `lock` lives through the call, which writes the answer into it.
    let done = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

/// Copies a descriptor to one of at least `min`, which commands that are run inherit.
pub(crate) fn duplicate_inheritable(fd: BorrowedFd<'_>, min: i32) -> io::Result<OwnedFd> {
    let copy = rustix::io::fcntl_dupfd_cloexec(fd, min)?;
    rustix::io::fcntl_setfd(&copy, rustix::io::FdFlags::empty())?;
    Ok(copy)
}

/// Closes all descriptors from `first` on, of which nothing in this process knows.
pub(crate) fn close_from(first: u32) {
    /// `close_range(2)`, by number: the same on all architectures.
    const SYS_CLOSE_RANGE: libc::c_long = 436;
    // SAFETY: called before this process has opened anything of its own, so no owner of a
    // descriptor loses it.
    let done = unsafe { libc::syscall(SYS_CLOSE_RANGE, first, u32::MAX, 0) };
    if done == -1 {
        // Before Linux 5.9, one by one, up to what a process may usually have.
        for fd in first..1024 {
            // SAFETY: the same; a number that stands for nothing is an error and no more.
            unsafe { libc::close(c_int::try_from(fd).unwrap_or(c_int::MAX)) };
        }
    }
}

/// The largest handle that the kernel makes, in bytes (`MAX_HANDLE_SZ`).
const MAX_HANDLE: usize = 128;

#[repr(C)]
struct HandleBuffer {
    bytes: u32,
    kind: i32,
    data: [u8; MAX_HANDLE],
}

/// A file handle, which names a file on its filesystem for as long as the file exists and never
/// again after it: inode numbers are used again, handles carry a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle {
    /// The filesystem's kind of handle.
    pub kind: i32,
    /// What the filesystem put into it.
    pub data: Vec<u8>,
}

/// The handle of `name` in `dir`, or of `dir` itself where `name` is empty. A symlink is not
/// followed.
pub(crate) fn handle_at(dir: impl AsFd, name: &CStr) -> io::Result<Handle> {
    let mut buffer = HandleBuffer {
        bytes: u32::try_from(MAX_HANDLE).unwrap_or(u32::MAX),
        kind: 0,
        data: [0; MAX_HANDLE],
    };
    let mut mount_id: c_int = 0;
    let flags = if name.is_empty() { libc::AT_EMPTY_PATH } else { 0 };
    // SAFETY: HandleBuffer has the layout of struct file_handle with room for the number of bytes
    // it announces; all pointers are to live objects.
    let done = unsafe {
        libc::name_to_handle_at(
            dir.as_fd().as_raw_fd(),
            name.as_ptr(),
            (&raw mut buffer).cast::<libc::file_handle>(),
            &raw mut mount_id,
            flags,
        )
    };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    let length = usize::try_from(buffer.bytes).unwrap_or(MAX_HANDLE).min(MAX_HANDLE);
    Ok(Handle { kind: buffer.kind, data: buffer.data[..length].to_vec() })
}

/// The character set of the user's locale.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocaleCharset {
    utf8: bool,
}

unsafe extern "C" {
    /// iswprint(3), which the libc crate does not declare.
    fn iswprint(character: libc::c_uint) -> c_int;
}

impl LocaleCharset {
    /// That of the locale which the environment names; ASCII where the system lacks that locale.
    /// Costs as much as all else that a short command does, so only messages ask for it.
    pub(crate) fn of_the_environment() -> Self {
        // SAFETY: the empty string is a C string, and tmpx has one thread, so nobody reads the
        // locale while it changes. What nl_langinfo returns is a C string that stays as it is until
        // the locale changes again.
        let utf8 = unsafe {
            libc::setlocale(libc::LC_ALL, c"".as_ptr());
            CStr::from_ptr(libc::nl_langinfo(libc::CODESET)) == c"UTF-8"
        };
        Self { utf8 }
    }

    /// Whether it is UTF-8.
    pub(crate) fn is_utf8(self) -> bool {
        self.utf8
    }

    /// Whether a character can be shown: a code point in UTF-8, else a byte.
    pub(crate) fn prints(self, code: u32) -> bool {
        let printable = match u8::try_from(code) {
            // SAFETY: isprint takes any number that fits a byte.
            Ok(byte) if !self.utf8 => unsafe { libc::isprint(byte.into()) },
            // SAFETY: iswprint takes any number.
            _ => unsafe { iswprint(code) },
        };
        printable != 0
    }
}

/// Gives the calling thread a working directory, umask and root of its own, which begin as the
/// process's, so that fchdir(2) is nobody else's concern.
pub(crate) fn own_working_directory() -> io::Result<()> {
    // SAFETY: the descriptors, which safe code relies on all threads having, stay shared.
    Ok(unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::FS) }?)
}

/// `fchmodat2(2)`, by number: since Linux 5.1 new calls have the same one on all architectures that
/// Rust has tier 1 or 2 for.
const SYS_FCHMODAT2: libc::c_long = 452;

/// Sets the mode of what an `O_PATH` descriptor stands for, which fchmod(2) refuses to do. Kernels
/// before 6.6 have no call for it; there the descriptor's entry in /proc serves.
pub(crate) fn chmod_path_fd(fd: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    // SAFETY: the empty string is a C string; the call reads nothing else.
    let done = unsafe {
        libc::syscall(
            SYS_FCHMODAT2,
            fd.as_raw_fd(),
            c"".as_ptr().cast::<c_void>(),
            mode,
            libc::AT_EMPTY_PATH,
        )
    };
    if done == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        // Some sandboxes answer with EPERM to what they do not know.
        err if matches!(err.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
            let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
            // That there is no /proc says nothing of the file.
            rustix::fs::chmod(path, rustix::fs::Mode::from_raw_mode(mode)).map_err(|_| err)
        }
        err => Err(err),
    }
}

//! Programs that run as on a kernel, or in a sandbox, that does not know some system calls.

use std::process::Command;

use crate::support::sandbox::{Run, Sandbox};

/// `fchmodat2(2)`, since Linux 6.6. The number is the same on all architectures.
pub(crate) const FCHMODAT2: i64 = 452;

/// Calls that Linux 4.18 lacks.
pub(crate) const SINCE_4_18: &[(&str, i64)] = &[
    ("clone3", libc::SYS_clone3),
    ("close_range", libc::SYS_close_range),
    ("faccessat2", libc::SYS_faccessat2),
    ("fchmodat2", FCHMODAT2),
    ("openat2", libc::SYS_openat2),
    ("pidfd_open", libc::SYS_pidfd_open),
    ("pidfd_send_signal", libc::SYS_pidfd_send_signal),
];

/// Calls that still older kernels lack, or that sandboxes do not allow.
pub(crate) const OLDER: &[(&str, i64)] = &[
    ("copy_file_range", libc::SYS_copy_file_range),
    ("getrandom", libc::SYS_getrandom),
    ("memfd_create", libc::SYS_memfd_create),
    ("name_to_handle_at", libc::SYS_name_to_handle_at),
    ("prctl", libc::SYS_prctl),
    ("prlimit64", libc::SYS_prlimit64),
    ("renameat2", libc::SYS_renameat2),
    ("sendfile", libc::SYS_sendfile),
    ("splice", libc::SYS_splice),
    ("statx", libc::SYS_statx),
    ("timerfd_create", libc::SYS_timerfd_create),
];

/// What a system answers to a call that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// `ENOSYS`, as an old kernel does.
    NotImplemented,
    /// `EPERM`, as some sandboxes do.
    NotPermitted,
}

/// A Python script that installs a filter for system calls and then runs a command. Its arguments are
/// the number of the error, the numbers of the calls, separated by commas, and the command.
/// `CALL@N&FLAGS` is a call whose argument N has one of these flags. The first argument is 0. Error 0
/// makes the call a fault of the caller: the kernel sends it SIGSYS.
const FILTER: &str = r"
import ctypes, os, struct, sys
error, calls, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
action = 0x50000 | error if error else 0x30000
code = [(0x20, 0, 0, 0)]
for call in calls.split(',') if calls else []:
    call, _, flags = call.partition('&')
    call, _, n = call.partition('@')
    if flags:
        code += [(0x15, 0, 3, int(call)), (0x20, 0, 0, 16 + 8 * int(n)), (0x45, 0, 1, int(flags))]
        code += [(6, 0, 0, action), (0x20, 0, 0, 0)]
    else:
        code += [(0x15, 0, 1, int(call)), (6, 0, 0, action)]
code += [(6, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *step) for step in code))
steps = (len(code) - 1) // 8
program = ctypes.create_string_buffer(struct.pack('@HP', steps, ctypes.addressof(code)))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program) == 0
os.execvp(command[0], command)
";

/// Returns a line for the beginning of a shell script, after which `filter ERROR CALLS COMMAND` runs a
/// command under the filter.
pub(crate) fn shell_function(sandbox: &Sandbox) -> String {
    let path = sandbox.root().join("filter.py");
    std::fs::write(&path, FILTER).unwrap();
    format!("filter() {{ python3 {} \"$@\"; }}; ", path.display())
}

/// Prepares a run of a command, and of all that it starts, without some system calls.
pub(crate) fn without<'a>(
    sandbox: &'a Sandbox,
    calls: &[i64],
    answer: Answer,
    words: &[&str],
) -> Run<'a> {
    let error = match answer {
        Answer::NotImplemented => libc::ENOSYS,
        Answer::NotPermitted => libc::EPERM,
    };
    filtered(sandbox, error, &listed(calls.iter().copied()), words)
}

/// What a filesystem or a system lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    Nothing,
    /// Unnamed files (`O_TMPFILE`).
    UnnamedFiles,
    /// Renames that refuse to replace, and exchange (`renameat2` with flags).
    RenameFlags,
    /// All of these, and hard links, as exFAT by FUSE.
    Fat,
    /// Links, as for the apps of Android.
    Links,
    /// All calls of [`SINCE_4_18`] and [`OLDER`].
    NewerCalls,
    /// What gVisor lacks: unnamed files, and many calls.
    GvisorCalls,
}

/// Calls that gVisor lacks, or has lacked for a long time.
const NOT_IN_GVISOR: [i64; 11] = [
    libc::SYS_clone3,
    libc::SYS_close_range,
    libc::SYS_copy_file_range,
    libc::SYS_faccessat2,
    FCHMODAT2,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_openat2,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_renameat2,
];

fn open_unnamed() -> String {
    let flag = libc::O_TMPFILE & !libc::O_DIRECTORY;
    let calls = format!("{}@2&{flag}", libc::SYS_openat);
    #[cfg(target_arch = "x86_64")]
    let calls = format!("{calls},{}@1&{flag}", libc::SYS_open);
    calls
}

fn listed(calls: impl IntoIterator<Item = i64>) -> String {
    calls.into_iter().map(|call| call.to_string()).collect::<Vec<_>>().join(",")
}

/// Returns a command that runs another one as where something lacks.
pub(crate) fn lacking(lack: Lack, program: &str) -> Command {
    let flags = format!("{}@4&7", libc::SYS_renameat2);
    let (error, calls) = match lack {
        Lack::Nothing => return Command::new(program),
        Lack::UnnamedFiles => (libc::EOPNOTSUPP, open_unnamed()),
        Lack::RenameFlags => (libc::EINVAL, flags),
        Lack::Fat => {
            // FUSE refuses a link so, where its filesystem has none. One filter has one error.
            let links = format!("{flags},{}", libc::SYS_linkat);
            let mut command = filter(libc::EOPNOTSUPP, &open_unnamed(), "python3");
            command.args(["-c", FILTER, &libc::EPERM.to_string(), &links, program]);
            return command;
        }
        Lack::Links => (libc::EPERM, listed([libc::SYS_linkat])),
        Lack::NewerCalls => {
            let calls = SINCE_4_18.iter().chain(OLDER).map(|(_, call)| *call);
            (libc::ENOSYS, listed(calls))
        }
        Lack::GvisorCalls => {
            (libc::ENOSYS, format!("{},{}", listed(NOT_IN_GVISOR), open_unnamed()))
        }
    };
    filter(error, &calls, program)
}

/// Prepares a run of a command as on filesystems that have no unnamed files.
pub(crate) fn without_unnamed_files<'a>(sandbox: &'a Sandbox, words: &[&str]) -> Run<'a> {
    let mut command = lacking(Lack::UnnamedFiles, words[0]);
    command.args(&words[1..]);
    sandbox.command(command)
}

/// Prepares a run of a command in which this call is a fault.
pub(crate) fn with_fault<'a>(sandbox: &'a Sandbox, call: i64, words: &[&str]) -> Run<'a> {
    filtered(sandbox, 0, &call.to_string(), words)
}

/// Puts the filter into the sandbox, for scripts. Returns a command line that takes the arguments.
pub(crate) fn filter_in(sandbox: &Sandbox) -> String {
    let path = sandbox.bin().join("filter");
    std::fs::write(&path, FILTER).unwrap();
    format!("python3 {}", path.display())
}

fn filtered<'a>(sandbox: &'a Sandbox, error: i32, calls: &str, words: &[&str]) -> Run<'a> {
    let mut command = filter(error, calls, words[0]);
    command.args(&words[1..]);
    sandbox.command(command)
}

fn filter(error: i32, calls: &str, program: &str) -> Command {
    let mut command = Command::new("python3");
    command.args(["-c", FILTER, &error.to_string(), calls, program]);
    command
}

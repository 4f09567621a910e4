//! Finding processes: the caller, ancestors, children, and who works in a directory.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::process::Pid;

use crate::os::namespaces::Mounts;
use crate::os::process::Process;
use crate::os::procfs::{Stat, pids, read_small, shows_our_namespace};
use crate::os::user::effective_user;

/// Whether process numbers mean the same in /proc as to this process.
pub(crate) fn are_visible() -> bool {
    shows_our_namespace()
}

/// Returns this process, as far as /proc shows it.
pub(crate) fn this() -> Option<Process> {
    if shows_our_namespace() { Process::find(std::process::id()) } else { None }
}

/// Returns the parent of this process, its parent, and so on. Returns none if /proc shows another PID
/// namespace, where the ids of our ancestors belong to other processes.
pub(crate) fn ancestors() -> impl Iterator<Item = Process> {
    let find = |pid: u32| if pid == 0 { None } else { Some((pid, Stat::read(pid)?)) };
    let parent = parent_pid().filter(|_| shows_our_namespace()).and_then(find);
    std::iter::successors(parent, move |(_, stat)| find(stat.parent))
        .map(|(pid, stat)| Process { pid, start: stat.start })
}

/// Returns the script that called tmpx.
///
/// This is not always the parent: in `$(tmpx … | cat)`, `$(f)` and the like the parent is a subshell
/// that exits at once, and under timeout(1) or xargs(1) it is that tool. So from the parent upwards
/// this first skips wrappers (processes whose argument list ends with `args`, our own). Then it
/// skips forks that never called execve(2) (`PF_FORKNOEXEC`, which bash, dash, zsh and busybox ash
/// leave on their subshells), unless they lead a session.
pub(crate) fn caller(args: &[OsString]) -> Option<Process> {
    let mut pid = parent_pid()?;
    let mut stat = Stat::read(pid)?;
    while stat.parent != 0 && has_args_ending_with(pid, args) {
        pid = stat.parent;
        stat = Stat::read(pid)?;
    }
    above_subshells(pid, stat)
}

/// Returns the script behind a caller that is our neighbor in a pipeline.
///
/// yash and ksh93 run the last command of a pipeline in the subshell that has started the others. So
/// in `f=$(tmpx … | tee log | cat)` the parent of tmpx is `cat`, which ends at once. What tmpx writes
/// arrives at its standard input, through other children of it. Returns `None` if that cannot be told.
pub(crate) fn beyond_pipeline(caller: Process) -> Option<Process> {
    // ksh93 also connects commands by sockets, whose ends do not show that they belong together.
    let is_socket =
        |path: &str| std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket("/proc/self/fd/1") && is_socket(&format!("/proc/{}/fd/0", caller.pid)) {
        return None;
    }
    let Ok(Some(output)) = pipe_of("/proc/self/fd/1") else { return Some(caller) };
    let mut script = caller;
    loop {
        let stat = Stat::read(script.pid)?;
        let input = match pipe_of(format!("/proc/{}/fd/0", script.pid)) {
            Ok(Some(input)) if stat.parent != 0 => input,
            // A set-user-ID program that a process of ours has become, and not the script of another user.
            Err(Hidden) if is_ours(stat.parent) => return None,
            _ => return Some(script),
        };
        match flow_through_children(script.pid, output, input) {
            Flow::Arrives => script = above_subshells(stat.parent, Stat::read(stat.parent)?)?,
            Flow::Ends => return Some(script),
            Flow::Hidden => return None,
        }
    }
}

/// This process may not look at the descriptors of another one.
struct Hidden;

/// Returns the device and inode of a pipe that is open under a path of /proc.
fn pipe_of(path: impl AsRef<Path>) -> Result<Option<(u64, u64)>, Hidden> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.file_type().is_fifo() => {
            Ok(Some((metadata.dev(), metadata.ino())))
        }
        Err(err) if err.kind() == std::io::ErrorKind::PermissionDenied => Err(Hidden),
        _ => Ok(None),
    }
}

/// Whether a process reads what its children pass on.
enum Flow {
    /// It does.
    Arrives,
    /// It does not.
    Ends,
    /// Perhaps it does: a child hides its descriptors.
    Hidden,
}

/// Follows what is written to the pipe `from` through the children of a process, to its input `to`.
fn flow_through_children(pid: u32, from: (u64, u64), to: (u64, u64)) -> Flow {
    if from == to {
        return Flow::Arrives;
    }
    let children = pids()
        .filter_map(|child| Some((child, Stat::read(child)?)))
        .filter(|(_, stat)| stat.parent == pid);
    let (mut links, mut is_hidden) = (Vec::new(), false);
    for (child, stat) in children {
        match Link::of_process(child, stat) {
            Ok(link) => links.extend(link),
            Err(Hidden) => is_hidden = true,
        }
    }
    let mut reached = vec![from];
    let is_next =
        |link: &Link, reached: &[_]| link.inputs.iter().any(|pipe| reached.contains(pipe));
    while let Some(next) = links.iter().position(|link| is_next(link, &reached)) {
        reached.extend(links.swap_remove(next).outputs);
    }
    match (reached.contains(&to), is_hidden) {
        (true, _) => Flow::Arrives,
        (false, false) => Flow::Ends,
        (false, true) => Flow::Hidden,
    }
}

/// The pipes that a process reads from and writes to.
struct Link {
    inputs: Vec<(u64, u64)>,
    outputs: Vec<(u64, u64)>,
}

impl Link {
    /// Finds the pipes of a process. One that has called execve(2) has them as its standard input and output.
    /// A fork that has not may still hold them under other numbers, until it moves them there.
    fn of_process(pid: u32, stat: Stat) -> Result<Option<Self>, Hidden> {
        let dir = format!("/proc/{pid}/fd");
        if !stat.never_called_exec() {
            let (input, output) = (pipe_of(format!("{dir}/0"))?, pipe_of(format!("{dir}/1"))?);
            let link = |(input, output)| Self { inputs: vec![input], outputs: vec![output] };
            return Ok(input.zip(output).map(link));
        }
        let mut link = Self { inputs: Vec::new(), outputs: Vec::new() };
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        // Pipes move to lower numbers. Meanwhile, whoever looks at these last meets each pipe.
        paths.reverse();
        for path in paths {
            let Some(pipe) = pipe_of(&path)? else { continue };
            // The mode of the link tells how the descriptor was opened (`proc_pid_fd(5)`).
            let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
            let is_input = metadata.mode() & 0o400 != 0;
            if is_input { link.inputs.push(pipe) } else { link.outputs.push(pipe) }
        }
        Ok(Some(link))
    }
}

fn above_subshells(mut pid: u32, mut stat: Stat) -> Option<Process> {
    while stat.parent != 0 && stat.never_called_exec() && stat.session != pid {
        pid = stat.parent;
        stat = Stat::read(pid)?;
    }
    Some(Process { pid, start: stat.start })
}

fn parent_pid() -> Option<u32> {
    rustix::process::getppid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok())
}

/// Whether an ancestor was started with these words after its name.
pub(crate) fn has_ancestor_with_args(words: &[&str]) -> bool {
    let wanted: String = words.iter().flat_map(|word| [word, "\0"]).collect();
    ancestors().any(|process| {
        let path = format!("/proc/{}/cmdline", process.pid);
        let mut buffer = [0; CMDLINE];
        let after_name = read_small(&path, &mut buffer).and_then(|line| {
            let end = line.iter().position(|&byte| byte == 0)?;
            line.get(end + 1..)
        });
        after_name.is_some_and(|words| words.starts_with(wanted.as_bytes()))
    })
}

/// How much of an argument list is read at first, in bytes; a longer list is then read completely.
const CMDLINE: usize = 1024;

fn has_args_ending_with(pid: u32, args: &[OsString]) -> bool {
    let mut ours = Vec::with_capacity(256);
    for arg in args {
        ours.extend_from_slice(arg.as_bytes());
        ours.push(0);
    }
    let path = format!("/proc/{pid}/cmdline");
    match read_small(&path, &mut [0; CMDLINE]) {
        Some(theirs) if theirs.len() < CMDLINE => theirs.ends_with(&ours),
        Some(_) => std::fs::read(path).is_ok_and(|theirs| theirs.ends_with(&ours)),
        None => false,
    }
}

/// Finds another process whose working directory is `dir` or lies below it, if tmpx may read its
/// link. `dir` must be a real path.
pub(crate) fn with_cwd_in(dir: &Path) -> Option<u32> {
    pids().find(|&pid| {
        std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(dir))
            && pid != std::process::id()
    })
}

/// Returns what a process sees at its paths, if that is known.
pub(crate) fn mounts(pid: Pid) -> Option<Mounts> {
    if !shows_our_namespace() {
        return None;
    }
    let mounts = Mounts::of_process(&format!("/proc/{}", pid.as_raw_nonzero()));
    mounts.are_known().then_some(mounts)
}

/// Returns the ids of this process's children, in ascending order.
pub(crate) fn children() -> Vec<u32> {
    let us = std::process::id();
    let mut children: Vec<u32> =
        our_pids().filter(|&pid| Stat::read(pid).is_some_and(|stat| stat.parent == us)).collect();
    children.sort_unstable();
    children
}

/// Returns the descendants of this process that are in its session. A process that started a session
/// of its own has detached itself.
/// Those in `earlier`, and what they have started, do not count.
pub(crate) fn descendants(earlier: &[Process]) -> Vec<Process> {
    let us = std::process::id();
    let Some(Stat { session, .. }) = Stat::read(us) else { return Vec::new() };
    let family = family(&[us], earlier).into_iter();
    family.filter(|(_, theirs)| *theirs == session).map(|(process, _)| process).collect()
}

/// Returns the descendants of this process in all sessions.
pub(crate) fn all_descendants() -> Vec<Process> {
    family(&[std::process::id()], &[]).into_iter().map(|(process, _)| process).collect()
}

/// Returns the descendants of processes that are in this process's session.
pub(crate) fn descendants_of(ancestors: &[u32]) -> Vec<Process> {
    let Some(Stat { session, .. }) = Stat::read(std::process::id()) else { return Vec::new() };
    let family = family(ancestors, &[]).into_iter();
    family.filter(|(_, theirs)| *theirs == session).map(|(process, _)| process).collect()
}

/// Returns the ids of all processes, and none if /proc shows another PID namespace: what has an id there
/// must not get a signal here.
fn our_pids() -> impl Iterator<Item = u32> {
    shows_our_namespace().then(pids).into_iter().flatten()
}

/// Returns the descendants of processes with their sessions, without those in `except` and theirs.
fn family(ancestors: &[u32], except: &[Process]) -> Vec<(Process, u32)> {
    let all: Vec<(Process, Stat)> = our_pids()
        .filter_map(|pid| Stat::read(pid).map(|stat| (Process { pid, start: stat.start }, stat)))
        .filter(|(process, _)| !except.contains(process))
        .collect();
    let mut found: Vec<(Process, u32)> = Vec::new();
    let mut pending = ancestors.to_vec();
    while let Some(parent) = pending.pop() {
        for (process, stat) in all.iter().filter(|(_, stat)| stat.parent == parent) {
            found.push((*process, stat.session));
            pending.push(process.pid);
        }
    }
    found
}

/// Whether a process neither handles, ignores nor blocks a signal, so that its default action applies
/// (`proc_pid_status(5)`).
pub(crate) fn leaves_to_default(pid: Pid, signal: i32) -> Option<bool> {
    if !shows_our_namespace() {
        return None;
    }
    let status = std::fs::read(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
    let bit = 1_u64.checked_shl(u32::try_from(signal - 1).ok()?)?;
    let is_in = |name: &[u8]| {
        let line = status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(name))?;
        let mask = std::str::from_utf8(line.trim_ascii()).ok()?;
        Some(u64::from_str_radix(mask, 16).ok()? & bit != 0)
    };
    Some(!(is_in(b"SigBlk:")? || is_in(b"SigIgn:")? || is_in(b"SigCgt:")?))
}

/// Whether a process runs under our user id.
pub(crate) fn is_ours(pid: u32) -> bool {
    let us = effective_user();
    rustix::fs::stat(format!("/proc/{pid}")).is_ok_and(|stat| stat.st_uid == us)
}

/// Returns the short name of a process, for messages: the text of /proc/PID/comm.
pub(crate) fn program_name(pid: u32) -> Option<OsString> {
    let mut buffer = [0; 64];
    let name = read_small(&format!("/proc/{pid}/comm"), &mut buffer)?;
    Some(OsStr::from_bytes(name.trim_ascii_end()).to_owned())
}

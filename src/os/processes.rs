//! Facts about processes: which is alive, which one called, what stands where.
//!
//! All of it is read from /proc, and each fact is optional: where /proc is missing, nothing can be
//! said of a process, and what nothing can be said of is kept.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, openat, readlinkat_raw};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// A process, told apart from a later one of the same number by its start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Process {
    /// Its number.
    pub pid: u32,
    /// When it was started, in clock ticks since boot (field 22 of `proc_pid_stat(5)`).
    pub start: u64,
}

/// What could be found out about a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Liveness {
    /// It runs.
    Alive,
    /// It has ended, or its number belongs to another one by now.
    Dead,
    /// It cannot be seen from here.
    Unknown,
}

/// Which boot and which namespaces a process belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Namespaces {
    /// The random id of the running kernel (`/proc/sys/kernel/random/boot_id`).
    pub boot: Option<String>,
    /// The inode of the PID namespace: a process number means nothing in another one.
    pub pid_ns: Option<u64>,
    /// The inode of the mount namespace: a path may lead elsewhere in another one.
    pub mnt_ns: Option<u64>,
    /// The inode of the time namespace: start times and the boot clock are shifted in another one.
    #[serde(default)]
    pub time_ns: Option<u64>,
}

impl Namespaces {
    /// That of this process.
    pub(crate) fn current() -> Self {
        Self {
            boot: read_small("/proc/sys/kernel/random/boot_id", &mut [0; 64])
                .and_then(|text| std::str::from_utf8(text).ok())
                .map(|text| text.trim_end().to_owned()),
            pid_ns: namespace("/proc/self/ns/pid"),
            mnt_ns: namespace("/proc/self/ns/mnt"),
            time_ns: namespace("/proc/self/ns/time"),
        }
    }

    /// Whether both are known and of one boot; `None` where one is unknown.
    pub(crate) fn same_boot(&self, other: &Self) -> Option<bool> {
        Some(self.boot.as_ref()? == other.boot.as_ref()?)
    }

    /// Whether both read the same clock since boot.
    pub(crate) fn same_clock(&self, other: &Self) -> bool {
        self.same_boot(other) == Some(true) && self.time_ns == other.time_ns
    }

    /// Whether a path means the same here as there. Mount namespaces do not outlive their boot, so
    /// after a restart what is missing is missing.
    pub(crate) fn shares_mounts_with(&self, other: &Self) -> bool {
        match self.same_boot(other) {
            Some(false) => true,
            Some(true) => self.mnt_ns.is_some() && self.mnt_ns == other.mnt_ns,
            None => false,
        }
    }

    /// Whether a process of `there` is alive, as far as this habitat can tell.
    pub(crate) fn liveness(&self, process: Process, there: &Self) -> Liveness {
        match self.same_boot(there) {
            None => Liveness::Unknown,
            Some(false) => Liveness::Dead,
            Some(true) if self.pid_ns.is_none() || self.pid_ns != there.pid_ns => Liveness::Unknown,
            Some(true) => process.liveness(),
        }
    }
}

impl Process {
    /// Sends it a signal, and to no later process of the same number.
    pub(crate) fn signal(self, signal: Signal) {
        let pid = Pid::from_raw(self.pid.cast_signed());
        if let Some(fd) = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
            && Self::find(self.pid) == Some(self)
        {
            let _ = pidfd_send_signal(fd, signal);
        }
    }

    /// The process with this number, if there is one now.
    pub(crate) fn find(pid: u32) -> Option<Self> {
        stat(pid).map(|stat| Self { pid, start: stat.start })
    }

    /// A descriptor that becomes readable when it has exited, all threads of it: so it tells a zombie
    /// from a leader whose threads go on. `None` where it is gone, or another process has its
    /// number by now.
    pub(crate) fn open(self) -> Option<OwnedFd> {
        self.try_open().ok()
    }

    /// The pidfd is opened before the start time is read, so the number cannot change hands in
    /// between.
    fn try_open(self) -> Result<OwnedFd, Liveness> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).ok_or(Liveness::Dead)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|err| match err {
            Errno::SRCH => Liveness::Dead,
            _ => Liveness::Unknown,
        })?;
        match stat(self.pid) {
            None => Err(Liveness::Unknown),
            Some(stat) if stat.start != self.start => Err(Liveness::Dead),
            Some(_) => Ok(pidfd),
        }
    }

    /// Whether it runs, for a process of this boot and PID namespace.
    pub(crate) fn liveness(self) -> Liveness {
        let pidfd = match self.try_open() {
            Ok(pidfd) => pidfd,
            Err(liveness) => return liveness,
        };
        let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
        match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(0) => Liveness::Alive,
            Ok(_) => Liveness::Dead,
            Err(_) => Liveness::Unknown,
        }
    }
}

/// The parent of this process, the parent's parent, and so on.
pub(crate) fn ancestors() -> impl Iterator<Item = Process> {
    let find = |pid: u32| if pid == 0 { None } else { Some((pid, stat(pid)?)) };
    std::iter::successors(parent_pid().and_then(find), move |(_, stat)| find(stat.parent))
        .map(|(pid, stat)| Process { pid, start: stat.start })
}

/// The script that called tmpx, which is not always its parent: in `$(tmpx … | cat)`, `$(f)` and
/// the like the parent is a subshell that dies at once, and under timeout(1) or xargs(1) it is that
/// tool.
///
/// From the parent the climb first goes past wrappers (processes whose argument list ends with
/// `args`, ours), then on while the process is a fork that never called exec (`PF_FORKNOEXEC`, which
/// bash, dash, zsh and busybox ash leave on their subshells) and no session leader.
pub(crate) fn caller(args: &[OsString]) -> Option<Process> {
    let mut pid = parent_pid()?;
    let mut here = stat(pid)?;
    while here.parent != 0 && runs_a_command_like(pid, args) {
        pid = here.parent;
        here = stat(pid)?;
    }
    while here.parent != 0 && here.never_called_exec() && here.session != pid {
        pid = here.parent;
        here = stat(pid)?;
    }
    Some(Process { pid, start: here.start })
}

fn parent_pid() -> Option<u32> {
    rustix::process::getppid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok())
}

/// What is read of an argument list at once, in bytes; longer ones are read whole.
const CMDLINE: usize = 1024;

fn runs_a_command_like(pid: u32, args: &[OsString]) -> bool {
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

/// What tmpx wants of /proc/PID/stat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    session: u32,
    flags: u32,
    start: u64,
}

impl Stat {
    /// `PF_FORKNOEXEC` of the kernel's include/linux/sched.h.
    fn never_called_exec(self) -> bool {
        self.flags & 0x40 != 0
    }

    /// Reads the format of `proc_pid_stat(5)`. The second field is the program's name in
    /// parentheses and may itself hold any character, so counting starts at the last `)`.
    fn parse(text: &[u8]) -> Option<Self> {
        let after_name = text.iter().rposition(|&byte| byte == b')')? + 1;
        let fields = std::str::from_utf8(&text[after_name..]).ok()?;
        // The first field here is number 3 of the man page.
        let mut fields = fields.split_ascii_whitespace();
        let parent = fields.nth(1)?.parse().ok()?;
        let session = fields.nth(1)?.parse().ok()?;
        let flags = fields.nth(2)?.parse().ok()?;
        let start = fields.nth(12)?.parse().ok()?;
        Some(Self { parent, session, flags, start })
    }
}

fn stat(pid: u32) -> Option<Stat> {
    Stat::parse(read_small(&format!("/proc/{pid}/stat"), &mut [0; 1024])?)
}

/// Reads a short file of /proc in one go: open, read, close, and no more calls than that.
fn read_small<'a>(path: &str, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let file = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let length = rustix::io::read(&file, &mut *buffer).ok()?;
    Some(&buffer[..length])
}

/// The inode of a namespace, from the text of its link, as in `pid:[4026531836]`: reading that is
/// quicker than following it, for which the kernel makes a file.
fn namespace(path: &str) -> Option<u64> {
    let mut buffer = [0; 64];
    let length = readlinkat_raw(CWD, path, &mut buffer).ok()?;
    let text = std::str::from_utf8(&buffer[..length]).ok()?;
    text.strip_suffix(']')?.rsplit_once('[')?.1.parse().ok()
}

/// The numbers of all processes; none where there is no /proc.
fn all() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// A process that we may look at whose working directory is `dir` or lies below it. `dir` is a real
/// path.
pub(crate) fn with_cwd_in(dir: &Path) -> Option<u32> {
    all().find(|&pid| {
        std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(dir))
            && pid != std::process::id()
    })
}

/// The inode of a process's mount namespace.
pub(crate) fn mount_namespace(pid: Pid) -> Option<u64> {
    namespace(&format!("/proc/{}/ns/mnt", pid.as_raw_nonzero()))
}

/// The children of this process, by number.
pub(crate) fn children() -> Vec<u32> {
    let us = std::process::id();
    let mut children: Vec<u32> =
        all().filter(|&pid| stat(pid).is_some_and(|stat| stat.parent == us)).collect();
    children.sort_unstable();
    children
}

/// What has been started by this process, or by what it has started, and is in its session: what
/// put itself apart has its own life.
pub(crate) fn descendants() -> Vec<Process> {
    let Some(us) = stat(std::process::id()) else { return Vec::new() };
    let all: Vec<(u32, Stat)> = all().filter_map(|pid| Some((pid, stat(pid)?))).collect();
    let mut found = vec![std::process::id()];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        next += 1;
        found.extend(all.iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| *pid));
    }
    let ours = |pid: &u32| found.iter().skip(1).any(|other| other == pid);
    all.iter()
        .filter(|(pid, stat)| ours(pid) && stat.session == us.session)
        .map(|&(pid, Stat { start, .. })| Process { pid, start })
        .collect()
}

/// Whether a process runs under our user id.
pub(crate) fn is_ours(pid: u32) -> bool {
    let us = rustix::process::geteuid().as_raw();
    rustix::fs::stat(format!("/proc/{pid}")).is_ok_and(|stat| stat.st_uid == us)
}

/// A short name for a process, for messages: what /proc/PID/comm says.
pub(crate) fn program_name(pid: u32) -> Option<OsString> {
    let mut buffer = [0; 64];
    let name = read_small(&format!("/proc/{pid}/comm"), &mut buffer)?;
    Some(OsStr::from_bytes(name.trim_ascii_end()).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let text = b"42 (a) b (c) S 7 42 9 0 -1 4194368 1 2 3 4 5 6 7 8 20 0 1 0 987654 10 11";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat, Stat { parent: 7, session: 9, flags: 4_194_368, start: 987_654 });
        assert!(stat.never_called_exec());
    }

    #[test]
    fn a_stat_cut_short_is_no_stat() {
        for text in ["", "42", "42 (a)", "42 (a) S 7 42 9 0 -1 64 1 2"] {
            assert_eq!(Stat::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn this_process_is_alive_and_its_number_with_another_start_time_is_not() {
        let this = Process::find(std::process::id()).unwrap();
        assert_eq!(this.liveness(), Liveness::Alive);
        assert_eq!(Process { start: this.start + 1, ..this }.liveness(), Liveness::Dead);
    }

    #[test]
    fn a_zombie_is_dead() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = Pid::from_child(&child);
        let process = Process::find(child.id()).unwrap();
        // The exit is waited for without reaping, so that the zombie stays.
        rustix::process::waitid(
            rustix::process::WaitId::Pid(pid),
            rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
        )
        .unwrap();
        assert!(Process::find(child.id()).is_some(), "the zombie is still in /proc");
        assert_eq!(process.liveness(), Liveness::Dead);
        child.wait().unwrap();
    }

    #[test]
    fn nothing_is_said_of_another_pid_namespace_and_all_are_dead_after_a_restart() {
        let here = Namespaces::current();
        let this = Process::find(std::process::id()).unwrap();
        let elsewhere = Namespaces { pid_ns: Some(1), ..here.clone() };
        let earlier = Namespaces { boot: Some("another".into()), ..here.clone() };
        assert_eq!(here.liveness(this, &here), Liveness::Alive);
        assert_eq!(here.liveness(this, &elsewhere), Liveness::Unknown);
        assert_eq!(here.liveness(this, &earlier), Liveness::Dead);
        assert_eq!(here.liveness(this, &Namespaces::default()), Liveness::Unknown);
    }
}

//! Reading /proc.
//!
//! Every fact is optional: /proc may be missing. tmpx keeps what it knows nothing about.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use rustix::fs::{CWD, Mode, OFlags, StatFs, fstatfs, openat, readlinkat_raw};
use rustix::io::Errno;

/// The fields of /proc/PID/stat that tmpx uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) parent: u32,
    pub(super) session: u32,
    pub(super) flags: u32,
    pub(super) threads: u32,
    pub(super) start: u64,
    pub(super) is_zombie: bool,
}

impl Stat {
    /// Reads the fields of a process that exists.
    pub(super) fn read(pid: u32) -> Option<Self> {
        Self::parse(read_small(&format!("/proc/{pid}/stat"), &mut [0; 1024])?)
    }

    /// Whether all threads of the process have exited. A leader that has exited before its other
    /// threads looks like a zombie too.
    pub(super) fn has_exited(self) -> bool {
        self.is_zombie && self.threads <= 1
    }

    /// Whether the process is a fork that has not called execve(2): `PF_FORKNOEXEC` in the kernel's
    /// include/linux/sched.h.
    pub(super) fn never_called_exec(self) -> bool {
        self.flags & 0x40 != 0
    }

    /// Parses the format of `proc_pid_stat(5)`. The second field is the name of the program in
    /// parentheses and may contain any character, so counting starts at the last `)`. No later field
    /// has one. Every run of tmpx reads this of several processes, so this looks at each byte once.
    fn parse(text: &[u8]) -> Option<Self> {
        let start = &text[..text.len().min(LONGEST_NAME_END)];
        let parenthesis = start.iter().rposition(|&byte| byte == b')')?;
        let (state, mut rest) = text.get(parenthesis + 2..)?.split_first()?;
        let is_zombie = matches!(state, b'Z' | b'X');
        // The state is field 3 of the man page.
        let mut number = |fields_on| parse_number(field(&mut rest, fields_on)?);
        let parent = number(1)?.try_into().ok()?;
        let session = number(2)?.try_into().ok()?;
        let flags = number(3)?.try_into().ok()?;
        let threads = number(11)?.try_into().ok()?;
        let start = number(2)?;
        Some(Self { parent, session, flags, threads, start, is_zombie })
    }
}

/// The most bytes of /proc/PID/stat up to the end of the name: a number, and a name that the kernel
/// cuts to 64 bytes.
const LONGEST_NAME_END: usize = 96;

/// Moves on by a number of fields, and returns the one that `rest` begins with then.
fn field<'a>(rest: &mut &'a [u8], fields_on: usize) -> Option<&'a [u8]> {
    for _ in 0..fields_on {
        let space = rest.iter().position(|&byte| byte == b' ')?;
        *rest = &rest[space + 1..];
    }
    rest.split(|&byte| byte == b' ').next()
}

fn parse_number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, &digit| {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 { None } else { number.checked_mul(10)?.checked_add(digit.into()) }
    })
}

/// Reads a short file, in three calls: open, read, close.
pub(super) fn read_small<'a>(path: &str, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let file = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let length = rustix::io::read(&file, &mut *buffer).ok()?;
    Some(&buffer[..length])
}

/// The id of the boot, which the kernel draws at random.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BootId {
    pub(super) id: String,
    /// Whether another file is mounted over it, as `systemd-nspawn` does: then other processes of the
    /// same boot may read another id.
    pub(super) is_masked: bool,
}

impl BootId {
    /// Reads the id, if it can be read.
    pub(super) fn read() -> Option<Self> {
        let path = "/proc/sys/kernel/random/boot_id";
        let file = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let mut buffer = [0; 64];
        let length = rustix::io::read(&file, &mut buffer).ok()?;
        let id = std::str::from_utf8(&buffer[..length]).ok()?.trim_end().to_owned();
        let is_masked = !fstatfs(&file).is_ok_and(|filesystem| is_proc(&filesystem));
        (!id.is_empty()).then_some(Self { id, is_masked })
    }
}

/// Whether a filesystem is procfs (`PROC_SUPER_MAGIC`).
fn is_proc(filesystem: &StatFs) -> bool {
    // The type's width differs between architectures; the magic number is 32 bits.
    #[allow(clippy::unnecessary_cast, reason = "the width differs between architectures")]
    let magic = filesystem.f_type as i64;
    magic == 0x9fa0
}

/// Whether /proc shows the PID namespace of this process. A new PID namespace sees the /proc of its
/// parent until it mounts its own, and an id there belongs to another process.
pub(super) fn shows_our_namespace() -> bool {
    let mut buffer = [0; 64];
    let Ok(length) = readlinkat_raw(CWD, "/proc/self", &mut buffer) else { return false };
    let named = std::str::from_utf8(&buffer[..length]).ok().and_then(|text| text.parse().ok());
    named == Some(std::process::id())
}

/// Returns the inode of a namespace from the text of its link, such as `pid:[4026531836]`. Reading
/// the link is faster than following it, for which the kernel creates a file.
pub(super) fn namespace_inode(path: &str) -> Option<u64> {
    try_namespace_inode(path).ok().flatten()
}

/// Does the same, and returns the error if the link cannot be read.
pub(super) fn try_namespace_inode(path: &str) -> Result<Option<u64>, Errno> {
    let mut buffer = [0; 64];
    let length = readlinkat_raw(CWD, path, &mut buffer)?;
    let text = buffer[..length].strip_suffix(b"]");
    let inode = text.and_then(|text| parse_number(text.rsplit(|&byte| byte == b'[').next()?));
    Ok(inode)
}

/// Whether this process is in the user namespace of the machine, where it has the privileges that its
/// capabilities name: `PROC_USER_INIT_INO` in the kernel's
/// `include/linux/proc_ns.h`.
pub(crate) fn is_initial_user_namespace() -> bool {
    namespace_inode("/proc/self/ns/user") == Some(0xefff_fffd)
}

/// Whether the user namespace of this process has a number of its own for a user and a group. Root in
/// that namespace has power only over their files. The kernel shows all others as the owner of files
/// without one, a number that may have an owner, too (`user_namespaces(7)`).
pub(crate) fn has_mapping(user: u32, group: u32) -> bool {
    let maps = [("/proc/self/uid_map", user), ("/proc/self/gid_map", group)];
    maps.into_iter()
        .all(|(path, id)| read_small(path, &mut [0; 4096]).is_none_or(|map| map_contains(map, id)))
}

/// Whether a map of ids contains one: lines of the first inner id, the first outer id, and the number.
fn map_contains(map: &[u8], id: u32) -> bool {
    let Ok(map) = std::str::from_utf8(map) else { return true };
    map.lines().any(|line| {
        let numbers: Vec<u32> =
            line.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect();
        let [first, _, count] = numbers[..] else { return true };
        id.checked_sub(first).is_some_and(|index| index < count)
    })
}

/// Returns the id of the mount that a descriptor of this process was opened on (`proc_pid_fdinfo(5)`,
/// since Linux 3.15).
pub(crate) fn mount_id_of_fd(fd: BorrowedFd<'_>) -> Option<i32> {
    let mut buffer = [0; 1024];
    let info = read_small(&format!("/proc/self/fdinfo/{}", fd.as_raw_fd()), &mut buffer)?;
    let mut lines = std::str::from_utf8(info).ok()?.lines();
    lines.find_map(|line| line.strip_prefix("mnt_id:"))?.trim().parse().ok()
}

/// Returns the ids of all processes.
pub(super) fn pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_contains_the_ids_of_its_ranges() {
        let map = b"         0       1000          1\n         1     100000      65534\n";
        for (id, is_mapped) in [(0, true), (1, true), (65534, true), (65535, false)] {
            assert_eq!(map_contains(map, id), is_mapped, "{id}");
        }
        assert!(map_contains(b"0 0 4294967295\n", 65534), "that of the machine");
        assert!(!map_contains(b"0 1000 1\n", 65534));
    }

    #[test]
    fn spaces_and_parentheses_in_a_program_name_do_not_shift_the_fields() {
        let text = b"42 (a) b (c) S 7 42 9 0 -1 4194368 1 2 3 4 5 6 7 8 20 0 1 0 987654 10 11";
        let stat = Stat::parse(text).unwrap();
        let flags = 4_194_368;
        let (threads, is_zombie) = (1, false);
        assert_eq!(stat, Stat { parent: 7, session: 9, flags, threads, start: 987_654, is_zombie });
        assert!(stat.never_called_exec());
    }

    #[test]
    fn a_leader_has_exited_only_with_its_last_thread() {
        let stat = |state, threads| {
            let text =
                format!("42 (a) {state} 7 42 9 0 -1 0 1 2 3 4 5 6 7 8 20 0 {threads} 0 987 1");
            Stat::parse(text.as_bytes()).unwrap()
        };
        assert!(stat("Z", 1).has_exited());
        assert!(!stat("Z", 2).has_exited());
        assert!(!stat("S", 1).has_exited());
    }

    #[test]
    fn an_incomplete_stat_is_refused() {
        for text in ["", "42", "42 (a)", "42 (a) S 7 42 9 0 -1 64 1 2"] {
            assert_eq!(Stat::parse(text.as_bytes()), None, "{text}");
        }
    }
}

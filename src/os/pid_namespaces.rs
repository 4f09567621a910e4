//! Which PID namespaces have ended.
//!
//! A container that has ended leaves leases whose owners cannot be looked up by number. But from the
//! initial PID namespace, all processes of all namespaces are visible: a namespace that no process
//! belongs to has ended, and everything in it with it.

use std::collections::HashSet;

use rustix::io::Errno;

use crate::os::clock::Moment;
use crate::os::namespaces::Namespaces;
use crate::os::procfs::{read_small, shows_our_namespace, try_namespace_inode};

/// The inode of the initial PID namespace: `PROC_PID_INIT_INO` in the kernel's
/// `include/linux/proc_ns.h`.
const INITIAL: u64 = 0xefff_fffc;

/// The PID namespaces that had processes at one moment, besides the initial one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PidNamespaces {
    /// When the survey began, in milliseconds since boot.
    surveyed_ms: u64,
    inhabited: HashSet<u64>,
}

impl PidNamespaces {
    /// Looks at all processes. Returns `None` if some may be hidden from `ours`.
    pub(crate) fn survey(ours: &Namespaces) -> Option<Self> {
        let surveyed_ms = Moment::now().boot_ms;
        if ours.pid_ns != Some(INITIAL) || !shows_our_namespace() || !shows_all_processes() {
            return None;
        }
        let mut inhabited = HashSet::new();
        for entry in std::fs::read_dir("/proc").ok()? {
            let name = entry.ok()?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            match namespace_below_ours(pid) {
                Ok(None) => {}
                Ok(Some(namespace)) => {
                    inhabited.insert(namespace);
                }
                Err(Unknown) => return None,
            }
        }
        Some(Self { surveyed_ms, inhabited })
    }

    /// Returns whether a namespace has ended in which a process ran at `then`. A namespace that began
    /// after the survey is not in it.
    pub(crate) fn has_ended(&self, namespace: u64, then: Moment) -> bool {
        then.boot_ms < self.surveyed_ms && !self.inhabited.contains(&namespace)
    }
}

/// A process exists, and its namespace cannot be read.
struct Unknown;

/// Returns the PID namespace of a process that is in another one than the initial, and `None` for all
/// others. Every user may read how many namespaces see a process (`NSpid`), but not which.
fn namespace_below_ours(pid: u32) -> Result<Option<u64>, Unknown> {
    let exists = || std::fs::symlink_metadata(format!("/proc/{pid}")).is_ok();
    let mut buffer = [0; 4096];
    let status = read_small(&format!("/proc/{pid}/status"), &mut buffer);
    match status.and_then(numbers_in_namespaces) {
        Some(1) => return Ok(None),
        Some(_) => {}
        None if exists() => return Err(Unknown),
        None => return Ok(None),
    }
    match try_namespace_inode(&format!("/proc/{pid}/ns/pid")) {
        Ok(Some(namespace)) => Ok(Some(namespace)),
        Err(Errno::NOENT | Errno::SRCH) if !exists() => Ok(None),
        Ok(None) | Err(_) => Err(Unknown),
    }
}

/// Returns how many PID namespaces see a process, by the text of its /proc/PID/status.
fn numbers_in_namespaces(status: &[u8]) -> Option<usize> {
    let line = status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"NSpid:"))?;
    Some(line.split(u8::is_ascii_whitespace).filter(|number| !number.is_empty()).count())
}

/// Returns whether /proc shows the processes of all users. The mount option `hidepid` hides those of
/// others, and who may see process 1 may still not see all.
fn shows_all_processes() -> bool {
    let is_restricted = |options: &str| {
        options.split(',').any(|option| {
            let hides = option.strip_prefix("hidepid=");
            hides.is_some_and(|level| !matches!(level, "0" | "off")) || option == "subset=pid"
        })
    };
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mountinfo") else { return false };
    // The last mount on /proc is the visible one. Its super options are the last field.
    let on_proc = mounts.lines().rfind(|line| line.split(' ').nth(4) == Some("/proc"));
    let options = on_proc.and_then(|line| line.rsplit(' ').next());
    options.is_some_and(|options| !is_restricted(options))
        && read_small("/proc/1/status", &mut [0; 64]).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_namespaces_below_has_one_number() {
        let text = b"Name:\ta\nNSpid:\t42\nNSpgid:\t42\n";
        assert_eq!(numbers_in_namespaces(text), Some(1));
        assert_eq!(numbers_in_namespaces(b"NSpid:\t42\t1\n"), Some(2));
        assert_eq!(numbers_in_namespaces(b"Name:\ta\n"), None);
    }

    #[test]
    fn a_namespace_that_began_after_the_survey_has_not_ended() {
        let survey = PidNamespaces { surveyed_ms: 100, inhabited: HashSet::from([7]) };
        let at = |boot_ms| Moment { wall_ms: 0, boot_ms };
        assert!(survey.has_ended(8, at(99)));
        assert!(!survey.has_ended(8, at(100)));
        assert!(!survey.has_ended(7, at(99)));
    }
}

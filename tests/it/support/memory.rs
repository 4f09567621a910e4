//! The memory that a process needs.

use std::fs;

/// Returns the peak of a process's memory so far, in KiB. Its code does not count: it is mapped from
/// files, and large in a debug build.
pub(crate) fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    field("VmHWM:") - field("RssFile:")
}

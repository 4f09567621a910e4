//! Finds the processes that a command leaves running.

use std::ffi::OsString;

use rustix::process::{getpid, set_child_subreaper};

use crate::os::processes;
use crate::sys;

/// Watches for processes that outlive the command.
#[derive(Debug)]
pub(crate) struct Orphans {
    /// Children from before: a script may have had some before it became this process.
    earlier: Vec<u32>,
}

/// A process that outlives the command.
#[derive(Debug)]
pub(crate) struct Orphan {
    pub(crate) pid: u32,
    /// The name of its program.
    pub(crate) name: OsString,
}

impl Orphans {
    /// Makes this process adopt every process that the command orphans.
    pub(crate) fn adopt() -> Self {
        // If that fails, orphans are not reported.
        let _ = set_child_subreaper(Some(getpid()));
        Self { earlier: if sys::has_children() { processes::children() } else { Vec::new() } }
    }

    /// Returns the processes that still run after the command has ended.
    pub(crate) fn remaining(&self) -> Vec<Orphan> {
        if !sys::has_children() {
            return Vec::new();
        }
        processes::children()
            .into_iter()
            .filter(|pid| !self.earlier.contains(pid))
            .map(|pid| {
                let name = processes::program_name(pid).unwrap_or_else(|| "?".into());
                Orphan { pid, name }
            })
            .collect()
    }
}

//! Finds the processes that a command leaves running.

use std::ffi::OsString;

use rustix::process::{getpid, set_child_subreaper};

use crate::os::{Process, processes};
use crate::sys;

/// Watches for processes that outlive the command.
#[derive(Debug)]
pub(crate) struct Orphans {
    /// Descendants from before: a script may have had some before it became this process.
    earlier: Vec<Process>,
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
        let has_children = sys::has_children();
        Self { earlier: if has_children { processes::all_descendants() } else { Vec::new() } }
    }

    /// The descendants that are earlier than the command.
    pub(crate) fn earlier(&self) -> &[Process] {
        &self.earlier
    }

    /// Returns the processes that still run after the command has ended.
    pub(crate) fn remaining(&self) -> Vec<Orphan> {
        if !sys::has_children() {
            return Vec::new();
        }
        processes::children()
            .into_iter()
            .filter(|&pid| !self.earlier.iter().any(|process| process.pid == pid))
            .map(|pid| {
                let name = processes::program_name(pid).unwrap_or_else(|| "?".into());
                Orphan { pid, name }
            })
            .collect()
    }
}

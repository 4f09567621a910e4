//! What the system says at one moment: the time, and which processes this one belongs to.

use std::time::Duration;

use crate::lease::Record;
use crate::os::{Liveness, Moment, Namespaces, Process};

/// What leases are judged against. Taken once per run, so that all leases are judged at one moment.
#[derive(Clone, Debug)]
pub(crate) struct SystemState {
    /// The current time.
    pub now: Moment,
    /// The boot and the namespaces of this process.
    pub namespaces: Namespaces,
    /// This process (which may have been a script before it called exec(2)), its parent, that one's
    /// parent, and so on.
    pub ancestry: Vec<Process>,
}

impl SystemState {
    /// Returns the current state for a process in these namespaces. The ancestry stays empty, which
    /// saves reading /proc where no rule asks for it.
    pub(crate) fn without_ancestry(namespaces: Namespaces) -> Self {
        Self { now: Moment::now(), namespaces, ancestry: Vec::new() }
    }

    /// Returns the current state as this process sees it.
    pub(crate) fn now() -> Self {
        let this = Process::find(std::process::id());
        let ancestry = this.into_iter().chain(crate::os::processes::ancestors()).collect();
        Self { ancestry, ..Self::without_ancestry(Namespaces::current()) }
    }

    /// Returns the age of a lease; `None` if its creation time lies in the future.
    pub(crate) fn age(&self, record: &Record) -> Option<Duration> {
        let same_clock = self.namespaces.same_clock(&record.header.namespaces);
        self.now.since(record.header.created, same_clock)
    }

    /// Returns whether a process that the record names is alive.
    pub(super) fn liveness(&self, process: Process, record: &Record) -> Liveness {
        self.namespaces.liveness(process, &record.header.namespaces)
    }

    /// Returns whether a process is this one or an ancestor of it.
    pub(super) fn is_ancestor(&self, process: Process) -> bool {
        self.ancestry.contains(&process)
    }

    /// Returns whether a process that the record names is this one or an ancestor of it. A process
    /// number means nothing in another boot or PID namespace.
    pub(super) fn descends_from(&self, process: Process, record: &Record) -> bool {
        let theirs = &record.header.namespaces;
        self.is_ancestor(process)
            && self.namespaces.pid_ns == theirs.pid_ns
            && self.namespaces.same_boot(theirs) == Some(true)
    }
}

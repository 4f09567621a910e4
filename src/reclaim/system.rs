//! What the system says at one moment: the time, and which processes this one belongs to.

use std::cell::OnceCell;
use std::time::Duration;

use crate::lease::{Record, Store};
use crate::os::{Liveness, Moment, Namespaces, PidNamespaces, Process, processes};
use crate::reclaim::sight::Vantage;

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
    /// Whether only this machine writes leases to the store.
    pub store_is_local: bool,
    /// The PID namespaces in use, if that can be known. Determined when a lease asks for it.
    pub(super) pid_namespaces: OnceCell<Option<PidNamespaces>>,
}

impl SystemState {
    /// Returns the current state for a process in these namespaces. The ancestry stays empty, which
    /// saves reading /proc where no rule asks for it.
    pub(crate) fn without_ancestry(namespaces: Namespaces) -> Self {
        Self {
            now: Moment::now(),
            namespaces,
            ancestry: Vec::new(),
            store_is_local: false,
            pid_namespaces: OnceCell::new(),
        }
    }

    /// Returns the current state as this process sees it.
    pub(crate) fn now() -> Self {
        let ancestry = processes::this().into_iter().chain(processes::ancestors()).collect();
        Self { ancestry, ..Self::without_ancestry(Namespaces::current()) }
    }

    /// Returns the same state to judge the leases of a store.
    pub(crate) fn for_store(&self, store: &Store) -> Self {
        Self { store_is_local: store.is_local(), ..self.clone() }
    }

    /// Returns where a lease was written, seen from here. After a restart, the inode of the root shows
    /// whether it was below another one, such as that of a container.
    pub(super) fn vantage(&self, record: &Record) -> Vantage {
        let (ours, theirs) = (&self.namespaces, &record.header.namespaces);
        let inode = |namespaces: &Namespaces| namespaces.root.map(|(_, inode)| inode);
        let (same_boot, shares_paths) = match ours.same_boot(theirs) {
            Some(true) => (Some(true), ours.shares_root_with(theirs)),
            Some(false) if self.has_restarted_since(record) => {
                (Some(false), inode(theirs).is_none_or(|theirs| inode(ours) == Some(theirs)))
            }
            _ => (None, false),
        };
        Vantage { same_boot, shares_paths }
    }

    /// Returns the age of a lease; `None` if its creation time lies in the future.
    pub(crate) fn age(&self, record: &Record) -> Option<Duration> {
        let same_clock = self.namespaces.same_clock(&record.header.namespaces);
        self.now.since(record.header.created, same_clock)
    }

    /// Returns whether a process that the record names is alive, as far as that can be known here.
    pub(super) fn liveness(&self, process: Process, record: &Record) -> Liveness {
        let (ours, theirs) = (&self.namespaces, &record.header.namespaces);
        match ours.same_boot(theirs) {
            Some(false) if self.has_restarted_since(record) => Liveness::Dead,
            // In another time namespace, start times are shifted.
            Some(true) if ours.same_clock(theirs) => self.liveness_in_this_boot(process, record),
            _ => Liveness::Unknown,
        }
    }

    fn liveness_in_this_boot(&self, process: Process, record: &Record) -> Liveness {
        let (ours, theirs) = (&self.namespaces, &record.header.namespaces);
        let Some(namespace) = theirs.pid_ns else { return Liveness::Unknown };
        if ours.pid_ns == Some(namespace) {
            return if processes::are_visible() { process.liveness() } else { Liveness::Unknown };
        }
        let survey = self.pid_namespaces.get_or_init(|| PidNamespaces::survey(ours));
        match survey {
            Some(survey) if survey.has_ended(namespace, record.header.created) => Liveness::Dead,
            _ => Liveness::Unknown,
        }
    }

    /// Returns whether the boot is over in which a lease was created. Where an id is masked, containers
    /// of one boot have different ids, but the same clock since boot. Machines that share a store have
    /// different clocks, too.
    fn has_restarted_since(&self, record: &Record) -> bool {
        let (ours, theirs) = (&self.namespaces, &record.header.namespaces);
        // The first format did not record whether its store was local.
        let is_local = self.store_is_local && (record.header.local || record.header.v == 1);
        let is_later = self.now.boot_ms < record.header.created.boot_ms;
        ours.outlive(theirs, is_local) || is_local && is_later && ours.time_ns == theirs.time_ns
    }

    /// Returns whether a process is this one or an ancestor of it.
    pub(super) fn is_ancestor(&self, process: Process) -> bool {
        self.ancestry.contains(&process)
    }

    /// Returns whether a process that the record names is this one or an ancestor of it. A process
    /// number means nothing in another boot or PID namespace, nor a start time in another time
    /// namespace.
    pub(super) fn descends_from(&self, process: Process, record: &Record) -> bool {
        self.is_ancestor(process)
            && self.namespaces.shares_processes_with(&record.header.namespaces)
    }
}

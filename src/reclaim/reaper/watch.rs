//! Waits for leases to end, and reclaims them.
//!
//! The reaper waits in poll(2) on the pidfds of owners, on the FIFO, and on a timer for the next
//! deadline. It uses no CPU meanwhile.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::lease::{Content, Lifetime, Record, Resource, Store};
use crate::os::{Moment, Namespaces, Process};
use crate::reclaim::outcome::{Observer, Outcome};
use crate::reclaim::problem::LeaseProblem;
use crate::reclaim::reaper::fifo::{Fifo, Message};
use crate::reclaim::reaper::place::FifoPlace;
use crate::reclaim::selection::Selection;
use crate::reclaim::state::{KeepReason, State};
use crate::reclaim::sweep::Sweep;
use crate::reclaim::system::SystemState;
use crate::remove::Removal;

/// When to look again at an owner that cannot be watched, and at a lease that another process has
/// locked, in milliseconds.
const RETRY_MS: u64 = 1000;

/// The leases that the reaper waits for.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    /// The state directory. It is closed while the reaper waits, so that its filesystem can be
    /// unmounted.
    path: &'a Path,
    /// Whether that is in a directory which users share.
    is_shared: bool,
    namespaces: &'a Namespaces,
    owners: HashMap<Process, WatchedOwner>,
    /// When to look at which lease, in milliseconds since boot, the earliest on top.
    deadlines: BinaryHeap<Reverse<(u64, String)>>,
    /// Leases that have ended, while a live one has a resource inside theirs.
    blocked: Vec<String>,
    /// This clock runs on while the machine sleeps, as the times of leases do. A sandbox may refuse it.
    timer: Option<OwnedFd>,
}

/// An owner, and the leases that end with it.
#[derive(Debug)]
struct WatchedOwner {
    pidfd: OwnedFd,
    leases: Vec<String>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(path: &'a Path, is_shared: bool, namespaces: &'a Namespaces) -> Self {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags).ok();
        let (owners, deadlines) = (HashMap::new(), BinaryHeap::new());
        Self { path, is_shared, namespaces, owners, deadlines, blocked: Vec::new(), timer }
    }

    /// Opens the store. Fails if its filesystem was unmounted. The store may have been removed meanwhile, and
    /// another one may be in its place: whatever made the first one trusted counts again.
    fn store(&self) -> io::Result<Store> {
        Store::open(self.path, self.is_shared).map_err(io::Error::other)
    }

    /// Returns the place where creators notify the reaper.
    pub(super) fn place(&self) -> io::Result<FifoPlace> {
        Ok(FifoPlace::of(&self.store()?, self.namespaces)?)
    }

    /// Returns whether any lease is left to wait for.
    pub(super) fn has_work(&self) -> bool {
        !self.owners.is_empty() || !self.deadlines.is_empty()
    }

    /// Forgets everything and looks at all leases.
    pub(super) fn process_all(&mut self) -> io::Result<()> {
        self.owners.clear();
        self.deadlines.clear();
        self.blocked.clear();
        let store = self.store()?;
        self.process(&store, store.ids()?);
        Ok(())
    }

    /// Reclaims those of the leases that have ended, and watches those that will.
    fn process(&mut self, store: &Store, ids: impl IntoIterator<Item = String>) {
        let system = SystemState::without_ancestry(self.namespaces.clone()).for_store(store);
        let selection = Selection::default();
        let sweep = Sweep::new(store, &selection, &system, Removal::PLAIN).silent();
        for (id, snapshot) in store.records_of(ids) {
            let Ok(snapshot) = snapshot else { continue };
            let Content::Record(record) = &snapshot.content else { continue };
            match State::of_lease(record, snapshot.locked, &system) {
                State::Ended => {
                    let mut in_use = InUse(false);
                    // Nobody reads what a reaper prints. A cleanup reports what could not be removed.
                    let is_done = sweep.visit(&id, snapshot, &mut in_use);
                    if in_use.0 {
                        self.blocked.push(id);
                    } else if matches!(is_done, Ok(false)) {
                        self.look_later(id, &system);
                    }
                }
                // A cleanup or another reaper looks at it, for a moment. It may keep what this one
                // has to remove. Who still creates resources sends the id later.
                State::Kept(KeepReason::InUse(None))
                    if record.header.committed && record.lifetime != Lifetime::Command =>
                {
                    self.look_later(id, &system);
                }
                State::Kept(KeepReason::Live(_) | KeepReason::Timed(_)) => {
                    self.watch(record, &id, &system);
                }
                State::Kept(_) => {}
            }
        }
        sweep.end_inner_leases();
    }

    fn watch(&mut self, record: &Record, id: &str, system: &SystemState) {
        if let Lifetime::Bound { owner: Some(owner), .. } = record.lifetime {
            if let Some(known) = self.owners.get_mut(&owner) {
                known.leases.push(id.to_owned());
            } else if let Some(pidfd) = owner.open() {
                self.owners.insert(owner, WatchedOwner { pidfd, leases: vec![id.to_owned()] });
            } else {
                // It has exited since its lease was judged, or too many owners are watched.
                self.look_later(id.to_owned(), system);
            }
        }
        if let (Some(ttl), Some(age)) = (record.lifetime.ttl(), system.age(record)) {
            let left = ttl.saturating_sub(age).as_millis();
            let left = u64::try_from(left).unwrap_or(u64::MAX);
            let deadline = system.now.boot_ms.saturating_add(left);
            self.deadlines.push(Reverse((deadline, id.to_owned())));
        }
    }

    fn look_later(&mut self, id: String, system: &SystemState) {
        let later = system.now.boot_ms.saturating_add(RETRY_MS);
        self.deadlines.push(Reverse((later, id)));
    }

    /// Waits until a lease ends or a message arrives, and acts on it.
    pub(super) fn wait(&mut self, fifo: &Fifo) -> io::Result<()> {
        let mut due = Vec::new();
        for owner in self.wait_for_exits(fifo)? {
            due.extend(self.owners.remove(&owner).into_iter().flat_map(|owner| owner.leases));
        }
        let now = Moment::now().boot_ms;
        while let Some(Reverse((deadline, _))) = self.deadlines.peek()
            && *deadline <= now
        {
            due.extend(self.deadlines.pop().map(|Reverse((_, id))| id));
        }
        // The live leases inside them may have ended now.
        due.append(&mut self.blocked);
        let store = self.store()?;
        self.process(&store, due);
        self.listen(&store, fifo)
    }

    /// Waits, and returns the owners that have exited.
    fn wait_for_exits(&self, fifo: &Fifo) -> io::Result<Vec<Process>> {
        let timeout = self.set_timer()?;
        let watched: Vec<(Process, BorrowedFd<'_>)> =
            self.owners.iter().map(|(process, owner)| (*process, owner.pidfd.as_fd())).collect();
        let own = std::iter::once(fifo.as_fd()).chain(self.timer.as_ref().map(OwnedFd::as_fd));
        let mut fds: Vec<PollFd<'_>> = watched
            .iter()
            .map(|(_, pidfd)| *pidfd)
            .chain(own)
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(err) => return Err(err.into()),
        }
        let ready = fds.iter().map(|fd| !fd.revents().is_empty());
        Ok(watched
            .into_iter()
            .zip(ready)
            .filter(|(_, ready)| *ready)
            .map(|((process, _), _)| process)
            .collect())
    }

    /// Sets the timer to the earliest deadline, or to never. Without a timer, returns how long to wait
    /// for it.
    fn set_timer(&self) -> io::Result<Option<Timespec>> {
        let earliest = self.deadlines.peek().map(|Reverse((deadline, _))| *deadline);
        let Some(timer) = &self.timer else {
            let now = Moment::now().boot_ms;
            return Ok(earliest.map(|deadline| timespec(deadline.saturating_sub(now))));
        };
        // Zero means never to a timer, so a deadline of zero becomes one millisecond.
        let at = timespec(earliest.map_or(0, |deadline| deadline.max(1)));
        let spec = Itimerspec { it_interval: timespec(0), it_value: at };
        timerfd_settime(timer, TimerfdTimerFlags::ABSTIME, &spec)?;
        Ok(None)
    }

    /// Acts on the messages that have arrived.
    fn listen(&mut self, store: &Store, fifo: &Fifo) -> io::Result<()> {
        match fifo.receive()? {
            Message::Leases(ids) => self.process(store, ids),
            Message::All => self.process_all()?,
        }
        Ok(())
    }
}

fn timespec(milliseconds: u64) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(milliseconds / 1000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(milliseconds % 1000 * 1_000_000).unwrap_or(0),
    }
}

/// Notices whether a lease's resources are kept because they are in use.
struct InUse(bool);

impl Observer for InUse {
    fn outcome(&mut self, _: &str, _: &Resource, outcome: Outcome) -> io::Result<()> {
        self.0 |= matches!(outcome, Outcome::Kept(KeepReason::InUse(_)));
        Ok(())
    }

    fn problem(&mut self, _: LeaseProblem) {}
}

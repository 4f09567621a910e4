//! The one small background process that reclaims at the moment a lease ends.
//!
//! There is one per store, PID namespace and mount namespace while there is something to watch. Its
//! FIFO in the store is presence and wake-up in one: whoever has made a lease with an end opens it
//! for writing without blocking and says the lease's name; that nobody reads it (ENXIO) means that
//! there is no reaper, and one is started. The lock on the FIFO makes it the only one.
//!
//! It waits in poll(2) on the owners' pidfds, the FIFO and the next deadline, and uses no CPU
//! meanwhile. It is a bonus and not a crutch: where it does not run, the next `tmpx cleanup` does
//! the same.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, mknodat, openat, unlinkat};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::lease::{Content, Lifetime, Record, Store, is_id, reader};
use crate::os::{Moment, Namespaces, Process};
use crate::reclaim::judge::{KeepReason, Selection, State, SystemState, state};
use crate::reclaim::release::Outcome;
use crate::reclaim::sweep::Sweep;
use crate::remove::Removal;
use crate::sys;
use crate::values::Status;

/// What tmpx is called when it is the reaper: its name in ps(1).
pub(crate) const NAME: &str = "tmpx-reaper";

/// The FIFO's name. Process numbers and paths mean something in one namespace only, so each has a
/// reaper of its own; where the namespaces are not known there is none.
fn fifo_name(habitat: &Namespaces) -> Option<String> {
    Some(format!("reaper.{}.{}", habitat.pid_ns?, habitat.mnt_ns?))
}

/// Tells the reaper of a lease that has an end, and starts one if there is none. Returns at once;
/// where it fails, a cleanup will have to do.
pub(crate) fn notify_or_spawn(store: &Store, id: &str, habitat: &Namespaces) {
    if !send(store, id, habitat) {
        start(store);
    }
}

/// When an owner that cannot be watched is asked for again, in milliseconds.
const RETRY_MS: u64 = 1000;

/// What is said to a reaper that is to look at all leases.
const ALL: &str = "*";

/// Tells the reaper, if there is one, that leases are gone: it may have nothing left to watch.
pub(crate) fn wake(store: &Store, habitat: &Namespaces) {
    send(store, ALL, habitat);
}

/// Says a word to the reaper. False where there is none and one could be.
fn send(store: &Store, word: &str, habitat: &Namespaces) -> bool {
    let Some(name) = fifo_name(habitat) else { return true };
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(store.dir(), &name, flags, Mode::empty()) {
        // A FIFO that is full has a reader that will go through all leases.
        Ok(fifo) => drop(rustix::io::write(&fifo, format!("{word}\n").as_bytes())),
        Err(Errno::NXIO | Errno::NOENT) => return false,
        Err(_) => {}
    }
    true
}

/// Starts a reaper. It is not waited for: tmpx exits before it does.
fn start(store: &Store) {
    let Some(path) = store.path().parent() else { return };
    let _ = Command::new("/proc/self/exe")
        .arg0(NAME)
        .arg(path)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
}

/// Is the reaper of a store until there is nothing left to watch.
pub(crate) fn run(store: &OsStr) -> Status {
    detach();
    let habitat = Namespaces::current();
    let (Ok(store), Some(name)) = (Store::open(Path::new(store)), fifo_name(&habitat)) else {
        return Status::Failed;
    };
    match watch(&store, &name, &habitat) {
        Ok(()) => Status::Success,
        Err(_) => Status::Failed,
    }
}

/// Lets go of everything that the caller may wait for or want to unmount.
fn detach() {
    sys::close_from(3);
    let _ = rustix::process::setsid();
    let _ = rustix::process::chdir("/");
    let _ = rustix::thread::set_name(c"tmpx-reaper");
    // A descriptor per owner: as many as we may have.
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    let _ = setrlimit(Resource::Nofile, files);
}

/// Watches until nothing is left. Whoever makes a lease in the moment before the FIFO is closed
/// finds a reader that reads no more, so after closing it the leases are looked at once more.
fn watch(store: &Store, name: &str, habitat: &Namespaces) -> io::Result<()> {
    loop {
        let Some(fifo) = acquire_singleton(store, name)? else { return Ok(()) };
        let mut watch = Watch::new(store, habitat)?;
        watch.process_all()?;
        while watch.has_work() {
            watch.wait(&fifo)?;
        }
        let _ = unlinkat(store.dir(), name, AtFlags::empty());
        drop(fifo);
        watch.process_all()?;
        if !watch.has_work() {
            return Ok(());
        }
    }
}

/// Opens the FIFO, made if need be, and takes its lock. `None` where another reaper has it.
fn acquire_singleton(store: &Store, name: &str) -> io::Result<Option<OwnedFd>> {
    // For reading and writing: so it never reads the end that the last writer leaves.
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    loop {
        match mknodat(store.dir(), name, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(err) => return Err(err.into()),
        }
        let fifo = match openat(store.dir(), name, flags, Mode::empty()) {
            Ok(fifo) => fifo,
            Err(Errno::NOENT) => continue,
            Err(err) => return Err(err.into()),
        };
        if !sys::try_lock(fifo.as_fd())? {
            return Ok(None);
        }
        // The reaper before may have removed it just then: nobody would find this one.
        if fstat(&fifo)?.st_nlink > 0 {
            return Ok(Some(fifo));
        }
    }
}

/// An owner that is waited for.
struct WatchedOwner {
    pidfd: OwnedFd,
    leases: Vec<String>,
}

/// What is waited for.
struct Watch<'a> {
    store: &'a Store,
    habitat: &'a Namespaces,
    owners: HashMap<Process, WatchedOwner>,
    /// Leases with a time to live, the first to end on top: when, in milliseconds since boot.
    deadlines: BinaryHeap<Reverse<(u64, String)>>,
    /// Leases that have ended while something inside what they cover lives on.
    blocked: Vec<String>,
    timer: OwnedFd,
}

impl<'a> Watch<'a> {
    fn new(store: &'a Store, habitat: &'a Namespaces) -> io::Result<Self> {
        // This clock goes on while the machine sleeps, as the times of leases do.
        let timer = timerfd_create(
            TimerfdClockId::Boottime,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        let (owners, deadlines) = (HashMap::new(), BinaryHeap::new());
        Ok(Self { store, habitat, owners, deadlines, blocked: Vec::new(), timer })
    }

    fn has_work(&self) -> bool {
        !self.owners.is_empty() || !self.deadlines.is_empty()
    }

    fn process_all(&mut self) -> io::Result<()> {
        self.owners.clear();
        self.deadlines.clear();
        self.blocked.clear();
        self.process(self.store.ids()?);
        Ok(())
    }

    /// Reclaims leases that have ended, and watches those that will.
    fn process(&mut self, ids: impl IntoIterator<Item = String>) {
        let present = SystemState::without_ancestry(self.habitat.clone());
        let selection = Selection::default();
        let sweep = Sweep::new(self.store, &selection, &present, Removal::PLAIN);
        for id in ids {
            let Ok(Some(seen)) = reader::read(self.store, &id) else { continue };
            let Content::Record(record) = seen.content else { continue };
            match state(&record, seen.locked, &present) {
                State::Ended => {
                    let mut in_use = false;
                    // Nobody reads what a reaper says: a cleanup will tell of what it cannot remove.
                    let _ = sweep.one(&id, &mut |_, _, fate| {
                        in_use |= matches!(fate, Outcome::Kept(KeepReason::InUse(_)));
                        Ok(())
                    });
                    if in_use {
                        self.blocked.push(id);
                    }
                }
                State::Live => self.watch(&record, &id, &present),
                State::InUse | State::Manual | State::Unknown(_) => {}
            }
        }
    }

    fn watch(&mut self, record: &Record, id: &str, present: &SystemState) {
        if let Lifetime::Bound { owner: Some(owner), .. } = record.lifetime {
            if let Some(known) = self.owners.get_mut(&owner) {
                known.leases.push(id.to_owned());
            } else if let Some(pidfd) = owner.open() {
                self.owners.insert(owner, WatchedOwner { pidfd, leases: vec![id.to_owned()] });
            } else {
                // It has exited since it was asked for, or there are too many to watch.
                let later = present.now.boot_ms.saturating_add(RETRY_MS);
                self.deadlines.push(Reverse((later, id.to_owned())));
            }
        }
        if let (Some(ttl), Some(age)) = (record.lifetime.ttl(), present.age(record)) {
            let left = ttl.saturating_sub(age).as_millis();
            let left = u64::try_from(left).unwrap_or(u64::MAX);
            let deadline = present.now.boot_ms.saturating_add(left);
            self.deadlines.push(Reverse((deadline, id.to_owned())));
        }
    }

    /// Waits until something happens and deals with it.
    fn wait(&mut self, fifo: &OwnedFd) -> io::Result<()> {
        self.set_timer()?;
        let mut due = Vec::new();
        for owner in self.exited(fifo)? {
            due.extend(self.owners.remove(&owner).into_iter().flat_map(|owner| owner.leases));
        }
        let now = Moment::now().boot_ms;
        while let Some(Reverse((deadline, _))) = self.deadlines.peek()
            && *deadline <= now
        {
            due.extend(self.deadlines.pop().map(|Reverse((_, id))| id));
        }
        // What was made inside them may have gone with these.
        due.append(&mut self.blocked);
        self.process(due);
        self.listen(fifo)
    }

    /// Waits, and tells which owners have exited.
    fn exited(&self, fifo: &OwnedFd) -> io::Result<Vec<Process>> {
        let watched: Vec<(Process, BorrowedFd<'_>)> =
            self.owners.iter().map(|(process, owner)| (*process, owner.pidfd.as_fd())).collect();
        let own = [fifo.as_fd(), self.timer.as_fd()];
        let mut fds: Vec<PollFd<'_>> = own
            .into_iter()
            .chain(watched.iter().map(|(_, pidfd)| *pidfd))
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(err) => return Err(err.into()),
        }
        let ready = fds[own.len()..].iter().map(|fd| !fd.revents().is_empty());
        Ok(ready
            .zip(watched)
            .filter(|(ready, _)| *ready)
            .map(|(_, (process, _))| process)
            .collect())
    }

    /// Sets the timer to the first deadline, or to never.
    fn set_timer(&self) -> io::Result<()> {
        // Nothing, in a timer, means never; so what is due already is due in a moment.
        let at = self.deadlines.peek().map_or(0, |Reverse((deadline, _))| (*deadline).max(1));
        let at = Timespec {
            tv_sec: i64::try_from(at / 1000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(at % 1000 * 1_000_000).unwrap_or(0),
        };
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = Itimerspec { it_interval: never, it_value: at };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &spec)?;
        Ok(())
    }

    /// Takes the names of new leases from the FIFO. A FIFO that was full may have lost some.
    fn listen(&mut self, fifo: &OwnedFd) -> io::Result<()> {
        const CAPACITY: usize = 64 * 1024;
        let mut text = Vec::new();
        let mut block = [0; 4096];
        loop {
            match rustix::io::read(fifo, &mut block) {
                Ok(0) | Err(Errno::AGAIN) => break,
                Ok(count) => text.extend_from_slice(&block[..count]),
                Err(Errno::INTR) => {}
                Err(err) => return Err(err.into()),
            }
        }
        let text = String::from_utf8_lossy(&text);
        if text.len() > CAPACITY - 256 || text.lines().any(|word| word == ALL) {
            return self.process_all();
        }
        self.process(text.lines().filter(|word| is_id(word)).map(str::to_owned));
        Ok(())
    }
}

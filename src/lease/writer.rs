//! No resource without a lease.
//!
//! A [`Lease`] is the record of one run of tmpx, open and locked while that run makes things. It
//! comes into being with its first intent, which is written before the thing exists; the functions
//! in [`create`] that make things take a `&mut Lease`, and there are no others. [`Lease::give`]
//! marks that the caller has been told. An unlocked lease that was not given has ended, whatever
//! its lifetime: nobody knows of what it made.
//!
//! [`unrecorded`] is the one exception, for mktemp without a lifetime.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::Context as _;
use rustix::fs::{AtFlags, Mode, OFlags, SeekFrom, fchmod, fstat, openat, unlinkat};
use serde::Serialize;

use crate::lease::id::new_id;
use crate::lease::reader::LockedLease;
use crate::lease::record::{COMMITTED_OFFSET, Event, Header, Lifetime, VERSION};
use crate::lease::spec::LeaseSpec;
use crate::lease::store::{Store, Stores};
use crate::os::{Moment, Namespaces, Random};
use crate::sys;

/// A lease that is being written.
#[derive(Debug)]
pub(crate) struct Lease {
    header: Header,
    /// The source of every random name that is created under this lease.
    pub(super) random: Random,
    stores: Stores,
    written: Option<Written>,
}

/// A lease file, open and locked.
#[derive(Debug)]
struct Written {
    store: Store,
    file: OwnedFd,
    /// How long it is, in bytes.
    length: u64,
    /// The lock that commands inherit.
    bequest: Option<OwnedFd>,
}

impl Lease {
    /// A lease on these terms. Nothing is on disk yet.
    pub(crate) fn new(stores: Stores, terms: LeaseSpec, random: Random) -> Self {
        let header = Header {
            v: VERSION,
            committed: 0,
            id: String::new(),
            created: Moment::now(),
            habitat: terms.habitat,
            caller: terms.caller,
            lifetime: terms.lifetime,
            session: terms.session,
        };
        Self { header, random, stores, written: None }
    }

    /// The lease's name; empty before the first intent.
    pub(crate) fn id(&self) -> &str {
        &self.header.id
    }

    /// When it ends.
    pub(crate) fn lifetime(&self) -> &Lifetime {
        &self.header.lifetime
    }

    /// Where this process belongs to.
    pub(crate) fn habitat(&self) -> &Namespaces {
        &self.header.habitat
    }

    /// The group it belongs to.
    pub(crate) fn session(&self) -> Option<&str> {
        self.header.session.as_deref()
    }

    /// The lease's source of randomness.
    pub(crate) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// Adds a line; the first one brings the lease into being. When this has returned, whatever
    /// the line announces may be done.
    pub(super) fn append(&mut self, event: &Event) -> anyhow::Result<()> {
        if let Some(written) = &mut self.written {
            let line = line(event)?;
            return written.append(&line).with_context(|| written.could_not_write());
        }
        let (header, random) = (&mut self.header, &mut self.random);
        let written = self.stores.with_first(|store| {
            let file = loop {
                header.id = new_id(header.created, random)?;
                if let Some(file) = create_locked(&store, &header.id)? {
                    break file;
                }
            };
            let mut lines = line(header)?;
            lines.extend(line(event)?);
            match write_all(&file, &lines) {
                Ok(()) => {
                    let length = u64::try_from(lines.len()).unwrap_or(u64::MAX);
                    Ok(Written { store, file, length, bequest: None })
                }
                Err(err) => {
                    let _ = unlinkat(store.dir(), &header.id, AtFlags::empty());
                    Err(err)
                }
            }
        })?;
        self.written = Some(written);
        Ok(())
    }

    /// Marks that the caller has been told. From now on the lifetime counts.
    pub(crate) fn commit(&mut self) -> anyhow::Result<()> {
        self.header.committed = 1;
        let Some(written) = &self.written else {
            return Ok(());
        };
        rustix::io::pwrite(&written.file, b"1", COMMITTED_OFFSET)
            .with_context(|| written.could_not_write())?;
        Ok(())
    }

    /// Gives the lease another lifetime.
    pub(crate) fn change_lifetime(&mut self, lifetime: Lifetime) -> anyhow::Result<()> {
        self.append(&Event::Lifetime(lifetime.clone()))?;
        self.header.lifetime = lifetime;
        Ok(())
    }

    /// Gives the commands that are run the lock too, so that one which outlives tmpx still holds it:
    /// on a descriptor where scripts open no files of their own, and for reading, so that they
    /// cannot write into the lease.
    pub(crate) fn inherit_lock(&mut self) -> io::Result<()> {
        let Some(written) = &mut self.written else { return Ok(()) };
        sys::share_lock(written.file.as_fd())?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let reading = openat(written.store.dir(), &self.header.id, flags, Mode::empty())?;
        sys::share_lock(reading.as_fd())?;
        // A low limit on descriptors leaves none of the high numbers.
        let [usual, lower, lowest] = LOCK_DESCRIPTORS;
        let copy = |min| sys::duplicate_inheritable(reading.as_fd(), min);
        let copy = copy(usual).or_else(|_| copy(lower)).or_else(|_| copy(lowest))?;
        written.bequest = Some(copy);
        Ok(())
    }

    /// The lease as one that this process holds the lock of, which is how it is reclaimed. `None`
    /// where nothing was written.
    pub(crate) fn locked(&self) -> io::Result<Option<(&Store, LockedLease<'_>)>> {
        let Some(Written { store, file, .. }) = &self.written else { return Ok(None) };
        Ok(Some((store, LockedLease::new(store, &self.header.id, file.try_clone()?))))
    }
}

impl Lease {
    /// Lets go of the lock, and gives the store where the lease is. `None` where nothing was
    /// written.
    pub(crate) fn close(&mut self) -> Option<Store> {
        self.written.take().map(|written| written.store)
    }
}

impl Written {
    /// Adds a line, whole or not at all: half a line would make the lease a damaged one.
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        match write_all(&self.file, line) {
            Ok(()) => {
                self.length += u64::try_from(line.len()).unwrap_or(u64::MAX);
                Ok(())
            }
            Err(err) => {
                rustix::fs::ftruncate(&self.file, self.length)?;
                rustix::fs::seek(&self.file, SeekFrom::Start(self.length))?;
                Err(err)
            }
        }
    }

    fn could_not_write(&self) -> String {
        format!("could not write the lease in {}", self.store.path().display())
    }
}

/// Makes the lease file and takes its lock. Between the two a cleaner may take the empty file for
/// one that was left behind, and remove it: `None` then, and another one is to be made.
fn create_locked(store: &Store, id: &str) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mode = Mode::RUSR | Mode::WUSR;
    let file = openat(store.dir(), id, flags, mode)?;
    if !sys::try_lock(file.as_fd())? {
        return Ok(None);
    }
    let stat = fstat(&file)?;
    if !Mode::from_raw_mode(stat.st_mode).contains(mode) {
        // A umask that keeps even the owner out would keep out every cleanup, too.
        fchmod(&file, mode)?;
    }
    Ok((stat.st_nlink == 1).then_some(file))
}

fn line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(512);
    serde_json::to_writer(&mut line, value)?;
    line.push(b'\n');
    Ok(line)
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(err) => return Err(err.into()),
        }
    }
    Ok(())
}

/// The lowest descriptors that the lock goes to which commands inherit, in order of preference.
const LOCK_DESCRIPTORS: [i32; 3] = [100, 20, 3];

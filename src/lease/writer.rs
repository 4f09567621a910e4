//! Writes the lease of this run. No resource exists without one.
//!
//! A [`Lease`] comes into being with its first intent, which is written before the resource exists.
//! Only this folder can append to it, so every function that creates entries is here too, and takes a
//! `&mut Lease`. [`Lease::commit`] records that the caller has the paths. An unlocked lease that was
//! not committed has ended, whatever its lifetime: nobody knows the resources that it covers.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use rustix::fs::{
    AtFlags, Mode, OFlags, SeekFrom, fchmod, fstat, ftruncate, openat, seek, unlinkat,
};
use rustix::io::Errno;

use crate::fs::rw::{read_at, write_all};
use crate::lease::format::{End, VERSION};
use crate::lease::id::new_id;
use crate::lease::reader::{LockedLease, MODE_OF_SHARED, write_commit, write_lines};
use crate::lease::record::{Event, Header, Lifetime, PrivateTmp};
use crate::lease::spec::LeaseSpec;
use crate::lease::store::{Store, StoreError, Stores};
use crate::os::{Moment, Namespaces, Process, Random};
use crate::sys;

/// The lease of this run.
#[derive(Debug)]
pub(crate) struct Lease {
    header: Header,
    /// The source of all random names: of the lease, and of the entries that it covers.
    pub(super) random: Random,
    stores: Stores,
    file: Option<LeaseFile>,
    /// The hidden names that this process has given up itself.
    renamed: Vec<OsString>,
}

/// A lease file, open and locked.
#[derive(Debug)]
struct LeaseFile {
    store: Store,
    fd: OwnedFd,
    /// Where its last line ends.
    end: End,
    /// What it holds, if a command runs under it: the command may empty the file.
    text: Option<Vec<u8>>,
    /// Whether a command may have changed it since it was last written to.
    may_be_changed: bool,
    /// The descriptor by which commands inherit the lock.
    inherited: Option<OwnedFd>,
}

impl Lease {
    /// Returns a lease that is not on disk yet.
    pub(crate) fn new(stores: Stores, spec: LeaseSpec, random: Random) -> Self {
        let header = Header {
            v: VERSION,
            committed: false,
            id: String::new(),
            store: None,
            local: false,
            created: Moment::now(),
            namespaces: spec.namespaces,
            caller: spec.caller,
            lifetime: spec.lifetime,
            session: spec.session,
        };
        Self { header, random, stores, file: None, renamed: Vec::new() }
    }

    /// Notes that this process has removed the entry with this hidden name, or renamed it to what belongs to
    /// the user. Nothing is left of it then, even if its directory was moved meanwhile.
    pub(crate) fn note_renamed(&mut self, hidden: &OsStr) {
        self.renamed.push(hidden.to_owned());
    }

    /// Whether this process has removed or renamed the entry that was created under a name.
    pub(crate) fn is_renamed(&self, name: &OsStr) -> bool {
        self.renamed.iter().any(|hidden| hidden == name)
    }

    /// The id of the lease. It is empty before the first intent.
    pub(crate) fn id(&self) -> &str {
        &self.header.id
    }

    pub(crate) fn lifetime(&self) -> &Lifetime {
        &self.header.lifetime
    }

    /// The boot and the namespaces of this process.
    pub(crate) fn namespaces(&self) -> &Namespaces {
        &self.header.namespaces
    }

    pub(crate) fn session(&self) -> Option<&str> {
        self.header.session.as_deref()
    }

    pub(crate) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// The stores that the lease may be in.
    pub(crate) fn stores(&self) -> &Stores {
        &self.stores
    }

    /// Adds a line. The first line creates the lease file. Whatever the line announces may be done
    /// only after this has returned.
    pub(super) fn append(&mut self, event: &Event) -> Result<(), StoreError> {
        if let Some(file) = &mut self.file {
            let written = file.append(event, self.header.committed);
            return written.map_err(|source| file.not_written(source));
        }
        let (header, random) = (&mut self.header, &mut self.random);
        let file = self.stores.with_first(|store| {
            let fd = loop {
                header.id = new_id(header.created, random)?;
                if let Some(fd) = create_locked(&store, &header.id)? {
                    break fd;
                }
            };
            header.store = store.identity().cloned();
            header.local = store.is_local();
            let mut lines = Vec::with_capacity(1024);
            let mut end = End::default();
            end.push_header(&mut lines, header)?;
            end.push_event(&mut lines, event)?;
            match write_lines(&fd, &lines, End::default(), end) {
                Ok(()) => {
                    let text = (header.lifetime == Lifetime::Command).then_some(lines);
                    Ok(LeaseFile { store, fd, end, text, may_be_changed: false, inherited: None })
                }
                Err(err) => {
                    let _ = unlinkat(store.dir(), &header.id, AtFlags::empty());
                    Err(err)
                }
            }
        })?;
        self.file = Some(file);
        Ok(())
    }

    /// Records that the caller has the paths. From now on, the lifetime counts. Fails if the lease has
    /// been removed, so that nothing would be known of its resources.
    pub(crate) fn commit(&mut self) -> Result<(), StoreError> {
        self.header.committed = true;
        let Some(file) = &mut self.file else { return Ok(()) };
        file.commit().map_err(|source| file.not_written(source))
    }

    /// Returns the lifetime that ends this time from now: that of a lease counts from its creation.
    pub(crate) fn for_another(&self, time: Duration) -> Lifetime {
        let age = Moment::now().since(self.header.created, true).unwrap_or_default();
        let ttl_ms = u64::try_from(age.saturating_add(time).as_millis()).unwrap_or(u64::MAX);
        Lifetime::Bound { owner: None, ttl_ms: Some(ttl_ms) }
    }

    /// Changes when the lease ends.
    pub(crate) fn change_lifetime(&mut self, lifetime: Lifetime) -> Result<(), StoreError> {
        if let Some(file) = &mut self.file {
            file.may_be_changed = true;
        }
        self.append(&Event::Lifetime(lifetime.clone()))?;
        self.header.lifetime = lifetime;
        Ok(())
    }

    /// Records the process of the command that the lease was created for. If tmpx is killed, the lease
    /// does not end before that process, even if the command has closed the descriptor with the lock.
    pub(crate) fn record_command(
        &mut self,
        command: Process,
        private_tmp: Option<PrivateTmp>,
    ) -> Result<(), StoreError> {
        if let Some(private_tmp) = private_tmp {
            self.append(&Event::PrivateTmp(private_tmp))?;
        }
        self.append(&Event::Command(command))
    }

    /// Lets the commands that tmpx runs inherit the lock, so that a command which outlives tmpx still
    /// holds it. They inherit a descriptor with a number that scripts do not use for files of their
    /// own. It is read-only, so that they cannot write into the lease.
    pub(crate) fn inherit_lock(&mut self) -> Result<(), StoreError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let inherited = share_lock(file, &self.header.id).map_err(StoreError::LockNotShared)?;
        file.inherited = Some(inherited);
        file.may_be_changed = true;
        Ok(())
    }

    /// Returns the lease in the form in which it can be reclaimed, with its store. Returns `None` if
    /// nothing was written.
    pub(crate) fn locked(&self) -> io::Result<Option<(&Store, LockedLease<'_>)>> {
        let Some(LeaseFile { store, fd, text, .. }) = &self.file else { return Ok(None) };
        let lease = LockedLease::new(store, &self.header.id, fd.try_clone()?, text.as_deref());
        Ok(Some((store, lease)))
    }

    /// Releases the lock, and returns the store that holds the lease. Returns `None` if nothing was
    /// written.
    pub(crate) fn close(&mut self) -> Option<Store> {
        self.file.take().map(|file| file.store)
    }
}

impl LeaseFile {
    /// Adds a line.
    fn append(&mut self, event: &Event, committed: bool) -> io::Result<()> {
        let start = self.end;
        let (mut line, mut end) = (Vec::with_capacity(256), start);
        end.push_event(&mut line, event)?;
        self.restore()?;
        write_lines(&self.fd, &line, start, end)?;
        self.end = end;
        if let Some(text) = &mut self.text {
            text.extend_from_slice(&line);
        }
        self.may_be_changed = matches!(event, Event::Command(_));
        if !committed {
            return Ok(());
        }
        self.give().inspect_err(|_| self.cut_to(start))
    }

    /// Removes the lines after `end`, so that the lease does not say what the caller takes for not
    /// written.
    fn cut_to(&mut self, end: End) {
        let _ = ftruncate(&self.fd, end.length);
        let _ = seek(&self.fd, SeekFrom::Start(end.length));
        self.end = end;
        if let Some(text) = &mut self.text {
            text.truncate(usize::try_from(end.length).unwrap_or(text.len()));
        }
        let _ = self.give();
    }

    fn commit(&mut self) -> io::Result<()> {
        if fstat(&self.fd)?.st_nlink == 0 {
            return Err(Errno::NOENT.into());
        }
        self.give()
    }

    fn give(&mut self) -> io::Result<()> {
        if let Some(text) = &mut self.text {
            self.end.give(text);
        }
        write_commit(&self.fd, self.end)
    }

    /// Writes the lease again if a command has changed it. Commands get a read-only descriptor, but
    /// they run as the same user, and can open the file by it.
    fn restore(&mut self) -> io::Result<()> {
        let Some(text) = self.text.as_ref().filter(|_| self.may_be_changed) else { return Ok(()) };
        let mut found = vec![0; text.len() + 1];
        if read_at(&self.fd, &mut found, 0)? != text {
            ftruncate(&self.fd, 0)?;
            seek(&self.fd, SeekFrom::Start(0))?;
            write_all(self.fd.as_fd(), text)?;
        }
        Ok(())
    }

    fn not_written(&self, source: io::Error) -> StoreError {
        StoreError::LeaseNotWritten { store: self.store.path().to_owned(), source }
    }
}

/// Creates the lease file and locks it. Between the two calls, a cleanup may take the empty file for
/// one that a killed process left, and remove it. Then this returns `None`, and the caller tries
/// again.
fn create_locked(store: &Store, id: &str) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    // systemd-tmpfiles(8) spares files with the sticky bit.
    let mode = Mode::RUSR | Mode::WUSR | Mode::SVTX;
    let fd = openat(store.dir(), id, flags, mode)?;
    if !sys::try_lock(fd.as_fd())? {
        return Ok(None);
    }
    let stat = fstat(&fd)?;
    if !Mode::from_raw_mode(stat.st_mode).contains(mode) {
        // A umask that denies access to the owner would also keep every cleanup out.
        fchmod(&fd, mode)?;
    }
    Ok((stat.st_nlink == 1).then_some(fd))
}

/// The lowest number for the descriptor that commands inherit, in order of preference. A low limit on
/// descriptors rules out the high numbers.
const INHERITED_FD: [i32; 3] = [100, 20, 3];

/// Turns the lock into one that other processes can hold too, and returns a read-only descriptor that
/// commands inherit.
fn share_lock(file: &LeaseFile, id: &str) -> io::Result<OwnedFd> {
    // If the filesystem refuses, the times of the file may still show that a command has emptied it.
    let _ = fchmod(&file.fd, Mode::from_raw_mode(MODE_OF_SHARED));
    sys::share_lock(file.fd.as_fd())?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let read_only = openat(file.store.dir(), id, flags, Mode::empty())?;
    sys::share_lock(read_only.as_fd())?;
    let [high, lower, lowest] = INHERITED_FD;
    let duplicate = |min| sys::duplicate_inheritable(read_only.as_fd(), min);
    duplicate(high).or_else(|_| duplicate(lower)).or_else(|_| duplicate(lowest))
}

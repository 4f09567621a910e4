//! No resource without a lease.
//!
//! A [`Lease`] is the record of one run of tmpx, open and locked while that run makes things. It
//! comes into being with its first intent, which is written before the thing exists; the functions
//! in [`create`] that make things take a `&mut Lease`, and there are no others. [`Lease::give`]
//! marks that the caller has been told. An unlocked lease that was not given has ended, whatever
//! its lifetime: nobody knows of what it made.
//!
//! [`unrecorded`] is the one exception, for mktemp without a lifetime.

pub mod create;
pub mod read;
pub mod record;
pub mod store;
pub mod unnamed;
pub mod unrecorded;

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::Context as _;
use rustix::fs::{AtFlags, Mode, OFlags, fstat, openat, unlinkat};
use serde::Serialize;

use crate::clock::Moment;
use crate::entropy::{Entropy, NAME_LENGTH};
use crate::process::{Habitat, Process};
use crate::sys;
use record::{Event, GIVEN_OFFSET, Header, Lifetime, VERSION};
use store::{Store, Stores};

/// What a lease is to say, known before it is written.
#[derive(Clone, Debug)]
pub struct Terms {
    /// When it ends.
    pub lifetime: Lifetime,
    /// The group it belongs to.
    pub session: Option<String>,
    /// The script that calls.
    pub caller: Option<Process>,
    /// Where this process belongs to.
    pub habitat: Habitat,
}

/// A lease that is being written.
#[derive(Debug)]
pub struct Lease {
    header: Header,
    stores: Stores,
    written: Option<Written>,
}

/// A lease file, open and locked.
#[derive(Debug)]
struct Written {
    store: Store,
    file: OwnedFd,
}

/// Whether a file name is that of a lease: the time in 12 hexadecimal digits, then random
/// characters.
#[must_use]
pub fn is_id(name: &str) -> bool {
    match name.split_once('-') {
        Some((time, random)) => {
            time.len() == 12
                && time.bytes().all(|byte| byte.is_ascii_hexdigit())
                && random.len() == NAME_LENGTH
                && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }
        None => false,
    }
}

fn new_id(now: Moment, entropy: &mut Entropy) -> io::Result<String> {
    let mut id = format!("{:012x}-", now.wall_ms & 0xffff_ffff_ffff).into_bytes();
    entropy.push_name(&mut id, NAME_LENGTH)?;
    // All of it is ASCII.
    Ok(String::from_utf8_lossy(&id).into_owned())
}

impl Lease {
    /// A lease on these terms. Nothing is on disk yet.
    #[must_use]
    pub fn new(stores: Stores, terms: Terms) -> Self {
        let header = Header {
            v: VERSION,
            given: 0,
            id: String::new(),
            created: Moment::now(),
            habitat: terms.habitat,
            caller: terms.caller,
            lifetime: terms.lifetime,
            session: terms.session,
        };
        Self { header, stores, written: None }
    }

    /// The lease's name; empty before the first intent.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.header.id
    }

    /// When it ends.
    #[must_use]
    pub fn lifetime(&self) -> &Lifetime {
        &self.header.lifetime
    }

    /// Where this process belongs to.
    #[must_use]
    pub fn habitat(&self) -> &Habitat {
        &self.header.habitat
    }

    /// The group it belongs to.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.header.session.as_deref()
    }

    /// Adds a line; the first one brings the lease into being. When this has returned, whatever
    /// the line announces may be done.
    fn append(&mut self, event: &Event, entropy: &mut Entropy) -> anyhow::Result<()> {
        if let Some(written) = &self.written {
            let line = line(event)?;
            return write_whole(&written.file, &line).with_context(|| written.could_not_write());
        }
        let header = &mut self.header;
        let written = self.stores.with_first(|store| {
            let file = loop {
                header.id = new_id(header.created, entropy)?;
                if let Some(file) = create_locked(&store, &header.id)? {
                    break file;
                }
            };
            let mut lines = line(header)?;
            lines.extend(line(event)?);
            match write_whole(&file, &lines) {
                Ok(()) => Ok(Written { store, file }),
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
    ///
    /// # Errors
    /// As write(2).
    pub fn give(&mut self) -> anyhow::Result<()> {
        self.header.given = 1;
        let Some(written) = &self.written else {
            return Ok(());
        };
        rustix::io::pwrite(&written.file, b"1", GIVEN_OFFSET)
            .with_context(|| written.could_not_write())?;
        Ok(())
    }

    /// Gives the lease another lifetime.
    ///
    /// # Errors
    /// As write(2).
    pub fn change_lifetime(
        &mut self,
        lifetime: Lifetime,
        entropy: &mut Entropy,
    ) -> anyhow::Result<()> {
        self.append(&Event::Lifetime(lifetime.clone()), entropy)?;
        self.header.lifetime = lifetime;
        Ok(())
    }

    /// Moves the lock to a descriptor of at least `min` that commands inherit, so that a command
    /// which outlives tmpx still holds it. The low numbers are where scripts open files of their
    /// own, over whatever is there.
    ///
    /// # Errors
    /// As fcntl(2).
    pub fn bequeath_lock(&mut self, min: i32) -> io::Result<()> {
        if let Some(written) = &mut self.written {
            written.file = sys::duplicate_inheritable(written.file.as_fd(), min)?;
        }
        Ok(())
    }

    /// The lease as one that this process holds the lock of, which is how it is reclaimed. `None`
    /// where nothing was written.
    ///
    /// # Errors
    /// As dup(2).
    pub fn held(&self) -> io::Result<Option<read::Held<'_>>> {
        let Some(Written { store, file }) = &self.written else {
            return Ok(None);
        };
        Ok(Some(read::Held::new(store, &self.header.id, file.try_clone()?)))
    }
}

impl Lease {
    /// Lets go of the lock, and gives the store where the lease is. `None` where nothing was
    /// written.
    #[must_use]
    pub fn close(&mut self) -> Option<Store> {
        self.written.take().map(|written| written.store)
    }
}

impl Written {
    fn could_not_write(&self) -> String {
        format!("could not write the lease in {}", self.store.path().display())
    }
}

/// Makes the lease file and takes its lock. Between the two a cleaner may take the empty file for
/// one that was left behind, and remove it: `None` then, and another one is to be made.
fn create_locked(store: &Store, id: &str) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = openat(store.dir(), id, flags, Mode::RUSR | Mode::WUSR)?;
    let ours = sys::try_lock(file.as_fd())? && fstat(&file)?.st_nlink == 1;
    Ok(ours.then_some(file))
}

fn line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(512);
    serde_json::to_writer(&mut line, value)?;
    line.push(b'\n');
    Ok(line)
}

fn write_whole(file: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
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

/// The lowest descriptor that the lock of `exec` goes to.
pub const LOCK_DESCRIPTOR: i32 = 100;

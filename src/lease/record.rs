//! What a lease says.
//!
//! A [`Record`] is the content of a lease file: its [`Header`], and the [`Resource`]s and the lifetime
//! that its [`Event`]s add up to. `format` writes and reads the current format, `format_v1` reads the
//! first one.
//!
//! Each batch of resources writes its intent before it is created and its identities afterwards. An
//! intent that is followed by another intent, without identities in between, was not carried out:
//! the call failed. The last intent may have been carried out.
//!
//! An intent for a name that an earlier resource has, without a random part, announces an exchange: the
//! name may come to belong to another entry, with the identity that follows, or to the entry of another
//! program. So from then on, only an identity counts.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fs::{DirId, EntryId};
use crate::os::random::is_unguessable;
use crate::os::{Moment, Mounts, Namespaces, Process};
use crate::values::OsJson;

/// The first line of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The version of the format.
    pub v: u64,
    /// Whether the caller has the paths.
    pub committed: bool,
    /// The id of the lease, which is also the name of its file.
    pub id: String,
    /// The identity of the directory that the lease was created in, if its filesystem has lasting
    /// ones.
    pub store: Option<DirId>,
    /// Whether that directory is on a filesystem that no other computer can use.
    pub local: bool,
    /// When the lease was created.
    pub created: Moment,
    /// The boot and the namespaces in which the lease was created. They give its process numbers and
    /// paths their meaning.
    pub namespaces: Namespaces,
    /// The script that called tmpx.
    pub caller: Option<Process>,
    /// When the lease ends, unless a later event changes that.
    pub lifetime: Lifetime,
    /// The name that groups it with other leases.
    pub session: Option<String>,
}

/// When a lease ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Lifetime {
    /// When a cleanup asks for it.
    Manual,
    /// When the command that tmpx runs has ended: when no process holds the lock any more.
    Command,
    /// When the owner exits or the time is up, whichever comes first.
    Bound {
        /// The process whose exit ends the lease.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<Process>,
        /// The time to live, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ttl_ms: Option<u64>,
    },
}

impl Lifetime {
    /// Returns the word for it in JSON.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Command => "command",
            Self::Bound { owner: Some(_), .. } => "until_exit",
            Self::Bound { owner: None, .. } => "ttl",
        }
    }

    /// Returns the time to live, if there is a limit.
    pub(crate) fn ttl(&self) -> Option<Duration> {
        match self {
            Self::Bound { ttl_ms, .. } => ttl_ms.map(Duration::from_millis),
            _ => None,
        }
    }
}

/// The type of entry that a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symlink that waits under a hidden name until it is renamed.
    Link,
}

impl Kind {
    /// Returns the word for it in messages.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Dir => "directory",
            Self::Link => "symlink",
        }
    }
}

/// A line after the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Event {
    /// Entries are about to be created under these names.
    Intent {
        /// Their type.
        kind: Kind,
        /// The real path of their directory.
        dir: OsJson,
        /// Their names in it.
        names: Vec<OsJson>,
        /// The identity of that directory.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<DirId>,
        /// The mount that the directory was reached by. No later mount has the same number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mount: Option<u64>,
        /// The random part of each name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RandomPart>,
    },
    /// The entries of the last intent were created, with these identities, in the same order.
    #[serde(rename = "made")]
    Created(Vec<EntryId>),
    /// The only resource of the last intent is about to be renamed to this name in its directory.
    Publish(OsJson),
    /// From now on, the lease has this lifetime.
    Lifetime(Lifetime),
    /// The command that the lease was created for runs as this process.
    Command(Process),
    /// The command has other directories at these paths, which are parts of the workspace and end with
    /// it.
    PrivateTmp(PrivateTmp),
    /// At this time (milliseconds since the epoch), a cleanup could not see the resources.
    Unseen(u64),
    /// At this time, a cleanup saw them again.
    Seen(u64),
}

/// The random part of a name: its first byte and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RandomPart(pub u32, pub u32);

impl RandomPart {
    /// Whether the name has a random part here.
    fn is_in(self, name: &OsJson) -> bool {
        let range = usize::try_from(self.0).ok().zip(usize::try_from(self.1).ok());
        range.and_then(|(start, length)| name.0.as_bytes().get(start..)?.get(..length)).is_some_and(
            |run| is_unguessable(run.len()) && run.iter().all(u8::is_ascii_alphanumeric),
        )
    }
}

/// Directories that a command sees at paths where others see other ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PrivateTmp {
    /// What the command sees at its paths.
    pub mounts: Mounts,
    /// The paths.
    pub dirs: Vec<OsJson>,
}

/// A resource, as far as its lease describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    /// Its type.
    pub kind: Kind,
    /// The real path of its directory.
    pub dir: PathBuf,
    /// The identity of its directory. Leases of format 1 do not record it.
    pub parent: Option<DirId>,
    /// The mount that its directory was reached by. Leases of format 1 do not record it.
    pub mount: Option<u64>,
    /// The name under which it was created.
    pub name: OsJson,
    /// The random part of `name`. `None` if the name is not known to be random.
    pub run: Option<RandomPart>,
    /// The name under which it was published, or was about to be.
    pub published: Option<OsJson>,
    /// Its identity. `None` if the record ends before it was written.
    pub identity: Option<EntryId>,
    /// The identity of the entry that has its name after an exchange.
    pub exchanged: Option<EntryId>,
}

impl Resource {
    /// Whether it was created under the same path as another one.
    fn has_name_of(&self, other: &Self) -> bool {
        (&self.dir, &self.name) == (&other.dir, &other.name)
    }

    /// Returns the path that was printed to the caller.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join(self.published.as_ref().unwrap_or(&self.name).as_path())
    }

    /// Returns it as it is if its entry has this path: under its first name, if its creator was killed
    /// before it published it.
    pub(crate) fn found_at(&self, path: &Path) -> Self {
        let is_published = self.path() == path;
        Self { published: self.published.clone().filter(|_| is_published), ..self.clone() }
    }

    /// Returns the path of its first name.
    pub(crate) fn first_path(&self) -> PathBuf {
        self.dir.join(self.name.as_path())
    }

    /// Returns the id of the filesystem that it was created on, if that is known.
    pub(crate) fn fsid(&self) -> Option<u64> {
        self.identity.as_ref().and_then(EntryId::old_fsid)
    }

    /// Returns the names that it may have, each with whether another process may have chosen it. A
    /// published name always counts as chosen.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&OsJson, bool)> {
        let published = self.published.iter().map(|name| (name, true));
        published.chain(std::iter::once((&self.name, self.run.is_none())))
    }
}

/// The content of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The first line.
    pub header: Header,
    /// The resources that the lease covers.
    pub resources: Vec<Resource>,
    /// When the lease ends, according to the last line that says so.
    pub lifetime: Lifetime,
    /// The command that the lease was created for, once it runs.
    pub command: Option<Process>,
    /// Its private /tmp, if it has one.
    pub private_tmp: Option<PrivateTmp>,
    /// Since when the resources have been out of sight, in milliseconds since the epoch.
    pub unseen: Option<u64>,
}

impl Record {
    /// Returns the record of a lease that says no more than its header.
    pub(crate) fn new(header: Header) -> Self {
        let lifetime = header.lifetime.clone();
        Self {
            header,
            resources: Vec::new(),
            lifetime,
            command: None,
            private_tmp: None,
            unseen: None,
        }
    }

    /// From now on, no name counts as one that only tmpx can have chosen. Only an identity proves.
    pub(super) fn distrust_names(&mut self) {
        self.resources.iter_mut().for_each(|resource| resource.run = None);
    }
}

/// Why a lease cannot be read. Such a lease is kept and reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("it has format version {0}, written by a newer tmpx")]
    Version(u64),
    #[error("it was written by a newer tmpx")]
    Newer,
    #[error("it is damaged")]
    Damaged,
    #[error("it was copied or brought from elsewhere")]
    Elsewhere,
}

/// Adds up the events of a lease.
#[derive(Debug)]
pub(super) struct Replay {
    record: Record,
    /// The resources of the last intent that are not known to exist. They are at the end of the list.
    intended: usize,
    /// The index of the resource whose exchange is announced.
    exchange: Option<usize>,
}

impl Replay {
    pub(super) fn new(header: Header) -> Self {
        Self { record: Record::new(header), intended: 0, exchange: None }
    }

    /// Adds the resources of an intent.
    pub(super) fn intend(&mut self, resources: Vec<Resource>) -> Result<(), Unreadable> {
        let is_sound = |one: &Resource| {
            is_real_path(&one.dir)
                && is_entry(&one.name)
                && one.run.is_none_or(|run| run.is_in(&one.name))
        };
        if !resources.iter().all(is_sound) {
            return Err(Unreadable::Damaged);
        }
        let known = &mut self.record.resources;
        known.truncate(known.len() - self.intended);
        self.intended = 0;
        self.exchange = match &resources[..] {
            [one] if one.run.is_none() => known.iter().position(|other| other.has_name_of(one)),
            _ => None,
        };
        if self.exchange.is_some() {
            return Ok(());
        }
        self.intended = resources.len();
        known.extend(resources);
        Ok(())
    }

    /// Adds any other event.
    pub(super) fn apply(&mut self, event: Event) -> Result<(), Unreadable> {
        match event {
            Event::Intent { kind, dir, names, parent, mount, run } => {
                let dir = dir.as_path();
                let resources = names.into_iter().map(|name| Resource {
                    kind,
                    dir: dir.to_owned(),
                    parent: parent.clone(),
                    mount,
                    name,
                    run,
                    published: None,
                    identity: None,
                    exchanged: None,
                });
                self.intend(resources.collect())?;
            }
            Event::Created(identities) => self.create(identities)?,
            Event::Publish(name) => {
                let last = self.record.resources.last_mut().filter(|_| is_entry(&name));
                last.ok_or(Unreadable::Damaged)?.published = Some(name);
            }
            Event::Lifetime(lifetime) => self.record.lifetime = lifetime,
            Event::Command(command) => self.record.command = Some(command),
            Event::PrivateTmp(private) => self.record.private_tmp = Some(private),
            Event::Unseen(since) => {
                self.record.unseen.get_or_insert(since);
            }
            Event::Seen(_) => self.record.unseen = None,
        }
        Ok(())
    }

    fn create(&mut self, mut identities: Vec<EntryId>) -> Result<(), Unreadable> {
        if let Some(index) = self.exchange.take()
            && let Some(resource) = self.record.resources.get_mut(index)
        {
            resource.run = None;
            resource.exchanged = identities.pop();
        }
        if identities.len() > self.intended {
            return Err(Unreadable::Damaged);
        }
        let resources = &mut self.record.resources;
        let first = resources.len() - self.intended;
        // A call that failed halfway created fewer entries than it announced.
        resources.truncate(first + identities.len());
        for (resource, identity) in resources[first..].iter_mut().zip(identities) {
            resource.identity = Some(identity);
        }
        self.intended = 0;
        Ok(())
    }

    /// Returns the record. A caller cannot have paths of a lease that covers nothing.
    pub(super) fn finish(self) -> Result<Record, Unreadable> {
        if self.record.header.committed && self.record.resources.is_empty() {
            return Err(Unreadable::Damaged);
        }
        Ok(self.record)
    }
}

/// Whether a name can be the name of an entry in a directory. tmpx writes no other names and acts on
/// no others.
fn is_entry(name: &OsJson) -> bool {
    let bytes = name.0.as_bytes();
    !matches!(bytes, b"" | b"." | b"..") && !bytes.contains(&b'/') && !bytes.contains(&0)
}

/// Whether a path can be a real path: absolute, without empty parts, `.` and `..`.
fn is_real_path(path: &Path) -> bool {
    let Some(parts) = path.as_os_str().as_bytes().strip_prefix(b"/") else { return false };
    let is_part = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
    parts.is_empty() || parts.split(|&byte| byte == b'/').all(is_part)
}

//! The format of a lease file, version 1.
//!
//! A lease file holds JSON lines: a header, then events in the order in which they happened. Only
//! one byte ever changes in place: `given` in the header, at a fixed offset. It turns from 0 to 1
//! once the caller has the paths. So a committed lease that lost its end is recognized as damaged,
//! and is never mistaken for one whose creator was killed before it printed anything.
//!
//! Each batch of resources writes its intent before it is created and its identities afterwards. An
//! intent that is followed by another intent, without identities in between, was not carried out:
//! the call failed. The last intent may have been carried out. Each line is one write(2). A last
//! line without a newline was not finished, and nothing that it announces was begun.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fs::EntryId;
use crate::os::{Moment, Namespaces, Process};
use crate::values::OsJson;

/// The version of the format. A lease of another version is kept and reported, never acted on.
pub(crate) const VERSION: u32 = 1;

/// The offset of the value of `given`: after `{"v":1,"given":`.
pub(crate) const COMMITTED_OFFSET: u64 = 15;

/// The first line of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The version of the format. It comes first, so that it can be read from any version.
    pub v: u32,
    /// 1 once the caller has the paths.
    #[serde(rename = "given")]
    pub committed: u8,
    /// The id of the lease, which is also the name of its file.
    pub id: String,
    /// When the lease was created.
    pub created: Moment,
    /// The boot and the namespaces in which the lease was created. They give its process numbers and
    /// paths their meaning.
    #[serde(rename = "habitat")]
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
#[serde(rename_all = "snake_case")]
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
#[serde(rename_all = "snake_case")]
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
#[serde(rename_all = "snake_case")]
pub(crate) enum Event {
    /// Entries are about to be created under these names.
    Intent {
        /// Their type.
        kind: Kind,
        /// The real path of their directory.
        dir: OsJson,
        /// Their names in it.
        names: Vec<OsJson>,
        /// Whether other users could guess the names. If so, only the identity proves ownership.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        guessable: bool,
    },
    /// The entries of the last intent were created, with these identities, in the same order.
    #[serde(rename = "made")]
    Created(Vec<EntryId>),
    /// The only resource of the last intent is about to be renamed to this name in its directory.
    Publish(OsJson),
    /// From now on, the lease has this lifetime.
    Lifetime(Lifetime),
}

/// A resource, as far as its lease describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    /// Its type.
    pub kind: Kind,
    /// The real path of its directory.
    pub dir: PathBuf,
    /// The name under which it was created.
    pub name: OsJson,
    /// The name under which it was published, or was about to be.
    pub published: Option<OsJson>,
    /// Whether other users could guess `name`.
    pub guessable: bool,
    /// Its identity. `None` if the record ends before it was written.
    pub identity: Option<EntryId>,
}

impl Resource {
    /// Returns the path that was printed to the caller.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join(self.published.as_ref().unwrap_or(&self.name).as_path())
    }

    /// Returns the id of the filesystem that it was created on, if that is known.
    pub(crate) fn fsid(&self) -> Option<u64> {
        self.identity.as_ref().and_then(EntryId::old_fsid)
    }

    /// Returns the names that it may have, each with whether other users could guess it. A published
    /// name always counts as guessable: the user chose it.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&OsJson, bool)> {
        let published = self.published.iter().map(|name| (name, true));
        published.chain(std::iter::once((&self.name, self.guessable)))
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
}

/// Why a lease cannot be read. Such a lease is kept and reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("it has format version {0}, written by a newer tmpx")]
    Version(u32),
    #[error("it is damaged")]
    Damaged,
}

impl Record {
    /// Parses the content of the lease file `id`.
    pub(crate) fn parse(id: &str, bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
        let header = Self::header(lines.next().unwrap_or_default())?;
        if header.id != id {
            return Err(Unreadable::Damaged);
        }
        let mut record = Self { lifetime: header.lifetime.clone(), header, resources: Vec::new() };
        let mut intended = 0;
        for line in lines {
            match line.strip_suffix(b"\n").map(serde_json::from_slice) {
                Some(Ok(event)) => record.apply(event, &mut intended)?,
                // An unfinished line means that the creator was killed. A creator that committed had
                // finished all lines.
                None if record.header.committed == 0 => {}
                None | Some(Err(_)) => return Err(Unreadable::Damaged),
            }
        }
        if record.header.committed == 1 && record.resources.is_empty() {
            return Err(Unreadable::Damaged);
        }
        Ok(record)
    }

    fn header(line: &[u8]) -> Result<Header, Unreadable> {
        #[derive(Deserialize)]
        struct AnyVersion {
            v: u32,
        }
        let line = line.strip_suffix(b"\n").ok_or(Unreadable::Damaged)?;
        match serde_json::from_slice::<AnyVersion>(line) {
            Ok(AnyVersion { v: VERSION }) => {}
            Ok(AnyVersion { v }) => return Err(Unreadable::Version(v)),
            Err(_) => return Err(Unreadable::Damaged),
        }
        serde_json::from_slice(line).map_err(|_| Unreadable::Damaged)
    }

    /// Applies one event. `intended` counts the resources of the last intent that are not known to
    /// exist. They are at the end of the list.
    fn apply(&mut self, event: Event, intended: &mut usize) -> Result<(), Unreadable> {
        match event {
            Event::Intent { kind, dir, names, guessable } => {
                self.resources.truncate(self.resources.len() - *intended);
                *intended = names.len();
                let dir: &Path = dir.as_path();
                if !dir.is_absolute() || !names.iter().all(is_entry) {
                    return Err(Unreadable::Damaged);
                }
                self.resources.extend(names.into_iter().map(|name| Resource {
                    kind,
                    dir: dir.to_owned(),
                    name,
                    published: None,
                    guessable,
                    identity: None,
                }));
            }
            Event::Created(identities) => {
                if identities.len() > *intended {
                    return Err(Unreadable::Damaged);
                }
                let first = self.resources.len() - *intended;
                // A call that failed halfway created fewer entries than it announced.
                self.resources.truncate(first + identities.len());
                for (resource, identity) in self.resources[first..].iter_mut().zip(identities) {
                    resource.identity = Some(identity);
                }
                *intended = 0;
            }
            Event::Publish(name) => {
                if !is_entry(&name) {
                    return Err(Unreadable::Damaged);
                }
                let last = self.resources.last_mut().ok_or(Unreadable::Damaged)?;
                last.published = Some(name);
            }
            Event::Lifetime(lifetime) => self.lifetime = lifetime,
        }
        Ok(())
    }
}

/// Whether a name can be the name of an entry in a directory. tmpx writes no other names and acts on
/// no others.
fn is_entry(name: &OsJson) -> bool {
    let bytes = name.0.as_bytes();
    !matches!(bytes, b"" | b"." | b"..") && !bytes.contains(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(committed: u8) -> Header {
        Header {
            v: VERSION,
            committed,
            id: "one".into(),
            created: Moment { wall_ms: 1, boot_ms: 2 },
            namespaces: Namespaces::default(),
            caller: None,
            lifetime: Lifetime::Manual,
            session: None,
        }
    }

    fn line(value: &impl Serialize) -> String {
        serde_json::to_string(value).unwrap() + "\n"
    }

    fn intent(names: &[&str]) -> Event {
        Event::Intent {
            kind: Kind::File,
            dir: OsJson("/tmp".into()),
            names: names.iter().map(|&name| OsJson(name.into())).collect(),
            guessable: false,
        }
    }

    fn created(count: u64) -> Event {
        Event::Created((0..count).map(|ino| format!("R.{ino:x}").parse().unwrap()).collect())
    }

    fn names(text: &str) -> Result<Vec<String>, Unreadable> {
        let record = Record::parse("one", text.as_bytes())?;
        Ok(record.resources.iter().map(|one| one.name.0.to_str().unwrap().to_owned()).collect())
    }

    #[test]
    fn the_byte_that_commits_a_lease_is_at_its_fixed_offset() {
        let text = line(&header(0));
        assert_eq!(text.as_bytes()[usize::try_from(COMMITTED_OFFSET).unwrap()], b'0');
    }

    #[test]
    fn an_intent_without_identities_counts_only_if_it_is_the_last() {
        let text = line(&header(0)) + &line(&intent(&["a"])) + &line(&intent(&["b"]));
        assert_eq!(names(&text), Ok(vec!["b".into()]));
        let text = text + &line(&created(1)) + &line(&intent(&["c"]));
        assert_eq!(names(&text), Ok(vec!["b".into(), "c".into()]));
    }

    #[test]
    fn a_batch_that_was_created_in_part_counts_in_part() {
        let text = line(&header(0)) + &line(&intent(&["a", "b", "c"])) + &line(&created(2));
        assert_eq!(names(&text), Ok(vec!["a".into(), "b".into()]));
    }

    #[test]
    fn a_torn_end_means_a_killed_creator_before_the_commit_and_damage_after_it() {
        let torn = |committed| line(&header(committed)) + &line(&intent(&["a"])) + "{\"made\":[";
        assert_eq!(names(&torn(0)), Ok(vec!["a".into()]));
        assert_eq!(names(&torn(1)), Err(Unreadable::Damaged));
    }

    #[test]
    fn a_newer_version_is_distinguished_from_damage() {
        assert_eq!(names("{\"v\":2,\"new\":true}\n"), Err(Unreadable::Version(2)));
        assert_eq!(names("{\"v\":1}\n"), Err(Unreadable::Damaged));
        assert_eq!(names(""), Err(Unreadable::Damaged));
        assert_eq!(names("nonsense\n"), Err(Unreadable::Damaged));
    }

    #[test]
    fn a_lease_whose_file_was_renamed_is_damaged() {
        let text = line(&header(1)) + &line(&intent(&["a"]));
        assert_eq!(Record::parse("two", text.as_bytes()), Err(Unreadable::Damaged));
    }

    #[test]
    fn a_name_that_leads_out_of_its_directory_is_damage() {
        for name in ["../x", "a/b", "..", ""] {
            let text = line(&header(0)) + &line(&intent(&[name]));
            assert_eq!(names(&text), Err(Unreadable::Damaged), "{name}");
        }
    }

    proptest! {
        /// A committed lease that loses its end must never count as ended.
        #[test]
        fn a_committed_lease_cut_anywhere_stays_committed_or_is_damaged(cut in 0usize..1000) {
            let text = line(&header(1)) + &line(&intent(&["a", "b"])) + &line(&created(2));
            let cut = cut % (text.len() + 1);
            if let Ok(record) = Record::parse("one", &text.as_bytes()[..cut]) {
                prop_assert_eq!(record.header.committed, 1);
            }
        }

        #[test]
        fn no_input_makes_the_parser_panic(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = line(&header(0)).into_bytes();
            bytes.extend(tail);
            let _ = Record::parse("one", &bytes);
        }
    }
}

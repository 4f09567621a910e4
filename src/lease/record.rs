//! What a lease file says.
//!
//! JSON lines: a header, then events in the order in which things happened. The one byte that ever
//! changes in place is the header's `given`, at a fixed offset: it turns from 0 to 1 when the caller
//! has been told, so a record whose end was torn off is never mistaken for one whose maker was
//! killed before it told anybody.
//!
//! The protocol, per resource: its intent is written before it is made, its identity after. So an
//! intent that a later intent follows without a `made` in between was not carried out (the call
//! failed); the last one may have been. A line is one write(2), and a last line without its newline
//! is one that was not finished: nothing that it announces was begun.

use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fs::Identity;
use crate::os::{Moment, Namespaces, Process};
use crate::values::OsJson;

/// The version of the format. Another one is kept and reported, never acted on.
pub(crate) const VERSION: u32 = 1;

/// Where the header's `given` stands: after `{"v":1,"given":`.
pub(crate) const COMMITTED_OFFSET: u64 = 15;

/// The first line of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The format's version. First, so that it can be read of any.
    pub v: u32,
    /// 1 when the caller has been told of the resources.
    #[serde(rename = "given")]
    pub committed: u8,
    /// The lease's name, which is that of its file.
    pub id: String,
    /// When it was made.
    pub created: Moment,
    /// Where the processes named here belong to.
    pub habitat: Namespaces,
    /// The script that called.
    pub caller: Option<Process>,
    /// When it ends.
    pub lifetime: Lifetime,
    /// The name of a group that it belongs to.
    pub session: Option<String>,
}

/// When a lease ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Lifetime {
    /// By a cleanup that asks for it.
    Manual,
    /// With the command that tmpx runs: when nobody holds the lock any more.
    Command,
    /// When the owner exits or the time is up, whichever is first.
    Bound {
        /// The process whose exit ends it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<Process>,
        /// How long it lasts, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ttl_ms: Option<u64>,
    },
}

impl Lifetime {
    /// The word for it in the output.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Command => "command",
            Self::Bound { owner: Some(_), .. } => "until_exit",
            Self::Bound { owner: None, .. } => "ttl",
        }
    }

    /// How long it lasts at most.
    pub(crate) fn ttl(&self) -> Option<Duration> {
        match self {
            Self::Bound { ttl_ms, .. } => ttl_ms.map(Duration::from_millis),
            _ => None,
        }
    }
}

/// What sort of entry a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symlink, on its way to a name of its own.
    Link,
}

impl Kind {
    /// The word for it.
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
    /// These names are about to be made.
    Intent {
        /// What they will be.
        kind: Kind,
        /// The real path of their directory.
        dir: OsJson,
        /// Their names in it.
        names: Vec<OsJson>,
        /// Whether somebody else could guess the names: then only the identity tells.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        guessable: bool,
    },
    /// The names of the last intent have been made: their identities, in the same order.
    Made(Vec<Identity>),
    /// The one resource of the last intent is about to be given this name in the same directory.
    Publish(OsJson),
    /// The lifetime is another one from now on.
    Lifetime(Lifetime),
}

/// One resource, as far as its lease tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    /// File or directory.
    pub kind: Kind,
    /// The real path of its directory.
    pub dir: PathBuf,
    /// The name it was made under.
    pub name: OsJson,
    /// The name it was published under, or was about to be.
    pub published: Option<OsJson>,
    /// Whether its first name can be guessed.
    pub guessable: bool,
    /// Which file it is; unknown where the record ends before that was written.
    pub identity: Option<Identity>,
}

impl Resource {
    /// The path that the caller was told.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join(self.published.as_ref().unwrap_or(&self.name).as_path())
    }

    /// The filesystem that it was made on, where that is known.
    pub(crate) fn fsid(&self) -> Option<u64> {
        match self.identity {
            Some(Identity::Handle { fsid, .. }) => Some(fsid),
            _ => None,
        }
    }

    /// The names it may have, and whether each can be guessed by others. A published name always
    /// can: it is what the user chose.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&OsJson, bool)> {
        let published = self.published.iter().map(|name| (name, true));
        published.chain(std::iter::once((&self.name, self.guessable)))
    }
}

/// A lease as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its first line.
    pub header: Header,
    /// What it is about.
    pub resources: Vec<Resource>,
    /// When it ends, by the last line that says so.
    pub lifetime: Lifetime,
}

/// Why a lease cannot be read. Such a one is kept and reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It was written by a newer tmpx.
    Version(u32),
    /// It is damaged.
    Damaged,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "it is of version {version}, made by a newer tmpx"),
            Self::Damaged => f.write_str("it is damaged"),
        }
    }
}

impl Record {
    /// Reads a lease that is called `id`.
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
                // An unfinished line is the mark of a maker that was killed; whoever told the
                // caller had finished all of them.
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

    /// Takes in one event. `intended` counts the resources of the last intent that are not known
    /// to be made: they stand at the end of the list.
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
            Event::Made(identities) => {
                if identities.len() > *intended {
                    return Err(Unreadable::Damaged);
                }
                let first = self.resources.len() - *intended;
                // A call that failed half way through made fewer than it meant to.
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

/// Whether a name is that of an entry in a directory: tmpx writes no others, and acts on no others.
fn is_entry(name: &OsJson) -> bool {
    let bytes = name.0.as_bytes();
    !matches!(bytes, b"" | b"." | b"..") && !bytes.contains(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(given: u8) -> Header {
        Header {
            v: VERSION,
            committed: given,
            id: "one".into(),
            created: Moment { wall_ms: 1, boot_ms: 2 },
            habitat: Namespaces::default(),
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

    fn made(count: u64) -> Event {
        Event::Made((0..count).map(|ino| Identity::Inode { dev: 1, ino, birth: 0 }).collect())
    }

    fn names(text: &str) -> Result<Vec<String>, Unreadable> {
        let record = Record::parse("one", text.as_bytes())?;
        Ok(record.resources.iter().map(|one| one.name.0.to_str().unwrap().to_owned()).collect())
    }

    #[test]
    fn given_stands_where_it_is_looked_for() {
        let text = line(&header(0));
        assert_eq!(text.as_bytes()[usize::try_from(COMMITTED_OFFSET).unwrap()], b'0');
    }

    #[test]
    fn an_intent_without_made_counts_only_when_it_is_the_last() {
        let text = line(&header(0)) + &line(&intent(&["a"])) + &line(&intent(&["b"]));
        assert_eq!(names(&text), Ok(vec!["b".into()]));
        let text = text + &line(&made(1)) + &line(&intent(&["c"]));
        assert_eq!(names(&text), Ok(vec!["b".into(), "c".into()]));
    }

    #[test]
    fn a_batch_that_was_made_in_part_counts_in_part() {
        let text = line(&header(0)) + &line(&intent(&["a", "b", "c"])) + &line(&made(2));
        assert_eq!(names(&text), Ok(vec!["a".into(), "b".into()]));
    }

    #[test]
    fn a_torn_end_is_a_killed_maker_before_given_and_damage_after() {
        let torn = |given| line(&header(given)) + &line(&intent(&["a"])) + "{\"made\":[";
        assert_eq!(names(&torn(0)), Ok(vec!["a".into()]));
        assert_eq!(names(&torn(1)), Err(Unreadable::Damaged));
    }

    #[test]
    fn a_newer_version_is_told_apart_from_damage() {
        assert_eq!(names("{\"v\":2,\"new\":true}\n"), Err(Unreadable::Version(2)));
        assert_eq!(names("{\"v\":1}\n"), Err(Unreadable::Damaged));
        assert_eq!(names(""), Err(Unreadable::Damaged));
        assert_eq!(names("nonsense\n"), Err(Unreadable::Damaged));
    }

    #[test]
    fn a_lease_under_another_name_is_damaged() {
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
        /// Cutting a given lease anywhere never makes it one that has ended.
        #[test]
        fn a_given_lease_cut_anywhere_is_whole_or_damaged(cut in 0usize..1000) {
            let text = line(&header(1)) + &line(&intent(&["a", "b"])) + &line(&made(2));
            let cut = cut % (text.len() + 1);
            if let Ok(record) = Record::parse("one", &text.as_bytes()[..cut]) {
                prop_assert_eq!(record.header.committed, 1);
            }
        }

        #[test]
        fn no_bytes_make_the_parser_panic(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = line(&header(0)).into_bytes();
            bytes.extend(tail);
            let _ = Record::parse("one", &bytes);
        }
    }
}

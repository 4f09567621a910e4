//! The format of a lease file, version 1, which earlier versions of tmpx wrote.
//!
//! Such a lease is read in place and never written to. It has no checksums: `given` turned from 0 to 1,
//! and an unfinished last line of a committed lease is the only sign of a lost end. It records neither
//! the parent of a resource nor which part of its name is random, so less can be proven.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use serde::Deserialize;

use crate::fs::EntryId;
use crate::lease::record::{
    Event, Header, Kind, Lifetime, RandomPart, Record, Replay, Resource, Unreadable,
};
use crate::os::random::NAME_LENGTH;
use crate::os::{Moment, Namespaces, Process};
use crate::values::OsJson;

/// The version of the format.
pub(super) const VERSION: u64 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OldHeader {
    v: u64,
    given: u8,
    id: String,
    created: Moment,
    habitat: Namespaces,
    caller: Option<Process>,
    lifetime: Lifetime,
    session: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum OldLine {
    Intent {
        kind: Kind,
        dir: OsJson,
        names: Vec<OsJson>,
        #[serde(default)]
        guessable: bool,
    },
    Made(Vec<EntryId>),
    Publish(OsJson),
    Lifetime(Lifetime),
}

/// Parses a file of this format.
pub(super) fn parse(bytes: &[u8]) -> Result<Record, Unreadable> {
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let header = header(lines.next().unwrap_or_default())?;
    let committed = header.committed;
    let mut replay = Replay::new(header);
    for line in lines {
        match line.strip_suffix(b"\n").map(serde_json::from_slice) {
            Some(Ok(line)) => apply(&mut replay, line)?,
            // An unfinished line means that the creator was killed. A creator that committed had
            // finished all lines.
            None if !committed => {}
            None | Some(Err(_)) => return Err(Unreadable::Damaged),
        }
    }
    replay.finish()
}

fn header(line: &[u8]) -> Result<Header, Unreadable> {
    let line = line.strip_suffix(b"\n").ok_or(Unreadable::Damaged)?;
    let line: OldHeader = serde_json::from_slice(line).map_err(|_| Unreadable::Damaged)?;
    if line.v != VERSION || line.given > 1 {
        return Err(Unreadable::Damaged);
    }
    Ok(Header {
        v: line.v,
        committed: line.given == 1,
        id: line.id,
        store: None,
        local: false,
        created: line.created,
        namespaces: line.habitat,
        caller: line.caller,
        lifetime: line.lifetime,
        session: line.session,
    })
}

fn apply(replay: &mut Replay, line: OldLine) -> Result<(), Unreadable> {
    match line {
        OldLine::Intent { kind, dir, names, guessable } => {
            // A path that ended with a slash was recorded as it was.
            let bytes = dir.0.as_bytes();
            let real = bytes.strip_suffix(b"/").filter(|rest| !rest.is_empty()).unwrap_or(bytes);
            let resources = names.into_iter().map(|name| Resource {
                kind,
                dir: OsStr::from_bytes(real).into(),
                parent: None,
                mount: None,
                run: random_part(&name).filter(|_| !guessable),
                name,
                published: None,
                exchanged: None,
                identity: None,
            });
            replay.intend(resources.collect())
        }
        OldLine::Made(identities) => replay.apply(Event::Created(identities)),
        OldLine::Publish(name) => replay.apply(Event::Publish(name)),
        OldLine::Lifetime(lifetime) => replay.apply(Event::Lifetime(lifetime)),
    }
}

/// Returns the random part of a name that only tmpx gives: a default or a hidden one. The record does
/// not say which part of any other name is random.
fn random_part(name: &OsJson) -> Option<RandomPart> {
    let parts = [(b"tmp.".as_slice(), 4), (b".tmpx.".as_slice(), 6)];
    parts.into_iter().find_map(|(prefix, start)| {
        let random = name.0.as_bytes().strip_prefix(prefix)?;
        let is_random = random.len() == NAME_LENGTH && random.iter().all(u8::is_ascii_alphanumeric);
        is_random.then_some(RandomPart(start, u32::try_from(NAME_LENGTH).ok()?))
    })
}

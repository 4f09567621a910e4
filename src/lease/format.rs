//! The format of a lease file, version 2.
//!
//! A lease file holds JSON lines: a header, then events in the order in which they happened. Each line
//! is one write(2), except the first two, which are one together. So a last line without a newline was
//! not finished, and nothing that it announces was begun.
//!
//! Each line ends with `"c"`: the CRC-32 of the line before that key, which continues the checksum of
//! the line before. A line that was changed, dropped, doubled or moved no longer has the right one,
//! and neither do those after it.
//!
//! Only `given` in the header changes in place: 16 bytes at a fixed offset. Dots mean that the caller
//! does not have the paths. Then it holds the length of the lease and the checksum of its last line.
//! So no flipped bit commits a lease, and a committed lease that lost its end is damaged, also if it
//! ends with a whole line. Whatever adds a line to a committed lease writes `given` again; half a line
//! beyond the recorded length is an addition that had not begun.

use std::borrow::Cow;
use std::io;

use crc32fast::Hasher;
use serde::{Deserialize, Serialize};

use crate::fs::DirId;
use crate::lease::format_v1;
use crate::lease::record::{Event, Header, Lifetime, Record, Replay, Unreadable};
use crate::os::{Moment, Namespaces, Process};
use crate::values::hex;

/// The version of the format.
pub(crate) const VERSION: u64 = 2;

/// How a lease of this format begins.
const START: &[u8] = b"{\"v\":2,\"given\":\"";

/// The value of `given` of a lease that is not committed.
const NOT_COMMITTED: &str = "................";

/// The offset of the value of `given`.
pub(super) const COMMIT_OFFSET: u64 = 16;

/// The length of `,"c":"` with eight digits and `"}`.
const SEAL_LENGTH: usize = 16;

/// The state of a lease file after a line: its length in bytes, and the checksum of that line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct End {
    pub(super) length: u64,
    checksum: u32,
}

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine<'a> {
    v: u64,
    given: Cow<'a, str>,
    id: Cow<'a, str>,
    store: Option<Cow<'a, DirId>>,
    local: bool,
    created: Moment,
    habitat: Cow<'a, Namespaces>,
    caller: Option<Process>,
    lifetime: Cow<'a, Lifetime>,
    session: Option<Cow<'a, str>>,
}

impl End {
    /// Appends the first line to `file`.
    pub(super) fn push_header(&mut self, file: &mut Vec<u8>, header: &Header) -> io::Result<()> {
        self.push(
            file,
            &HeaderLine {
                v: VERSION,
                given: NOT_COMMITTED.into(),
                id: (&*header.id).into(),
                store: header.store.as_ref().map(Cow::Borrowed),
                local: header.local,
                created: header.created,
                habitat: Cow::Borrowed(&header.namespaces),
                caller: header.caller,
                lifetime: Cow::Borrowed(&header.lifetime),
                session: header.session.as_deref().map(Cow::Borrowed),
            },
        )
    }

    /// Appends the line of an event to `file`.
    pub(super) fn push_event(&mut self, file: &mut Vec<u8>, event: &Event) -> io::Result<()> {
        self.push(file, event)
    }

    fn push(&mut self, file: &mut Vec<u8>, value: &impl Serialize) -> io::Result<()> {
        let start = file.len();
        serde_json::to_writer(&mut *file, value)?;
        // The checksum becomes the last key of the object.
        file.pop();
        self.checksum = continued(self.checksum, &file[start..]);
        file.extend_from_slice(&self.seal());
        file.push(b'\n');
        self.length = self.length.saturating_add(u64::try_from(file.len() - start).unwrap_or(0));
        Ok(())
    }

    /// Returns the end of a line with this checksum, without the newline.
    fn seal(self) -> [u8; SEAL_LENGTH] {
        let mut seal = *b",\"c\":\"00000000\"}";
        seal[6..14].copy_from_slice(&hex::digits(self.checksum));
        seal
    }

    /// Returns the value of `given` that commits a lease which ends here.
    pub(super) fn commit_mark(self) -> [u8; 16] {
        // A lease that is too long for eight digits is never written.
        let length = u32::try_from(self.length).unwrap_or(u32::MAX);
        let mut mark = [0; 16];
        mark[..8].copy_from_slice(&hex::digits(length));
        mark[8..].copy_from_slice(&hex::digits(self.checksum));
        mark
    }

    /// Commits a lease that ends here, in memory.
    pub(super) fn give(self, file: &mut [u8]) {
        if let Some(value) = file.get_mut(START.len()..START.len() + NOT_COMMITTED.len()) {
            value.copy_from_slice(&self.commit_mark());
        }
    }

    /// Returns the end of the next line of this file. Fails if its checksum is wrong.
    fn after(self, line: &[u8], body: &[u8]) -> Result<Self, Unreadable> {
        let checksum = continued(self.checksum, body);
        let length = self.length.saturating_add(u64::try_from(line.len()).unwrap_or(0));
        let end = Self { length, checksum };
        let is_sealed = line.strip_suffix(b"\n").is_some_and(|line| line.ends_with(&end.seal()));
        if is_sealed { Ok(end) } else { Err(Unreadable::Damaged) }
    }
}

/// Continues a checksum, as if the bytes followed those before.
fn continued(checksum: u32, bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(checksum);
    hasher.update(bytes);
    hasher.finalize()
}

/// What a lease file of this format holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A record, and where its whole lines end.
    Record(Record, End),
    /// A record of an earlier format.
    Earlier(Record),
    /// The creator was killed while it wrote the first lines, and so before it created any resource.
    NothingCreated,
}

/// Parses a lease file that is not empty, of this format or an earlier one.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Unreadable> {
    if !bytes.starts_with(START) {
        return match version(bytes) {
            Some(format_v1::VERSION) => format_v1::parse(bytes).map(Parsed::Earlier),
            Some(newer) if newer > VERSION => Err(Unreadable::Version(newer)),
            // A lease of this version that does not begin as one has been changed.
            _ => Err(Unreadable::Damaged),
        };
    }
    let mark =
        bytes.get(START.len()..START.len() + NOT_COMMITTED.len()).ok_or(Unreadable::Damaged)?;
    let is_committed = mark != NOT_COMMITTED.as_bytes();
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let first = lines.next().unwrap_or_default();
    if !first.ends_with(b"\n") {
        // Both first lines are one write, so no intent was complete.
        let is_cut = !is_committed && !holds_more_than_a_line(first);
        return if is_cut { Ok(Parsed::NothingCreated) } else { Err(Unreadable::Damaged) };
    }
    let mut body = body(first)?.to_vec();
    let value = body.get_mut(START.len()..START.len() + NOT_COMMITTED.len());
    value.ok_or(Unreadable::Damaged)?.copy_from_slice(NOT_COMMITTED.as_bytes());
    let mut end = End::default().after(first, &body)?;
    let mut replay = Replay::new(header(&mut body, is_committed)?);
    let mut is_whole = !is_committed || end.commit_mark() == *mark;
    for line in lines {
        if !line.ends_with(b"\n") {
            break;
        }
        let mut text = self::body(line)?.to_vec();
        end = end.after(line, &text)?;
        text.push(b'}');
        replay.apply(serde_json::from_slice(&text).map_err(|_| Unreadable::Newer)?)?;
        is_whole |= end.commit_mark() == *mark;
    }
    if is_whole { Ok(Parsed::Record(replay.finish()?, end)) } else { Err(Unreadable::Damaged) }
}

/// Returns the version that the first line states, whatever else it says.
fn version(bytes: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct AnyVersion {
        v: u64,
    }
    let line = bytes.split(|&byte| byte == b'\n').next()?;
    serde_json::from_slice::<AnyVersion>(line).ok().map(|header| header.v)
}

/// Returns a line without its checksum and the newline.
fn body(line: &[u8]) -> Result<&[u8], Unreadable> {
    let length = line.len().checked_sub(SEAL_LENGTH + 1).ok_or(Unreadable::Damaged)?;
    Ok(&line[..length])
}

/// Parses the header, whose checksum is right: what is not understood is new.
fn header(body: &mut Vec<u8>, committed: bool) -> Result<Header, Unreadable> {
    body.push(b'}');
    let line: HeaderLine<'_> = serde_json::from_slice(body).map_err(|_| Unreadable::Newer)?;
    Ok(Header {
        v: line.v,
        committed,
        id: line.id.into_owned(),
        store: line.store.map(Cow::into_owned),
        local: line.local,
        created: line.created,
        namespaces: line.habitat.into_owned(),
        caller: line.caller,
        lifetime: line.lifetime.into_owned(),
        session: line.session.map(Cow::into_owned),
    })
}

/// Whether something follows the end of the header in what should be a part of it: then its newline
/// was lost, and an intent may follow.
fn holds_more_than_a_line(first: &[u8]) -> bool {
    let seal = first.windows(6).position(|part| part == b",\"c\":\"");
    seal.is_some_and(|at| first.len() > at + SEAL_LENGTH)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::lease::record::{Kind, RandomPart, Resource};
    use crate::values::OsJson;

    /// A lease of two files and a published one, whose lifetime changed after the commit.
    fn lease(committed: bool) -> (Vec<u8>, Vec<End>) {
        let header = Header {
            v: VERSION,
            committed,
            id: "019ac5e0f1d3-abcdefghij".into(),
            store: Some("L.1f.81.00aa".parse().unwrap()),
            local: true,
            created: Moment { wall_ms: 1_764_000_000_000, boot_ms: 2 },
            namespaces: Namespaces::current(),
            caller: Some(Process { pid: 7, start: 8 }),
            lifetime: Lifetime::Manual,
            session: Some("a,\"c\":\"b".into()),
        };
        let intent = |names: &[&str]| Event::Intent {
            kind: Kind::File,
            dir: OsJson("/tmp/x".into()),
            names: names.iter().map(|&name| OsJson(name.into())).collect(),
            parent: Some("L.1f.81.00ab".parse().unwrap()),
            mount: Some(1234),
            run: Some(RandomPart(4, 10)),
        };
        let made = |count: u64| {
            Event::Created(
                (0..count).map(|n| format!("L.1f.81.{n:04x}").parse().unwrap()).collect(),
            )
        };
        let (mut file, mut end) = (Vec::new(), End::default());
        end.push_header(&mut file, &header).unwrap();
        let mut ends = vec![end];
        for event in [
            intent(&["tmp.abcdefghij", "tmp.0123456789"]),
            made(2),
            intent(&["tmp.ABCDEFGHIJ"]),
            made(1),
            Event::Publish(OsJson("report.csv".into())),
            Event::Command(Process { pid: 9, start: 10 }),
            Event::Lifetime(Lifetime::Bound { owner: None, ttl_ms: Some(5) }),
            Event::Unseen(4),
            Event::Seen(5),
            Event::Unseen(6),
        ] {
            end.push_event(&mut file, &event).unwrap();
            ends.push(end);
        }
        if committed {
            end.give(&mut file);
        }
        (file, ends)
    }

    fn record(bytes: &[u8]) -> Option<Record> {
        match parse(bytes) {
            Ok(Parsed::Record(record, _)) => Some(record),
            _ => None,
        }
    }

    fn length(end: End) -> usize {
        usize::try_from(end.length).unwrap()
    }

    #[test]
    fn a_lease_reads_as_it_was_written() {
        let (file, ends) = lease(true);
        let Ok(Parsed::Record(record, end)) = parse(&file) else { panic!() };
        assert_eq!(end, *ends.last().unwrap());
        assert_eq!(length(end), file.len());
        assert!(record.header.committed && record.header.local);
        let paths: Vec<_> = record.resources.iter().map(Resource::path).collect();
        let expected = ["/tmp/x/tmp.abcdefghij", "/tmp/x/tmp.0123456789", "/tmp/x/report.csv"];
        assert_eq!(paths, expected.map(std::path::PathBuf::from));
        assert_eq!(record.resources[1].identity, Some("L.1f.81.0001".parse().unwrap()));
        assert_eq!(record.resources[0].run, Some(RandomPart(4, 10)));
        assert_eq!(record.lifetime.ttl(), Some(std::time::Duration::from_millis(5)));
        assert_eq!(record.command, Some(Process { pid: 9, start: 10 }));
        assert_eq!(record.unseen, Some(6));
        assert!(!self::record(&lease(false).0).unwrap().header.committed);
    }

    #[test]
    fn each_line_is_json_with_its_checksum_as_the_last_key() {
        let (file, _) = lease(true);
        for line in file.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let value: serde_json::Value = serde_json::from_slice(line).unwrap();
            assert_eq!(value["c"].as_str().unwrap().len(), 8, "{value}");
        }
        assert!(file.starts_with(START));
    }

    #[test]
    fn an_uncommitted_lease_that_was_cut_says_what_had_begun() {
        let (file, ends) = lease(false);
        for cut in 1..file.len() {
            let parsed = parse(&file[..cut]);
            if cut < 32 {
                assert_eq!(parsed, Err(Unreadable::Damaged), "{cut}");
            } else if cut < length(ends[0]) {
                assert_eq!(parsed, Ok(Parsed::NothingCreated), "{cut}");
            } else {
                let whole = ends.iter().rposition(|end| length(*end) <= cut).unwrap();
                let begun = parse(&file[..length(ends[whole])]);
                assert!(matches!(begun, Ok(Parsed::Record(..))));
                assert_eq!(parsed, begun, "{cut}");
            }
        }
    }

    #[test]
    fn a_committed_lease_that_lost_its_end_is_damaged_even_at_the_end_of_a_line() {
        let (file, _) = lease(true);
        for cut in 1..file.len() {
            assert_eq!(parse(&file[..cut]), Err(Unreadable::Damaged), "{cut}");
        }
    }

    #[test]
    fn half_a_line_after_the_commit_had_not_begun_and_a_whole_one_counts() {
        let (mut file, ends) = lease(true);
        let at = ends[7];
        at.give(&mut file);
        let whole = record(&file[..length(at)]).unwrap();
        for cut in length(at)..length(ends[8]) {
            assert_eq!(record(&file[..cut]), Some(whole.clone()), "{cut}");
        }
        let added = record(&file[..length(ends[8])]).unwrap();
        assert_eq!((whole.unseen, added.unseen), (None, Some(4)));
    }

    #[test]
    fn no_flipped_bit_is_read_as_another_lease() {
        for committed in [true, false] {
            let (mut file, _) = lease(committed);
            let last = file.len() - 1;
            for bit in 0..file.len() * 8 {
                file[bit / 8] ^= 1 << (bit % 8);
                // Half a last line of an uncommitted lease is one that was being written.
                let is_cut = !committed && bit / 8 == last;
                assert!(is_cut || record(&file).is_none(), "{bit}");
                file[bit / 8] ^= 1 << (bit % 8);
            }
            assert!(record(&file).is_some());
        }
    }

    #[test]
    fn a_line_that_was_dropped_doubled_or_moved_is_damage() {
        let (file, _) = lease(true);
        let lines: Vec<&[u8]> = file.split_inclusive(|&byte| byte == b'\n').collect();
        for n in 0..lines.len() {
            let mut dropped = lines.clone();
            dropped.remove(n);
            assert!(parse(&dropped.concat()).is_err(), "{n} dropped");
            let mut doubled = lines.clone();
            doubled.insert(n, lines[n]);
            assert!(parse(&doubled.concat()).is_err(), "{n} doubled");
            for other in 0..n {
                let mut moved = lines.clone();
                moved.swap(n, other);
                assert!(parse(&moved.concat()).is_err(), "{n} and {other} exchanged");
            }
        }
    }

    #[test]
    fn a_header_that_lost_its_newline_is_damage_since_an_intent_may_follow() {
        let (file, ends) = lease(false);
        let mut file = file[..length(ends[1])].to_vec();
        file.remove(length(ends[0]) - 1);
        assert_eq!(parse(&file), Err(Unreadable::Damaged));
        file.pop();
        assert_eq!(parse(&file), Err(Unreadable::Damaged));
    }

    /// Adds a line that may say anything to a header.
    fn with_line(text: &serde_json::Value) -> Result<Parsed, Unreadable> {
        let (file, ends) = lease(false);
        let mut file = file[..length(ends[0])].to_vec();
        let mut end = ends[0];
        end.push(&mut file, text).unwrap();
        parse(&file)
    }

    #[test]
    fn what_is_unknown_was_written_by_a_newer_tmpx() {
        let intent =
            |key: &str| json!({"intent": {"kind": "file", "dir": "/x", "names": [], key: 1}});
        assert!(with_line(&intent("mount")).is_ok());
        for newer in [intent("color"), json!({"colour": "red"}), json!({"publish": "a", "x": 1})] {
            assert_eq!(with_line(&newer), Err(Unreadable::Newer), "{newer}");
        }
        let (file, _) = lease(false);
        let text = String::from_utf8(file).unwrap().replace("\"v\":2", "\"v\":4294967296");
        assert_eq!(parse(text.as_bytes()), Err(Unreadable::Version(4_294_967_296)));
    }

    #[test]
    fn a_path_or_name_that_leads_elsewhere_is_damage() {
        let intent = |dir: &str, name: &str, run: [u32; 2]| json!({"intent": {"kind": "dir", "dir": dir, "names": [name], "run": run}});
        assert!(with_line(&intent("/a/b", "tmp.abcdef", [4, 6])).is_ok());
        assert!(with_line(&intent("/", "abcdef", [0, 6])).is_ok());
        for dir in ["", "a", "/a/../b", "/a/./b", "//a", "/a/", "/a//b", "/..", "/a\0"] {
            let parsed = with_line(&intent(dir, "tmp.abcdef", [4, 6]));
            assert_eq!(parsed, Err(Unreadable::Damaged), "{dir:?}");
        }
        for name in ["", ".", "..", "a/abcdef", "tmp.abc", "tmp.ab_def", "\0\0\0\0abcdef"] {
            let parsed = with_line(&intent("/a", name, [4, 6]));
            assert_eq!(parsed, Err(Unreadable::Damaged), "{name:?}");
        }
        for run in [[4, 5], [5, 6], [0, 10], [u32::MAX, 6], [4, u32::MAX]] {
            let parsed = with_line(&intent("/a", "tmp.abcdef", run));
            assert_eq!(parsed, Err(Unreadable::Damaged), "{run:?}");
        }
    }

    #[test]
    fn a_line_that_contradicts_those_before_is_damage() {
        for line in [json!({"made": ["L.1.1.00"]}), json!({"publish": "a"})] {
            assert_eq!(with_line(&line), Err(Unreadable::Damaged), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_few_changed_bytes_are_read_as_another_lease(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..9),
        ) {
            let (file, _) = lease(true);
            let mut changed = file.clone();
            for (index, byte) in changes {
                changed[index.index(file.len())] = byte;
            }
            prop_assert!(changed == file || record(&changed).is_none());
        }

        #[test]
        fn no_input_makes_the_parser_panic(
            start in 0usize..40, tail in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let (file, _) = lease(false);
            let _ = parse(&[&file[..start], &tail].concat());
            let _ = parse(&tail);
        }
    }
}

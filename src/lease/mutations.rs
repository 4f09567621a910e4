//! Changes leases at random. Each is read as it was written, as one that was cut, or not at all.
//!
//! `TMPX_STRESS=1 cargo test --lib mutations` runs a million changes instead of a hundred thousand.

use crate::lease::format::{End, Parsed, VERSION, parse};
use crate::lease::record::{Event, Header, Kind, Lifetime, RandomPart};
use crate::os::{Moment, Namespaces, Process};
use crate::values::OsJson;

/// A sequence of numbers that is the same in each run (xorshift).
pub(crate) struct Numbers(u64);

impl Numbers {
    /// Returns one of many sequences.
    pub(crate) fn nth(n: u64) -> Self {
        Self((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % end.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

/// How many changes a test makes.
fn rounds(usual: usize) -> usize {
    if std::env::var_os("TMPX_STRESS").is_some() { usual * 10 } else { usual }
}

/// Changes a lease file in one of many ways.
pub(crate) fn mutate(file: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut changed = file.to_vec();
    let at = numbers.below(file.len());
    match numbers.below(10) {
        0 => changed[at] ^= 1 << numbers.below(8),
        1 => (0..=numbers.below(8)).for_each(|_| {
            let at = numbers.below(file.len());
            changed[at] = numbers.byte();
        }),
        2 => {
            // Another digit, or a letter in the other case.
            let at = (at..file.len()).chain(0..at).find(|&at| file[at].is_ascii_alphanumeric());
            let byte = &mut changed[at.unwrap()];
            *byte = if byte.is_ascii_digit() {
                b'0' + (*byte - b'0' + 1 + u8::try_from(numbers.below(9)).unwrap()) % 10
            } else {
                *byte ^ 0x20
            };
        }
        3 => changed.truncate(at),
        4 => {
            let end = (at + numbers.below(512)).min(file.len());
            changed[at..end].fill(0);
        }
        5 => {
            let end = (at + 1 + numbers.below(40)).min(file.len());
            changed.drain(at..end);
        }
        6 => {
            let more: Vec<u8> = (0..=numbers.below(20)).map(|_| numbers.byte()).collect();
            changed.splice(at..at, more);
        }
        kind => {
            let mut lines: Vec<&[u8]> = file.split_inclusive(|&byte| byte == b'\n').collect();
            let (one, other) = (numbers.below(lines.len()), numbers.below(lines.len()));
            match kind {
                7 => drop(lines.remove(one)),
                8 => lines.insert(other, lines[one]),
                _ => lines.swap(one, other),
            }
            changed = lines.concat();
        }
    }
    changed
}

/// Writes a lease of files that are created one after another. Returns it with its ends after each
/// line.
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
        lifetime: Lifetime::Bound { owner: Some(Process { pid: 7, start: 8 }), ttl_ms: None },
        session: None,
    };
    let (mut file, mut end) = (Vec::new(), End::default());
    end.push_header(&mut file, &header).unwrap();
    let mut ends = vec![end];
    for n in 0..3 {
        let intent = Event::Intent {
            kind: Kind::File,
            dir: OsJson("/home/user/tmp".into()),
            names: vec![OsJson(format!("tmp.abcdefghi{n}").into())],
            parent: Some("L.1f.81.00ab".parse().unwrap()),
            mount: Some(1234),
            run: Some(RandomPart(4, 10)),
        };
        let made = Event::Created(vec![format!("L.1f.81.0{n}").parse().unwrap()]);
        for event in [intent, made, Event::Publish(OsJson(format!("{n}.csv").into()))] {
            end.push_event(&mut file, &event).unwrap();
            ends.push(end);
        }
    }
    if committed {
        end.give(&mut file);
    }
    (file, ends)
}

#[test]
fn a_changed_committed_lease_is_never_read_as_another_one() {
    let (file, _) = lease(true);
    let (whole, mut numbers) = (parse(&file), Numbers::nth(0));
    for round in 0..rounds(100_000) {
        let changed = mutate(&file, &mut numbers);
        let parsed = parse(&changed);
        assert!(parsed.is_err() || parsed == whole, "{round}: {}", changed.escape_ascii());
    }
}

#[test]
fn a_changed_uncommitted_lease_is_read_only_as_one_that_was_cut() {
    let (file, ends) = lease(false);
    let cuts: Vec<_> =
        ends.iter().map(|end| parse(&file[..usize::try_from(end.length).unwrap()])).collect();
    let mut numbers = Numbers::nth(0);
    for round in 0..rounds(20_000) {
        let changed = mutate(&file, &mut numbers);
        let parsed = parse(&changed);
        let is_cut = file.starts_with(&changed) && parsed == Ok(Parsed::NothingCreated);
        let shown = || format!("{round}: {}", changed.escape_ascii());
        assert!(parsed.is_err() || is_cut || cuts.contains(&parsed), "{}", shown());
    }
}

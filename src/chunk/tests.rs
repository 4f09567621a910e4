//! The scanners, against plain loops that read one byte at a time.

use proptest::prelude::*;

use crate::chunk::scan::csv::FieldState;
use crate::chunk::scan::cutter::{Cut, Cutter, Limit};
use crate::chunk::scan::error::{Fault, Malformed};
use crate::chunk::scan::format::RecordFormat;
use crate::chunk::scan::parity::{Segment, Survey};
use crate::chunk::scan::scanner::{Scan, Scanner};
use crate::sys::simd;

/// The number of cases, multiplied by `TMPX_CASES`. Each run has other ones.
pub(super) fn cases(count: u32) -> u32 {
    let factor = std::env::var("TMPX_CASES").map_or(1, |factor| factor.parse().unwrap());
    count.saturating_mul(factor)
}

/// Where records start in CSV, and where a quote is open at the end.
pub(super) fn csv_starts(bytes: &[u8]) -> (Vec<u64>, Option<u64>) {
    let mut starts = Vec::new();
    let (mut quoted, mut may_open, mut after_quote, mut line_start) = (false, true, false, true);
    let mut opened = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let is_blank = byte == b'\n' || byte == b'\r' && bytes.get(at + 1) == Some(&b'\n');
        if line_start && !is_blank {
            starts.push(at as u64);
        }
        let ends_line = byte == b'\n' && !quoted;
        if quoted {
            if byte == b'"' {
                (quoted, after_quote) = (false, true);
            }
        } else if byte == b'"' && (may_open || after_quote) {
            if !after_quote {
                opened = at as u64;
            }
            (quoted, may_open, after_quote) = (true, false, false);
        } else {
            may_open = byte == b',' || byte == b'\n';
            after_quote = false;
        }
        line_start = ends_line;
    }
    (starts, quoted.then_some(opened))
}

fn line_starts(bytes: &[u8]) -> Vec<u64> {
    let follows = |at: usize| at == 0 || bytes[at - 1] == b'\n';
    (0..bytes.len()).filter(|&at| follows(at)).map(|at| at as u64).collect()
}

/// Cuts by looking at all places at once.
fn cuts(starts: &[u64], end: u64, limit: Limit) -> Vec<Cut> {
    let mut cuts = Vec::new();
    let mut rest = starts;
    let mut begin = 0;
    while begin < end {
        // The places where this chunk could end, with the number of its records.
        let mut ends = rest.iter().skip(1).copied().chain([end]).zip(1..);
        let first = ends.clone().next().unwrap_or((end, 0));
        let (at, rows) = match limit {
            Limit::Rows(limit) => ends.take_while(|&(_, rows)| rows <= limit).last(),
            Limit::Bytes(limit) => {
                let fits = ends.by_ref().take_while(|&(at, _)| at - begin <= limit).last();
                fits.or(Some(first))
            }
        }
        .unwrap_or(first);
        let rows = rows.min(rest.len() as u64);
        cuts.push(Cut { end: at, rows });
        rest = &rest[usize::try_from(rows).unwrap()..];
        begin = at;
    }
    cuts
}

/// Scans bytes in pieces of these lengths, in turn.
fn scan(
    mut scanner: Scanner,
    bytes: &[u8],
    pieces: &[usize],
    limit: Limit,
    portable: bool,
) -> (Vec<Cut>, Result<(), Malformed>) {
    let mut cutter = Cutter::new(limit);
    let mut at = 0;
    let mut lengths = pieces.iter().cycle();
    while at < bytes.len() {
        let end = (at + lengths.next().unwrap()).min(bytes.len());
        let piece = &bytes[at..end];
        let base = at as u64;
        let kernel = Scan { scanner: &mut scanner, bytes: piece, base, cutter: &mut cutter };
        let outcome = if portable { simd::run_portable(kernel) } else { simd::run(kernel) };
        if outcome.is_err() {
            return (cutter.take_cuts(), outcome);
        }
        at = end;
    }
    let finished = scanner.finish(bytes.len() as u64, &mut cutter);
    cutter.finish(bytes.len() as u64);
    (cutter.take_cuts(), finished)
}

pub(super) fn limit() -> impl Strategy<Value = Limit> {
    prop_oneof![(1..6u64).prop_map(Limit::Rows), (1..300u64).prop_map(Limit::Bytes)]
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(1..200usize, 1..5)
}

/// Text in which what matters is frequent.
pub(super) fn text(special: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => Just(b'x'), 4 => proptest::sample::select(special)];
    let sparse = prop_oneof![30 => Just(b'x'), 1 => proptest::sample::select(special)];
    prop_oneof![proptest::collection::vec(byte, 0..300), proptest::collection::vec(sparse, 0..900),]
}

/// Fields as writers quote them.
fn csv() -> impl Strategy<Value = Vec<u8>> {
    let field = prop_oneof![
        Just(b"".to_vec()),
        Just(b"plain".to_vec()),
        Just(b"\"quoted, \"\"here\"\"\nand on\"".to_vec()),
        Just(b"\"\"".to_vec()),
    ];
    let row = proptest::collection::vec(field, 1..5).prop_map(|fields| fields.join(&b','));
    let end = proptest::sample::select(LINE_ENDS);
    proptest::collection::vec((row, end), 0..60)
        .prop_map(|rows| rows.into_iter().flat_map(|(row, end)| [&row[..], end].concat()).collect())
}

pub(super) fn any_csv() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![csv(), text(b"\"\",\n\r")]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(2000)))]

    #[test]
    fn csv_is_cut_where_a_loop_over_its_bytes_cuts_it(
        bytes in any_csv(), pieces in pieces(), limit in limit(), portable in any::<bool>(),
    ) {
        let (starts, open) = csv_starts(&bytes);
        let expected = cuts(&starts, bytes.len() as u64, limit);
        let scanner = Scanner::new(RecordFormat::Csv, b',', 0);
        let (found, result) = scan(scanner, &bytes, &pieces, limit, portable);
        prop_assert_eq!(found, expected);
        prop_assert_eq!(result.err(), open.map(|at| Fault::OpenQuote.at(at)));
    }

    #[test]
    fn lines_are_cut_where_a_loop_over_their_bytes_cuts_them(
        bytes in text(b"\n\r"), pieces in pieces(), limit in limit(), portable in any::<bool>(),
    ) {
        let expected = cuts(&line_starts(&bytes), bytes.len() as u64, limit);
        let scanner = Scanner::new(RecordFormat::Lines, 0, 0);
        prop_assert_eq!(scan(scanner, &bytes, &pieces, limit, portable).0, expected);
    }

    #[test]
    fn parts_that_are_surveyed_apart_have_as_many_records_together(
        bytes in any_csv(), length in 1..200usize, portable in any::<bool>(),
    ) {
        let mut whole = Segment::default();
        let mut state = FieldState::FieldStart;
        let mut starts = Vec::new();
        for (index, part) in bytes.chunks(length).enumerate() {
            let at = index * length;
            let survey = Survey {
                bytes: part,
                before: at.checked_sub(1).map(|at| bytes[at]),
                after: bytes.get(at + part.len()).copied(),
                delimiter: Some(b','),
            };
            let one = if portable { simd::run_portable(survey) } else { simd::run(survey) };
            starts.push((at + part.len(), whole.join(one).records[0]));
            whole = whole.join(one);
        }
        for &byte in &bytes {
            state = state.next(byte, b',');
        }
        if whole.is_inexact[0] {
            return Ok(());
        }
        let (expected, _) = csv_starts(&bytes);
        prop_assert_eq!(whole.is_odd, state == FieldState::Quoted);
        for (end, count) in starts {
            let before = expected.iter().filter(|&&start| start < end as u64).count();
            prop_assert_eq!(count as usize, before, "up to {}", end);
        }
    }

    #[test]
    fn quotes_that_writers_write_are_exact(bytes in csv()) {
        let survey = Survey { bytes: &bytes, before: None, after: None, delimiter: Some(b',') };
        prop_assert!(!simd::run(survey).is_inexact[0]);
    }

    #[test]
    fn arrays_that_a_parser_accepts_are_cut_between_their_elements(
        elements in proptest::collection::vec(json(), 0..40),
        space in "[ \n\t]{0,2}", pieces in pieces(), limit in limit(), portable in any::<bool>(),
    ) {
        let body = elements
            .iter()
            .map(|element| format!("{space}{element}{space}"))
            .collect::<Vec<_>>();
        let mut starts = vec![];
        let mut at = 0;
        for element in &body {
            starts.push(at);
            at += element.len() as u64 + 1;
        }
        let end = at.saturating_sub(1);
        let text = format!("{}]{space}", body.join(","));
        let scanner = Scanner::new(RecordFormat::Json, 0, 0);
        let mut cutter = Cutter::new(limit);
        let (scanner, found) = scan_json(scanner, text.as_bytes(), &pieces, &mut cutter, portable);
        prop_assert_eq!(found, Ok(()));
        prop_assert_eq!(scanner.array_end(), Some(end));
        cutter.finish(end);
        prop_assert_eq!(cutter.take_cuts(), cuts(&starts, end, limit));
    }

    #[test]
    fn an_array_is_refused_where_a_parser_refuses_its_structure(
        tokens in proptest::collection::vec(proptest::sample::select(TOKENS), 0..30),
        pieces in pieces(), portable in any::<bool>(),
    ) {
        let text = tokens.concat();
        let mut cutter = Cutter::new(Limit::Rows(1));
        let scanner = Scanner::new(RecordFormat::Json, 0, 0);
        let (scanner, found) = scan_json(scanner, text.as_bytes(), &pieces, &mut cutter, portable);
        let parsed = serde_json::from_str::<Vec<serde_json::Value>>(&format!("[{text}"));
        if let Ok(values) = parsed {
            prop_assert_eq!(found, Ok(()));
            cutter.finish(scanner.array_end().unwrap());
            let rows: u64 = cutter.take_cuts().iter().map(|cut| cut.rows).sum();
            prop_assert_eq!(rows, values.len() as u64);
        } else if found.is_ok() {
            // Only the inside of an element can be wrong; each is what lies between two cuts.
            let end = scanner.array_end().unwrap();
            cutter.finish(end);
            let mut start = 0;
            let mut all_parse = true;
            let cuts = cutter.take_cuts();
            let count = cuts.len();
            for (index, cut) in cuts.into_iter().enumerate() {
                let cut_end = usize::try_from(cut.end).unwrap();
                let end = cut_end - usize::from(index + 1 < count);
                let element = &text[start..end];
                all_parse &= serde_json::from_str::<serde_json::Value>(element).is_ok()
                    || element.trim().is_empty();
                start = cut_end;
            }
            prop_assert!(!all_parse, "{} was accepted", text);
        }
    }
}

const TOKENS: &[&str] = &[
    "{",
    "}",
    "}",
    "[",
    "]",
    "]",
    ",",
    ",",
    "1",
    "\"a\"",
    "\"\\\"\"",
    "\"[,\"",
    "{\"k\":1}",
    "[1,2]",
    " ",
    "\n",
    "\"\\\\\"",
    "null",
];

pub(super) fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("1".to_owned()),
        Just("null".to_owned()),
        "[ -~]{0,80}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just(r#""\\\\\" ]""#.to_owned()),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            proptest::collection::vec(inner, 0..5).prop_map(|items| {
                let pairs = items.iter().enumerate().map(|(at, item)| format!("\"{at}\":{item}"));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

fn scan_json(
    mut scanner: Scanner,
    bytes: &[u8],
    pieces: &[usize],
    cutter: &mut Cutter,
    portable: bool,
) -> (Scanner, Result<(), Malformed>) {
    let mut at = 0;
    let mut lengths = pieces.iter().cycle();
    while at < bytes.len() {
        let end = (at + lengths.next().unwrap()).min(bytes.len());
        let piece = &bytes[at..end];
        let base = at as u64;
        let kernel = Scan { scanner: &mut scanner, bytes: piece, base, cutter };
        let outcome = if portable { simd::run_portable(kernel) } else { simd::run(kernel) };
        if outcome.is_err() {
            return (scanner, outcome);
        }
        at = end;
    }
    let finished = scanner.finish(bytes.len() as u64, cutter);
    (scanner, finished)
}

const LINE_ENDS: &[&[u8]] = &[b"\n", b"\r\n", b"\n\n", b"\n\r\n"];

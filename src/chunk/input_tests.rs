//! Files and streams, which must give the same chunks however the stream arrives.

use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::PathBuf;

use proptest::prelude::*;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::chunk::plan::chunk_plan::ChunkPlan;
use crate::chunk::plan::input::{ReadOptions, RecordInput};
use crate::chunk::plan::origin::Origins;
use crate::chunk::plan::part::Chunk;
use crate::chunk::plan::stream::Stream;
use crate::chunk::run::feed::{Feed, FeedStep};
use crate::chunk::scan::cutter::Limit;
use crate::chunk::scan::format::RecordFormat;
use crate::chunk::tests::{any_csv, cases, csv_starts, json, limit, text};

/// A chunk as a command reads it, with the number of its records.
fn render(chunk: Chunk, inputs: &[RecordInput]) -> (Vec<u8>, u64) {
    use std::io::{Read as _, Seek as _};
    let rows = chunk.rows;
    let mut file = tempfile::tempfile().unwrap();
    assert_eq!(Feed::new(chunk, None).write(file.as_fd(), inputs).unwrap(), FeedStep::Done);
    file.rewind().unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    (bytes, rows)
}

type Chunks = Result<Vec<(Vec<u8>, u64)>, String>;

fn planned(open: &dyn Fn() -> Vec<RecordInput>, limit: Limit) -> Chunks {
    let inputs = open();
    let mut plan =
        ChunkPlan::new(&inputs, limit, &mut Origins::new(false)).map_err(|err| err.to_string())?;
    let mut chunks = Vec::new();
    while let Some(chunk) = plan.next_chunk() {
        chunks.push(render(chunk, &inputs));
    }
    Ok(chunks)
}

fn streamed(open: &dyn Fn() -> Vec<RecordInput>, limit: Limit) -> Chunks {
    chunks_of(Stream::new(open(), limit, Origins::new(false)))
}

fn chunks_of(mut stream: Stream) -> Chunks {
    let mut chunks = Vec::new();
    while stream.source().is_some() {
        stream.read().map_err(|err| err.to_string())?;
        while let Some(chunk) = stream.next_chunk() {
            chunks.push(render(chunk, &[]));
        }
    }
    Ok(chunks)
}

/// Reads one input that arrives in pieces of these lengths, in turn: each read of a pipe in packet mode returns
/// what one write wrote.
fn arriving<T>(
    bytes: &[u8],
    format: RecordFormat,
    lengths: &[usize],
    limit: Limit,
    read: impl FnOnce(Stream) -> T,
) -> T {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::DIRECT).unwrap();
    let path = PathBuf::from(format!("/proc/self/fd/{}", reader.as_raw_fd()));
    let options = ReadOptions { format: Some(format), ..ReadOptions::default() };
    let input = RecordInput::open(&path, &options).unwrap();
    drop(reader);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut rest = bytes;
            for &length in lengths.iter().cycle() {
                let (piece, after) = rest.split_at(length.min(rest.len()));
                // The reader may have seen an error and gone.
                if piece.is_empty() || rustix::io::write(&writer, piece).is_err() {
                    return;
                }
                rest = after;
            }
        });
        read(Stream::new(vec![input], limit, Origins::new(false)))
    })
}

/// Writes files and returns what opens them.
fn files(
    dir: &std::path::Path,
    texts: &[Vec<u8>],
    extension: &str,
) -> impl Fn() -> Vec<RecordInput> {
    let names = texts.iter().enumerate().map(|(index, text)| {
        let path = dir.join(format!("{index}.{extension}"));
        std::fs::write(&path, text).unwrap();
        path
    });
    let paths: Vec<_> = names.collect();
    move || {
        let format = extension.parse().unwrap_or(RecordFormat::Lines);
        let options = ReadOptions { format: Some(format), ..ReadOptions::default() };
        paths.iter().map(|path| RecordInput::open(path, &options).unwrap()).collect()
    }
}

#[test]
fn space_after_the_last_array_is_kept_up_to_a_bound() {
    let dir = tempfile::tempdir().unwrap();
    let spaces = " ".repeat(200_000);
    for (texts, expected) in [
        (vec!["[1]\n ".to_owned(), String::new()], "[1]\n ".to_owned()),
        (vec!["[1]\n ".to_owned(), "\u{feff}".to_owned()], "[1]\n ".to_owned()),
        (vec!["[1]\n ".to_owned(), "[ ]".to_owned()], "[1]".to_owned()),
        (vec![format!("[1]{spaces}")], format!("[1]{}", &spaces[..1 << 16])),
    ] {
        let texts: Vec<_> = texts.into_iter().map(String::into_bytes).collect();
        let open = files(dir.path(), &texts, "json");
        let expected: Chunks = Ok(vec![(expected.into_bytes(), 1)]);
        assert_eq!(planned(&open, Limit::Rows(9)), expected);
        assert_eq!(streamed(&open, Limit::Rows(9)), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(1000)))]

    #[test]
    fn files_and_streams_of_csv_give_the_same_chunks(
        bodies in proptest::collection::vec(any_csv(), 1..4), limit in limit(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let texts: Vec<_> = bodies.iter().map(|body| [b"a,\"b\nc\"\n1", &body[..]].concat()).collect();
        let open = files(dir.path(), &texts, "csv");
        let from_files = planned(&open, limit);
        let from_streams = streamed(&open, limit);
        prop_assert_eq!(&from_files, &from_streams);
        let Ok(chunks) = from_files else { return Ok(()) };
        // Joined, they are the inputs under one header.
        let header = b"a,\"b\nc\"\n";
        let mut joined = Vec::new();
        for (bytes, _) in &chunks {
            prop_assert!(bytes.starts_with(header));
            joined.extend_from_slice(&bytes[header.len()..]);
        }
        let mut expected = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            expected.extend_from_slice(&text[header.len()..]);
            if index + 1 < texts.len() && !text.ends_with(b"\n") {
                expected.push(b'\n');
            }
        }
        prop_assert_eq!(joined, expected);
    }

    #[test]
    fn files_and_streams_of_lines_give_the_same_chunks(
        texts in proptest::collection::vec(text(b"\n"), 1..4), limit in limit(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let open = files(dir.path(), &texts, "log");
        let chunks = planned(&open, limit);
        prop_assert_eq!(&chunks, &streamed(&open, limit));
        let joined: Vec<u8> = chunks.unwrap().into_iter().flat_map(|(bytes, _)| bytes).collect();
        let mut expected = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            expected.extend_from_slice(text);
            if index + 1 < texts.len() && !text.is_empty() && !text.ends_with(b"\n") {
                expected.push(b'\n');
            }
        }
        let bom = expected.starts_with(b"\xef\xbb\xbf");
        prop_assert_eq!(joined, &expected[if bom { 3 } else { 0 }..]);
    }

    #[test]
    fn files_and_streams_of_json_give_the_same_chunks(
        arrays in proptest::collection::vec(
            proptest::option::weighted(0.9, proptest::collection::vec(json(), 0..20)), 1..4,
        ),
        space in "[ \n]{0,2}", limit in limit(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let inside = |elements: &Vec<String>| {
            elements.iter().map(|one| format!("{space}{one}{space}")).collect::<Vec<_>>().join(",")
        };
        let text = |array: &Option<Vec<String>>| {
            array.as_ref().map_or(String::new(), |elements| format!("{space}[{}]{space}", inside(elements)))
        };
        let texts: Vec<_> = arrays.iter().map(|array| text(array).into_bytes()).collect();
        let open = files(dir.path(), &texts, "json");
        let chunks = planned(&open, limit);
        prop_assert_eq!(&chunks, &streamed(&open, limit));
        let mut joined = Vec::new();
        let mut values = 0;
        for (bytes, rows) in chunks.unwrap() {
            let chunk: Vec<serde_json::Value> = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(chunk.len() as u64, rows);
            values += chunk.len();
            joined.push(String::from_utf8(bytes).unwrap());
        }
        prop_assert_eq!(values, arrays.iter().flatten().flatten().count());
        // Joined, they are the inputs in one pair of brackets.
        let elements = arrays.iter().flatten().filter(|elements| !elements.is_empty());
        let expected = match arrays.iter().flatten().count() {
            0 => String::new(),
            _ => format!("{space}[{}]{space}", elements.map(inside).collect::<Vec<_>>().join(",")),
        };
        prop_assert_eq!(joined.join("").replace("][", ","), expected.replace("][", ","));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(300)))]

    #[test]
    fn a_stream_gives_the_same_chunks_in_whatever_pieces_it_arrives(
        body in any_csv(), elements in proptest::collection::vec(json(), 0..9), space in "[ \n]{0,9}",
        more in proptest::option::weighted(0.2, "[\\[\\]1,]{1,2}"),
        bom in any::<bool>(), lengths in proptest::collection::vec(1..8usize, 1..5), limit in limit(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let bom: &[u8] = if bom { b"\xef\xbb\xbf" } else { b"" };
        let csv = [bom, b"a,\"b\nc\" \n", &body].concat();
        let array = format!("{space}[{}]{space}{}", elements.join(","), more.unwrap_or_default());
        let json = [bom, array.as_bytes()].concat();
        for (text, format) in [
            (&csv, RecordFormat::Csv), (&csv, RecordFormat::Lines), (&json, RecordFormat::Json),
        ] {
            let open = files(dir.path(), std::slice::from_ref(text), format.name());
            let whole = planned(&open, limit).map_err(|err| after_name(&err));
            let arrived = arriving(text, format, &lengths, limit, chunks_of).map_err(|err| after_name(&err));
            prop_assert_eq!(whole, arrived);
        }
    }

    #[test]
    fn a_stream_gives_a_chunk_as_soon_as_the_next_record_begins(
        header in proptest::sample::select(&["a,\"b\nc\"\n", "5\" a,b\r\n"]), body in any_csv(), rows in 1..4u64,
    ) {
        let text = [header.as_bytes(), &body].concat();
        let count_chunks = |mut stream: Stream| {
            let mut counts = vec![0];
            while counts.len() <= text.len() && stream.read().is_ok() {
                let new = std::iter::from_fn(|| stream.next_chunk()).count() as u64;
                counts.push(counts[counts.len() - 1] + new);
            }
            counts
        };
        let counts = arriving(&text, RecordFormat::Csv, &[1], Limit::Rows(rows), count_chunks);
        prop_assert_eq!(counts.len(), text.len() + 1);
        let (starts, _) = csv_starts(&body);
        // How many chunks are complete where so many bytes have been read.
        let complete = |read: usize| {
            let read = read.saturating_sub(header.len()) as u64;
            (starts.partition_point(|&start| start < read) as u64).saturating_sub(1) / rows
        };
        for (read, count) in counts.into_iter().enumerate() {
            // Whether a carriage return begins a record, the byte after it decides.
            let expected = complete(read.saturating_sub(1))..=complete(read);
            prop_assert!(expected.contains(&count), "{} chunks after {} bytes", count, read);
        }
    }
}

/// The place and the fault of a message, without the name of the input.
fn after_name(message: &str) -> String {
    message.split_once(": ").map_or(message, |(_, rest)| rest).to_owned()
}

//! `tmpx cache list`: prints what is stored.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use anyhow::Context as _;
use rustix::stdio::stdout;
use rustix::termios::isatty;

use crate::cache::{CacheStore, Listed};
use crate::cli::CacheListArgs;
use crate::commands::context::Context;
use crate::ui::sh_quote::quote;
use crate::ui::{CacheRow, Format, Output, print_note, sanitize};
use crate::values::{ByteSize, OsJson, Span, Status};

pub(super) fn run(args: &CacheListArgs, context: &Context) -> anyhow::Result<Status> {
    let entries = match CacheStore::open(&context.env)? {
        Some(store) => store.list()?,
        None => Vec::new(),
    };
    print(args, &entries).context("could not write to stdout")?;
    Ok(Status::Success)
}

fn print(args: &CacheListArgs, entries: &[Listed]) -> io::Result<()> {
    let mut output = Output::new(Format::from_flags(args.json, false));
    if args.json {
        entries.iter().try_for_each(|entry| output.object(&row(entry)))?;
    } else if !entries.is_empty() {
        output.text(table(entries).as_bytes())?;
    } else if isatty(stdout()) {
        print_note("no entries");
    }
    output.flush()
}

/// Returns a line per entry, each column as wide as its widest cell.
fn table(entries: &[Listed]) -> String {
    let mut rows = vec![["AGE", "LEFT", "SIZE", "KEY"].map(str::to_owned)];
    rows.extend(entries.iter().map(|entry| {
        let left = Duration::from_secs(entry.left.as_secs() + 1);
        [
            Span(entry.age).to_string(),
            Span(left).to_string(),
            ByteSize(entry.bytes).to_string(),
            sanitize(&name(entry)),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; 3] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let mut table = String::new();
    for [age, left, size, key] in &rows {
        let [a, b, c] = widths;
        // Writing to a String cannot fail.
        let _ = writeln!(table, "{age:>a$}  {left:>b$}  {size:>c$}  {key}");
    }
    table
}

/// Returns the key, or the command line where a run has none.
fn name(entry: &Listed) -> String {
    let name = entry.key.name().unwrap_or_else(|| {
        let words: Vec<_> = entry.key.argv().iter().map(|word| quote(word)).collect();
        words.join(" ".as_ref())
    });
    name.to_string_lossy().into_owned()
}

fn row(entry: &Listed) -> CacheRow {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    CacheRow {
        key: entry.key.name().map(OsJson),
        argv: entry.key.argv().into_iter().map(OsJson).collect(),
        age_ms: milliseconds(entry.age),
        left_ms: milliseconds(entry.left),
        bytes: entry.bytes,
        status: Status::from(entry.status).code(),
    }
}

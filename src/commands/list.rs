//! `tmpx list`: prints the resources that exist, with their states.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use unicode_width::UnicodeWidthStr as _;

use crate::cli::ListArgs;
use crate::commands::context::Context;
use crate::commands::errors::print_error;
use crate::commands::named_paths::{NamedPaths, uncovered};
use crate::lease::Stores;
use crate::os::Namespaces;
use crate::reclaim::{Absence, InventoryEntry, KeepReason, Selection, State, SystemState, survey};
use crate::ui::{ListRow, Output, print_note, sanitize};
use crate::values::{ByteSize, PathField, Span, Status};

pub(super) fn run(args: &ListArgs, context: &Context) -> anyhow::Result<Status> {
    let mut named = NamedPaths::new(&args.paths);
    let selection = Selection {
        paths: named.real(),
        older_than: args.select.older_than.map(|Span(least)| least),
        session: args.select.session.clone(),
        ..Selection::default()
    };
    let (stores, errors) = Stores::new(&context.env)?.existing();
    let mut is_complete = errors.is_empty();
    for err in errors {
        print_error(&err.into());
    }
    let mut has_read_all = is_complete;
    let system = SystemState::without_ancestry(Namespaces::current());
    let mut entries = Vec::new();
    for store in &stores {
        let system = system.for_store(store);
        let mut report = |problem| {
            has_read_all = false;
            print_note(problem);
        };
        entries.extend(survey(store, &selection, &system, &mut report)?);
    }
    if !args.output.json {
        let out_of_sight;
        (entries, out_of_sight) = entries.into_iter().partition(|entry| absence(entry).is_none());
        print_absences(&out_of_sight);
    }
    print(args, &entries).context("could not write to stdout")?;
    for entry in entries {
        entry.found.iter().for_each(|resource| named.cover(resource));
    }
    for (path, exists) in named.uncovered() {
        is_complete = false;
        let why = if exists { uncovered(has_read_all) } else { "does not exist" };
        print_note(format_args!("{}: {why}", path.given.display()));
    }
    Ok(if is_complete { Status::Success } else { Status::Failed })
}

/// Returns why a resource is out of sight.
fn absence(entry: &InventoryEntry) -> Option<&Absence> {
    match &entry.state {
        State::Kept(KeepReason::OutOfSight(absence)) => Some(absence),
        _ => None,
    }
}

/// Prints one line for each directory: one that was removed may have had thousands of resources.
fn print_absences(entries: &[InventoryEntry]) {
    let mut counts: BTreeMap<(&Path, String), u64> = BTreeMap::new();
    for entry in entries {
        let dir = entry.path.parent().unwrap_or(&entry.path);
        let why = absence(entry).map(Absence::to_string).unwrap_or_default();
        *counts.entry((dir, why)).or_default() += 1;
    }
    for ((dir, why), count) in counts {
        print_note(format_args!("{count} out of sight in {}: {why}", dir.display()));
    }
}

/// Prints a table to a terminal, and the paths alone to other programs, as ls(1) does.
fn print(args: &ListArgs, entries: &[InventoryEntry]) -> std::io::Result<()> {
    let mut output = Output::new(args.output.format());
    let for_people =
        !args.output.json && !args.output.null && rustix::termios::isatty(rustix::stdio::stdout());
    if for_people && entries.is_empty() {
        if args.paths.is_empty() {
            print_note("no resources");
        }
    } else if for_people {
        output.text(table(entries).as_bytes())?;
    } else {
        for entry in entries {
            output.result(&entry.path, || row(entry))?;
        }
    }
    output.flush()
}

/// A cell without a value.
const NO_VALUE: &str = "-";

/// Returns a line per entry, each column as wide as its widest cell, and the totals. Leaves out columns
/// without any value.
fn table(entries: &[InventoryEntry]) -> String {
    const RIGHT: [bool; 7] = [false, true, true, true, true, false, false];
    let head = ["STATE", "AGE", "LEFT", "OWNER", "SIZE", "SESSION", "PATH"].map(str::to_owned);
    let mut rows = vec![head];
    rows.extend(entries.iter().map(cells));
    let is_empty = |column: usize| rows[1..].iter().all(|row| row[column] == NO_VALUE);
    let columns: Vec<usize> = (0..RIGHT.len()).filter(|column| !is_empty(*column)).collect();
    let widest = |column: usize| rows.iter().map(|row| row[column].width()).max();
    let widths: Vec<usize> = columns.iter().map(|column| widest(*column).unwrap_or(0)).collect();
    let mut table = String::new();
    // Writing to a String cannot fail.
    for row in &rows {
        let cells = columns.iter().zip(&widths).map(|(&column, width)| {
            let cell = &row[column];
            let padding = " ".repeat(width - cell.width());
            if RIGHT[column] { padding + cell } else { cell.clone() + &padding }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(table, "{}", line.trim_end());
    }
    let bytes = entries.iter().map(|entry| entry.size.bytes).sum();
    let _ = writeln!(table, "total {}, {}", entries.len(), ByteSize(bytes));
    table
}

fn cells(entry: &InventoryEntry) -> [String; 7] {
    let time = |time: Option<Duration>| time.map_or(NO_VALUE.into(), |time| Span(time).to_string());
    [
        entry.state.word().to_owned(),
        time(entry.age),
        time(entry.left.map(round_up)),
        entry.owner().map_or(NO_VALUE.into(), |owner| owner.pid.to_string()),
        ByteSize(entry.size.bytes).to_string(),
        sanitize(entry.header.session.as_deref().unwrap_or(NO_VALUE)),
        sanitize(&entry.path.display().to_string()),
    ]
}

/// Rounds up to the smaller of the units that are printed. Otherwise two hours would at once become an
/// hour and 59 minutes.
fn round_up(left: Duration) -> Duration {
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    let unit = match seconds {
        0..3600 => 1,
        3600..86_400 => 60,
        _ => 3600,
    };
    Duration::from_secs(seconds.div_ceil(unit) * unit)
}

fn row(entry: &InventoryEntry) -> ListRow<'_> {
    /// The last moment that RFC 3339 can express, in milliseconds since the epoch.
    const LAST: u64 = 253_402_300_799_999;
    let created = Duration::from_millis(entry.header.created.wall_ms.min(LAST));
    let created = SystemTime::UNIX_EPOCH + created;
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    ListRow {
        path: PathField::of(&entry.path),
        kind: entry.kind,
        state: entry.state.word().replace(' ', "_"),
        lease: &entry.header.id,
        lifetime: entry.lifetime.word(),
        session: entry.header.session.as_deref(),
        created: humantime::format_rfc3339_millis(created).to_string(),
        age_ms: entry.age.map(milliseconds),
        left_ms: entry.left.map(milliseconds),
        owner: entry.owner().map(|owner| owner.pid),
        caller: entry.header.caller.map(|caller| caller.pid),
        entries: entry.size.entries,
        bytes: entry.size.bytes,
    }
}

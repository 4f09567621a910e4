//! `tmpx list`: prints the resources that exist, with their states.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

use crate::cli::ListArgs;
use crate::commands::context::Context;
use crate::commands::errors::print_error;
use crate::lease::Stores;
use crate::os::Namespaces;
use crate::reclaim::{Absence, InventoryEntry, KeepReason, Selection, State, SystemState, survey};
use crate::ui::{ListRow, Output, print_note, sanitize};
use crate::values::{ByteSize, PathField, Span, Status};

pub(super) fn run(args: &ListArgs, context: &Context) -> anyhow::Result<Status> {
    let selection = Selection {
        older_than: args.select.older_than.map(|Span(least)| least),
        session: args.select.session.clone(),
        ..Selection::default()
    };
    let (stores, errors) = Stores::new(&context.env)?.existing();
    let is_complete = errors.is_empty();
    for err in errors {
        print_error(&err.into());
    }
    let system = SystemState::without_ancestry(Namespaces::current());
    let mut entries = Vec::new();
    for store in &stores {
        let system = system.for_store(store);
        entries.extend(survey(store, &selection, &system, &mut |problem| print_note(problem))?);
    }
    if !args.output.json {
        let out_of_sight;
        (entries, out_of_sight) = entries.into_iter().partition(|entry| absence(entry).is_none());
        print_absences(&out_of_sight);
    }
    print(args, &entries).context("could not write to stdout")?;
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
        print_note("no resources");
    } else if for_people {
        output.text(table(entries).as_bytes())?;
    } else {
        for entry in entries {
            output.result(&entry.path, || row(entry))?;
        }
    }
    output.flush()
}

/// Returns a line per entry, each column as wide as its widest cell.
fn table(entries: &[InventoryEntry]) -> String {
    const RIGHT: [bool; 7] = [false, true, true, true, true, false, false];
    let head = ["STATE", "AGE", "LEFT", "OWNER", "SIZE", "SESSION", "PATH"].map(str::to_owned);
    let mut rows = vec![head];
    rows.extend(entries.iter().map(cells));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; 7] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let mut table = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).zip(RIGHT).map(|((cell, width), right)| {
            if right { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        // Writing to a String cannot fail.
        let _ = writeln!(table, "{}", line.trim_end());
    }
    table
}

fn cells(entry: &InventoryEntry) -> [String; 7] {
    let time = |time: Option<Duration>| time.map_or("-".into(), |time| Span(time).to_string());
    [
        entry.state.word().to_owned(),
        time(entry.age),
        time(entry.left.map(round_up)),
        entry.owner().map_or("-".into(), |owner| owner.pid.to_string()),
        ByteSize(entry.size.bytes).to_string(),
        sanitize(entry.header.session.as_deref().unwrap_or("-")),
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

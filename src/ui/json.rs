//! The JSON objects that tmpx prints. Their fields are an interface that scripts rely on.

use std::io;
use std::path::Path;

use serde::Serialize;

use crate::chunk::{ChunkTally, Place};
use crate::fs::Dir;
use crate::lease::{Kind, Lease, entry};
use crate::ui::stdout::Output;
use crate::values::{OsJson, PathField, Status, WorkspaceField};

/// A created resource: a row of `file`, `dir` and `workspace`.
#[derive(Debug, Serialize)]
pub(crate) struct CreatedRow<'a> {
    #[serde(flatten)]
    path: PathField<'a>,
    kind: Kind,
    lease: &'a str,
    lifetime: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
}

impl<'a> CreatedRow<'a> {
    pub(crate) fn new(path: &'a Path, kind: Kind, lease: &'a Lease) -> Self {
        Self {
            path: PathField::of(path),
            kind,
            lease: lease.id(),
            lifetime: lease.lifetime().word(),
            session: lease.session(),
        }
    }

    /// Adds all resources of one lease to the output.
    pub(crate) fn print_all(
        output: &mut Output,
        lease: &Lease,
        dir: &Dir,
        created: &[entry::Created],
        kind: Kind,
    ) -> io::Result<()> {
        for resource in created {
            let path = dir.join(&resource.name);
            output.result(&path, || CreatedRow::new(&path, kind, lease))?;
        }
        Ok(())
    }
}

/// A candidate for the temp dir: a row of `gettempdir`.
#[derive(Debug, Serialize)]
pub(crate) struct GettempdirRow<'a> {
    #[serde(flatten)]
    pub(crate) path: PathField<'a>,
    pub(crate) variable: Option<&'a str>,
    pub(crate) usable: bool,
    pub(crate) chosen: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'a str>,
}

/// A resource and what the cleanup did with it: a row of `cleanup`.
#[derive(Debug, Serialize)]
pub(crate) struct CleanupRow<'a> {
    #[serde(flatten)]
    pub(crate) path: PathField<'a>,
    pub(crate) lease: &'a str,
    /// `removed`, `would_remove`, `kept`, `failed`, `given_up` or `would_give_up`.
    pub(crate) action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entries: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<u64>,
}

/// A resource and its state: a row of `list`.
#[derive(Debug, Serialize)]
pub(crate) struct ListRow<'a> {
    #[serde(flatten)]
    pub(crate) path: PathField<'a>,
    pub(crate) kind: Kind,
    /// `live`, `in_use`, `timed`, `manual`, `ended`, `replaced`, `unproven`, `out_of_sight` or
    /// `unknown`.
    pub(crate) state: String,
    pub(crate) lease: &'a str,
    pub(crate) lifetime: &'a str,
    pub(crate) session: Option<&'a str>,
    /// RFC 3339, UTC.
    pub(crate) created: String,
    pub(crate) age_ms: Option<u64>,
    pub(crate) left_ms: Option<u64>,
    pub(crate) owner: Option<u32>,
    pub(crate) caller: Option<u32>,
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

/// The report of `spool --report`.
#[derive(Debug, Serialize)]
pub(crate) struct SpoolReport<'a> {
    pub(crate) bytes: u64,
    /// `stdin` (standard input was a file, which was not copied), `memory` or `file`.
    pub(crate) held_in: &'a str,
    /// Whether the input exceeded `--max-size` or the available memory.
    pub(crate) rolled_over: bool,
    /// The directory of the unnamed file.
    #[serde(flatten)]
    pub(crate) dir: Option<PathField<'a>>,
    /// The command's exit status, as a shell sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u8>,
}

/// The report of `replace --report`.
#[derive(Debug, Serialize)]
pub(crate) struct ReplaceReport<'a> {
    #[serde(flatten)]
    pub(crate) path: PathField<'a>,
    /// The size of the new content.
    pub(crate) bytes: u64,
    pub(crate) replaced: bool,
    /// The command's exit status, as a shell sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u8>,
}

/// The report of `exec --report`.
#[derive(Debug, Serialize)]
pub(crate) struct ExecReport<'a> {
    /// The command and its arguments.
    pub(crate) command: &'a [OsJson],
    #[serde(flatten)]
    pub(crate) workspace: WorkspaceField<'a>,
    /// The command's exit status; `null` if a signal ended it or it could not be started.
    pub(crate) status: Option<i32>,
    /// The signal that ended the command.
    pub(crate) signal: Option<i32>,
    pub(crate) timed_out: bool,
    /// The exit status of tmpx itself.
    pub(crate) exit: u8,
    /// From the start of the command to its end.
    pub(crate) wall_ms: u64,
    /// Processor time of the command and of the children that it waited for.
    pub(crate) user_ms: u64,
    pub(crate) system_ms: u64,
    /// The largest resident set of any one of these processes.
    pub(crate) peak_memory_bytes: u64,
    /// The files that were saved from the workspace.
    pub(crate) outputs: Vec<PathField<'a>>,
    /// Whether the workspace was kept.
    pub(crate) kept: bool,
}

/// The report of `chunk`.
#[derive(Debug, Serialize)]
pub(crate) struct ChunkReport {
    /// Chunks that succeeded, in order, before the first one that failed.
    chunks: u64,
    records: u64,
    /// Bytes of records, without headers.
    bytes: u64,
    /// The exit status of tmpx, as a shell sees it.
    exit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<FailedChunk>,
}

/// The first chunk that failed.
#[derive(Debug, Serialize)]
struct FailedChunk {
    /// Its number, from 0.
    chunk: u64,
    /// Where it begins in its input, in bytes from 0.
    offset: u64,
    /// The number of its records.
    rows: u64,
    /// The status as a shell sees it.
    status: u8,
}

impl ChunkReport {
    pub(crate) fn new(tally: ChunkTally, exit: Status, failed: Option<&(Place, Status)>) -> Self {
        let ChunkTally { chunks, records, bytes } = tally;
        let failed = failed.map(|(place, status)| FailedChunk {
            chunk: place.number,
            offset: place.at,
            rows: place.rows,
            status: status.code(),
        });
        Self { chunks, records, bytes, exit: exit.code(), failed }
    }
}

/// The report of `cache run --report`.
#[derive(Debug, Serialize)]
pub(crate) struct CacheReport {
    /// `hit`, `miss`, `stale` or `uncached`.
    pub(crate) status: &'static str,
    /// Why the output is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// The age of the output; `null` if the command ran.
    pub(crate) age_ms: Option<u64>,
    /// The TTL that counts.
    pub(crate) ttl_ms: u64,
    /// The bytes of the output, stderr included.
    pub(crate) bytes: u64,
    /// The exit status, as a shell sees it.
    pub(crate) exit: u8,
}

/// An entry of the cache: a row of `cache list`.
#[derive(Debug, Serialize)]
pub(crate) struct CacheRow {
    /// The key of `set`, or the `--key`s of a run.
    pub(crate) key: Option<OsJson>,
    /// The command and its arguments; none for `set`.
    pub(crate) argv: Vec<OsJson>,
    pub(crate) age_ms: u64,
    pub(crate) left_ms: u64,
    pub(crate) bytes: u64,
    /// The exit status of the command, as a shell sees it.
    pub(crate) status: u8,
}

//! The shape of each JSON object that tmpx prints, in one place: the fields are an interface.

use std::io;
use std::path::Path;

use serde::Serialize;

use crate::fs::Dir;
use crate::lease::{Kind, Lease, entry};
use crate::ui::stdout::Output;
use crate::values::{OsJson, PathField, WorkspaceField};

/// A resource that was made: `file`, `dir` and `workspace`.
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
    /// A resource of a lease.
    pub(crate) fn new(path: &'a Path, kind: Kind, lease: &'a Lease) -> Self {
        Self {
            path: PathField::of(path),
            kind,
            lease: lease.id(),
            lifetime: lease.lifetime().word(),
            session: lease.session(),
        }
    }

    /// Adds resources of one lease to the output.
    pub(crate) fn print_all(
        output: &mut Output,
        lease: &Lease,
        place: &Dir,
        made: &[entry::Created],
        kind: Kind,
    ) -> io::Result<()> {
        for one in made {
            let path = place.join(&one.name);
            output.result(&path, || CreatedRow::new(&path, kind, lease))?;
        }
        Ok(())
    }
}

/// A candidate for the temp dir: `gettempdir`.
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

/// What a cleanup did with a resource.
#[derive(Debug, Serialize)]
pub(crate) struct CleanupRow<'a> {
    #[serde(flatten)]
    pub(crate) path: PathField<'a>,
    pub(crate) lease: &'a str,
    /// `removed`, `would_remove`, `kept` or `failed`.
    pub(crate) action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entries: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<u64>,
}

/// A resource that is there: `list`.
#[derive(Debug, Serialize)]
pub(crate) struct ListRow<'a> {
    #[serde(flatten)]
    pub(crate) path: PathField<'a>,
    pub(crate) kind: Kind,
    /// `live`, `ended`, `in_use`, `manual`, `replaced` or `unknown`.
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

/// What `spool --report` tells.
#[derive(Debug, Serialize)]
pub(crate) struct SpoolReport<'a> {
    pub(crate) bytes: u64,
    /// `stdin` (it was a file, and stayed there), `memory` or `file`.
    pub(crate) held_in: &'a str,
    /// Whether there was too much of it for memory.
    pub(crate) rolled_over: bool,
    /// The directory of the file.
    #[serde(flatten)]
    pub(crate) dir: Option<PathField<'a>>,
    /// The command's, as a shell sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u8>,
}

/// What `replace --report` tells.
#[derive(Debug, Serialize)]
pub(crate) struct ReplaceReport<'a> {
    #[serde(flatten)]
    pub(crate) path: PathField<'a>,
    /// How much was new.
    pub(crate) bytes: u64,
    pub(crate) replaced: bool,
    /// The command's, as a shell sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u8>,
}

/// What `exec --report` tells.
#[derive(Debug, Serialize)]
pub(crate) struct ExecReport<'a> {
    /// The words of the command line.
    pub(crate) command: &'a [OsJson],
    #[serde(flatten)]
    pub(crate) workspace: WorkspaceField<'a>,
    /// What the command exited with; `null` where a signal ended it, or it could not be started.
    pub(crate) status: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    pub(crate) timed_out: bool,
    /// What tmpx exits with.
    pub(crate) exit: u8,
    /// From its start to its end.
    pub(crate) wall_ms: u64,
    /// Processor time of it and of the children that it waited for.
    pub(crate) user_ms: u64,
    pub(crate) system_ms: u64,
    /// The most memory that one of these processes had at once.
    pub(crate) peak_memory_bytes: u64,
    /// Files that were saved from the workspace.
    pub(crate) outputs: Vec<PathField<'a>>,
    /// Whether the workspace stays.
    pub(crate) kept: bool,
}

//! `tmpx cleanup`

use std::path::PathBuf;

use clap::Args;

use super::OutputFormat;
use crate::duration::Span;

/// Which leases are meant. Several narrow it down.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Selection")]
pub struct Select {
    /// Only what is at least this old (90, 15m, 2d); manual ones too
    #[arg(long, value_name = "DURATION")]
    pub older_than: Option<Span>,
    /// Only what belongs to this group; manual ones too
    #[arg(long, value_name = "NAME")]
    pub session: Option<String>,
    /// Manual ones too
    #[arg(long)]
    pub all: bool,
}

/// Arguments of `tmpx cleanup`.
#[derive(Args, Debug)]
pub struct Cleanup {
    /// Only these resources; manual ones too
    pub paths: Vec<PathBuf>,
    /// Remove nothing, list what would be removed
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Take also what lives, is in use, or belongs to another job
    #[arg(long)]
    pub force: bool,
    /// Say nothing of what was removed and kept
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the struct has them")]
    pub select: Select,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the struct has them")]
    pub output: OutputFormat,
}

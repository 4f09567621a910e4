//! `tmpx list`

use clap::Args;

use super::OutputFormat;
use super::cleanup::Select;

/// Arguments of `tmpx list`.
#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    #[allow(missing_docs, reason = "the struct has them")]
    pub select: Select,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the struct has them")]
    pub output: OutputFormat,
}

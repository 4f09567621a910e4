//! `tmpx list`

use clap::Args;

use super::OutputFormat;
use super::cleanup::Select;

/// Arguments of `tmpx list`.
#[derive(Args, Debug)]
pub struct List {
    /// Which,
    #[command(flatten)]
    pub select: Select,
    /// and how to print them.
    #[command(flatten)]
    pub output: OutputFormat,
}

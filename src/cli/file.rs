//! `tmpx file`

use std::ffi::OsString;

use clap::Args;

use super::Make;

/// Arguments of `tmpx file`.
#[derive(Args, Debug)]
pub struct File {
    #[command(flatten)]
    #[allow(missing_docs, reason = "the struct has them")]
    pub make: Make,
    /// Fill it from a file, or from standard input if SRC is '-'
    #[arg(long, value_name = "SRC")]
    pub from: Option<OsString>,
}

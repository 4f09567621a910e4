//! `tmpx workspace`

use clap::Args;

use super::arguments::template_path;
use super::{Layout, Lifetime, OutputFormat, Place};
use crate::template::TemplatePath;

/// Arguments of `tmpx workspace`.
#[derive(Args, Debug)]
pub struct Workspace {
    /// A name with X to be replaced, as in build.XXXXXXXXXX
    #[arg(conflicts_with = "prefix", value_parser = template_path())]
    pub template: Option<TemplatePath>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the struct has them")]
    pub layout: Layout,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the struct has them")]
    pub place: Place,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the struct has them")]
    pub lifetime: Lifetime,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the struct has them")]
    pub output: OutputFormat,
    /// Print 'export TMPX_WORKSPACE=… TMPDIR=…', for eval
    #[arg(long, conflicts_with_all = ["json", "null"], help_heading = "Output")]
    pub export: bool,
}

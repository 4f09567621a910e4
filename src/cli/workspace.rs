//! `tmpx workspace`

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use super::{Layout, Lifetime, MktempHabits, OutputFormat, Place};
use crate::template::TemplatePath;

/// Arguments of `tmpx workspace`.
#[derive(Args, Debug)]
pub struct Workspace {
    /// A name with X to be replaced, as in build.XXXXXXXXXX
    #[arg(conflicts_with = "prefix",
          value_parser = OsStringValueParser::new().try_map(|text| TemplatePath::parse(&text)))]
    pub template: Option<TemplatePath>,
    /// What is in it,
    #[command(flatten)]
    pub layout: Layout,
    /// where it is,
    #[command(flatten)]
    pub place: Place,
    /// for how long,
    #[command(flatten)]
    pub lifetime: Lifetime,
    /// and how to print it.
    #[command(flatten)]
    pub output: OutputFormat,
    /// Print 'export TMPX_WORKSPACE=… TMPDIR=…', for eval
    #[arg(long, conflicts_with_all = ["json", "null"], help_heading = "Output")]
    pub export: bool,
    /// Flags that belong to mktemp.
    #[command(flatten)]
    pub habits: MktempHabits,
}

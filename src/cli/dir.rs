//! `tmpx dir`

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use super::{Lifetime, Make, MktempHabits, OutputFormat, Place};
use crate::template::{ExactName, TemplatePath};

/// Arguments of `tmpx dir`.
#[derive(Args, Debug)]
pub struct Dir {
    /// A name with X to be replaced, as in build.XXXXXXXXXX
    #[arg(conflicts_with = "prefix",
          value_parser = OsStringValueParser::new().try_map(|text| TemplatePath::parse(&text)))]
    pub template: Option<TemplatePath>,
    /// Make exactly this name, or a numbered one if it is taken (build_1)
    #[arg(long, conflicts_with_all = ["template", "prefix", "suffix"],
          value_parser = OsStringValueParser::new().try_map(ExactName::parse))]
    pub name: Option<ExactName>,
    /// How many, and
    #[command(flatten)]
    pub make: Make,
    /// where,
    #[command(flatten)]
    pub place: Place,
    /// for how long,
    #[command(flatten)]
    pub lifetime: Lifetime,
    /// and how to print it.
    #[command(flatten)]
    pub output: OutputFormat,
    /// Flags that belong to mktemp.
    #[command(flatten)]
    pub habits: MktempHabits,
}

//! `tmpx file`

use std::ffi::OsString;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use super::{Lifetime, Make, MktempHabits, OutputFormat, Place};
use crate::template::{ExactName, TemplatePath};

/// Arguments of `tmpx file`.
#[derive(Args, Debug)]
pub struct File {
    /// A name with X to be replaced, as in report.XXXXXXXXXX.csv
    #[arg(conflicts_with = "prefix",
          value_parser = OsStringValueParser::new().try_map(|text| TemplatePath::parse(&text)))]
    pub template: Option<TemplatePath>,
    /// Make exactly this name, or a numbered one if it is taken (report_1.csv)
    #[arg(long, conflicts_with_all = ["template", "prefix", "suffix"],
          value_parser = OsStringValueParser::new().try_map(ExactName::parse))]
    pub name: Option<ExactName>,
    /// Fill it from a file, or from standard input if SRC is '-'
    #[arg(long, value_name = "SRC")]
    pub from: Option<OsString>,
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

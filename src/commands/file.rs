//! `tmpx file`: make files, print their paths.

use std::path::Path;

use crate::cli::command::File;
use crate::commands::context::Context;
pub(crate) use crate::commands::context::make_and_print;
use crate::lease::record::Kind;
use crate::streams::input::Source;
use crate::values::error::Status;

pub(super) fn run(args: File, context: &Context) -> anyhow::Result<Status> {
    let mut source = match args.from {
        None => None,
        Some(from) if from == "-" => Some(Source::stdin()?),
        Some(from) => Some(Source::open(Path::new(&from))?),
    };
    make_and_print(args.make, Kind::File, context, &mut |file| {
        source.as_mut().map_or(Ok(()), |source| source.fill(file))
    })
}

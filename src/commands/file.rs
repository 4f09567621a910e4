//! `tmpx file`: create files and print their paths.

use std::os::fd::OwnedFd;
use std::path::Path;

use crate::cli::FileArgs;
use crate::commands::context::Context;
use crate::commands::create::create_and_print;
use crate::lease::Kind;
use crate::streams::Input;
use crate::values::Status;

pub(super) fn run(args: FileArgs, context: &Context) -> anyhow::Result<Status> {
    let mut source = args.from.map(|from| Input::open(Path::new(&from))).transpose()?;
    let mut fill = source.as_mut().map(|source| |file: &OwnedFd| source.fill(file));
    create_and_print(args.create, Kind::File, context, fill.as_mut().map(|fill| fill as _))
}

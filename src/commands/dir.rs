//! `tmpx dir`: make directories, print their paths.

use crate::cli::command::Dir;
use crate::commands::context::Context;
pub(crate) use crate::commands::context::make_and_print;
use crate::lease::record::Kind;
use crate::values::error::Status;

pub(super) fn run(args: Dir, context: &Context) -> anyhow::Result<Status> {
    make_and_print(args.make, Kind::Dir, context, &mut |_| Ok(()))
}

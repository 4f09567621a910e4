//! `tmpx dir`: create directories and print their paths.

use crate::cli::DirArgs;
use crate::commands::context::Context;
use crate::commands::create::create_and_print;
use crate::lease::Kind;
use crate::values::Status;

pub(super) fn run(args: DirArgs, context: &Context) -> anyhow::Result<Status> {
    create_and_print(args.create, Kind::Dir, context, None)
}

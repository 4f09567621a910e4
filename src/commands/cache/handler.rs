//! Calls the handler of a subcommand of `tmpx cache`.

use crate::cli::{CacheArgs, CacheCommandArgs};
use crate::commands::cache::{clear, get, job, list, set};
use crate::commands::context::Context;
use crate::values::Status;

pub(crate) fn run(args: CacheArgs, context: &Context) -> anyhow::Result<Status> {
    match args.command {
        CacheCommandArgs::Run(args) => job::run(&args, context),
        CacheCommandArgs::Get(args) => get::run(&args, context),
        CacheCommandArgs::Set(args) => set::run(&args, context),
        CacheCommandArgs::Clear(args) => clear::run(&args, context),
        CacheCommandArgs::List(args) => list::run(&args, context),
    }
}

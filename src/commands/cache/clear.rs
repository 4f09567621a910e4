//! `tmpx cache clear`: removes what is stored.

use crate::cache::{CacheStore, RemovedEntries};
use crate::cli::CacheClearArgs;
use crate::commands::context::Context;
use crate::ui::print_note;
use crate::values::Status;

pub(super) fn run(args: &CacheClearArgs, context: &Context) -> anyhow::Result<Status> {
    let removed = match CacheStore::open(&context.env)? {
        Some(store) => store.clear(args.key.as_deref())?,
        None => RemovedEntries::default(),
    };
    if !args.quiet {
        print_note(format_args!("removed {}", removed.describe("cache")));
    }
    Ok(Status::Success)
}

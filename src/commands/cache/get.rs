//! `tmpx cache get`: prints what `set` stored.

use crate::cache::{CacheKey, CacheStore};
use crate::cli::CacheGetArgs;
use crate::commands::cache::output::print;
use crate::commands::context::Context;
use crate::values::Status;

pub(super) fn run(args: &CacheGetArgs, context: &Context) -> anyhow::Result<Status> {
    let key = CacheKey::named(&args.key);
    let Some(store) = CacheStore::open(&context.env)? else { return Ok(Status::Failed) };
    match store.get(&key)? {
        Some(entry) => {
            print(&entry)?;
            entry.mark_used();
            Ok(Status::Success)
        }
        None => Ok(Status::Failed),
    }
}

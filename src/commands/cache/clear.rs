//! `tmpx cache clear`: removes what is stored.

use crate::cache::CacheStore;
use crate::cli::CacheClearArgs;
use crate::commands::context::Context;
use crate::values::Status;

pub(super) fn run(args: &CacheClearArgs, context: &Context) -> anyhow::Result<Status> {
    if let Some(store) = CacheStore::open(&context.env)? {
        store.clear(args.key.as_deref())?;
    }
    Ok(Status::Success)
}

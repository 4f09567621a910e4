//! `tmpx cache set`: stores standard input.

use crate::cache::{CacheKey, CacheStore, Unkept};
use crate::cli::CacheSetArgs;
use crate::commands::cache::settings;
use crate::commands::context::Context;
use crate::commands::scratch::{note_typed_input, with_scratch};
use crate::lease::TmpFile;
use crate::streams::readable_stdin;
use crate::values::Status;

pub(super) fn run(args: &CacheSetArgs, context: &Context) -> anyhow::Result<Status> {
    let ttl = settings::ttl(args.ttl, &context.env)?;
    let max = settings::max_bytes(None, &context.env)?;
    let key = CacheKey::named(&args.key);
    let input = readable_stdin()?;
    note_typed_input(input);
    let store = CacheStore::open_or_create(&context.env)?;
    with_scratch(context, |scratch| {
        let mut create_hidden = |dir| Ok(TmpFile::create_hidden(scratch.lease()?, dir, 0o600)?);
        let size =
            store.set(&key, ttl, max, input, &mut create_hidden).map_err(|why| match why {
                Unkept::Trouble(err) => err,
                why => anyhow::anyhow!("could not keep standard input: {}", why.reason()),
            })?;
        store.tidy(&key, size, max);
        Ok(Status::Success)
    })
}

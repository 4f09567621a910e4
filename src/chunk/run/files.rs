//! Writes chunks into files of their own.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use anyhow::Context as _;

use crate::chunk::plan::part::Chunk;
use crate::chunk::plan::supply::{ChunkTally, Supply};
use crate::chunk::run::convert::JsonForm;
use crate::chunk::run::feed::Feed;
use crate::chunk::run::job::Place;
use crate::create::Transaction;
use crate::create::transaction::PrintPaths;
use crate::fs::Dir;
use crate::lease::{CreateOptions, Created, FillError};

/// Creates a file for each chunk, in `dir` or the temp dir, and commits the lease. On a failure all
/// files are removed again.
pub(crate) fn create_files(
    transaction: &mut Transaction,
    supply: &mut Supply,
    form: Option<JsonForm>,
    dir: Option<&Path>,
    options: &CreateOptions,
    deliver: PrintPaths<'_>,
) -> anyhow::Result<ChunkTally> {
    transaction.or_rollback(|transaction| {
        let mut tally = ChunkTally::default();
        let mut place: Option<Dir> = None;
        loop {
            let count = supply.ready()?;
            if count == 0 {
                break;
            }
            let mut fill = |file: &OwnedFd| -> Result<(), FillError> {
                let chunk = supply.next_chunk().context("a chunk is missing")?;
                Ok(write_chunk(chunk, form, file.as_fd(), supply, &mut tally)?)
            };
            let created: Vec<Created> = if let Some(place) = &place {
                transaction.create_batch(place, options, count, Some(&mut fill))?
            } else {
                let (found, created) =
                    transaction.create_first(dir, options, count, Some(&mut fill))?;
                place = Some(found);
                created
            };
            if let Some(place) = &place {
                deliver(transaction.lease(), place, &created, true)
                    .context("could not write to stdout")?;
            }
        }
        if place.is_some() {
            transaction.lease_mut().commit()?;
        }
        Ok(tally)
    })
}

fn write_chunk(
    chunk: Chunk,
    form: Option<JsonForm>,
    file: BorrowedFd<'_>,
    supply: &Supply,
    tally: &mut ChunkTally,
) -> anyhow::Result<()> {
    let Place { rows, bytes, .. } = Place::of(&chunk);
    Feed::new(chunk, form).write(file, supply.inputs())?;
    tally.chunks += 1;
    tally.records += rows;
    tally.bytes += bytes;
    Ok(())
}

//! What `file` and `dir` share: create resources and print their paths.

use crate::cli::CreateArgs;
use crate::commands::context::Context;
use crate::create::Transaction;
use crate::lease::{CreateOptions, Fill, Kind};
use crate::ui::{CreatedRow, Output, print_note};
use crate::values::Status;

/// Creates the files or directories that the command line asks for, and prints their paths.
pub(crate) fn create_and_print(
    args: CreateArgs,
    kind: Kind,
    context: &Context,
    fill: Fill<'_>,
) -> anyhow::Result<Status> {
    let spec = context.lease_spec(args.lifetime.into())?;
    let mode = args.place.mode;
    let (dir, name) = args.place.resolve(args.template)?;
    let mut output = Output::new(args.output.format());
    let mut transaction = Transaction::new(spec, &context.env)?;
    transaction.create_all(
        dir.as_deref(),
        &CreateOptions { kind, name, mode, keep_open: false },
        args.count,
        fill,
        &mut |lease, dir, created, last| {
            CreatedRow::print_all(&mut output, lease, dir, created, kind)?;
            if last { output.flush() } else { Ok(()) }
        },
    )?;
    transaction.take_warnings().iter().for_each(print_note);
    context.finish(transaction);
    Ok(Status::Success)
}

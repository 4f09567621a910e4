//! `tmpx chunk` without a command: writes chunk files and prints their paths.

use crate::chunk::{RecordFormat, Supply, create_files};
use crate::cli::ChunkArgs;
use crate::commands::context::Context;
use crate::commands::scratch::write_report;
use crate::create::Transaction;
use crate::lease::{CreateOptions, Kind, NameRule};
use crate::ui::{ChunkReport, CreatedRow, Output, print_note};
use crate::values::{Affix, Status, Template};

pub(super) fn create(
    args: ChunkArgs,
    mut supply: Supply,
    format: RecordFormat,
    context: &Context,
) -> anyhow::Result<Status> {
    let spec = context.lease_spec(args.lifetime.into())?;
    let suffix = Affix::parse(format.suffix().into())?;
    let name = NameRule::Random(Template::new(None, Some(&suffix)));
    let options = CreateOptions { kind: Kind::File, name, mode: None, keep_open: false };
    let mut output = Output::new(args.paths.format());
    let mut transaction = Transaction::new(spec, &context.env)?;
    let tally = create_files(
        &mut transaction,
        &mut supply,
        args.to,
        args.dir.as_deref(),
        &options,
        &mut |lease, place, created, _| {
            CreatedRow::print_all(&mut output, lease, place, created, Kind::File)?;
            output.flush()
        },
    )?;
    transaction.take_warnings().iter().for_each(print_note);
    let report = ChunkReport::new(tally, Status::Success, None);
    let lease = transaction.lease_mut();
    let status = write_report(args.report.as_deref(), &report, Status::Success, || Ok(lease));
    context.finish(transaction);
    Ok(status)
}

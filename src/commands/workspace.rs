//! `tmpx workspace`: creates a directory with a layout and a private TMPDIR, and prints its path.

use std::io;

use anyhow::Context as _;

use crate::cli::WorkspaceArgs;
use crate::commands::context::Context;
use crate::commands::layout;
use crate::create::Transaction;
use crate::lease::{CreateOptions, Kind, Lease};
use crate::ui::{CreatedRow, Format, Output, print_note, sh_quote, with_progress};
use crate::values::Status;
use crate::workspace::Workspace;

pub(super) fn run(args: WorkspaceArgs, context: &Context) -> anyhow::Result<Status> {
    let export = args.export;
    create(args, context).inspect_err(|_| {
        if export {
            // `eval` of an empty output succeeds. The script would go on in the current directory,
            // or in the workspace of its caller.
            let mut output = Output::new(Format::Lines);
            let _ = output.text(b"unset TMPX_WORKSPACE; false\n").and_then(|()| output.flush());
        }
    })
}

fn create(args: WorkspaceArgs, context: &Context) -> anyhow::Result<Status> {
    let layout = layout::plan(&args.layout)?;
    let spec = context.lease_spec(args.lifetime.into())?;
    let mode = args.place.mode;
    let (dir, name) = args.place.resolve(args.template)?;
    let options = CreateOptions { kind: Kind::Dir, name, mode: None, keep_open: true };
    let mut output = Output::new(args.output.format());
    let mut transaction = Transaction::new(spec, &context.env)?;
    transaction.or_rollback(|transaction| {
        let (parent, created) = transaction.create_one(dir.as_deref(), &options)?;
        let workspace = Workspace::of(&parent, created, mode)?;
        let skipped = with_progress(layout.has_inputs(), |line| {
            workspace.populate(&layout, &|| Ok(()), &line.progress)
        })?;
        skipped.lines().for_each(print_note);
        workspace.open_up()?;
        print(&workspace, transaction.lease(), args.export, &mut output)
            .context("could not write to stdout")?;
        Ok(transaction.lease_mut().commit()?)
    })?;
    transaction.take_warnings().iter().for_each(print_note);
    context.finish(transaction);
    Ok(Status::Success)
}

fn print(
    workspace: &Workspace,
    lease: &Lease,
    export: bool,
    output: &mut Output,
) -> io::Result<()> {
    let path = workspace.path();
    if export {
        output.text(&sh_quote::export(&[
            ("TMPX_WORKSPACE", path.as_os_str()),
            ("TMPDIR", workspace.temp_dir().as_os_str()),
        ]))?;
    } else {
        output.result(path, || CreatedRow::new(path, Kind::Dir, lease))?;
    }
    output.flush()
}

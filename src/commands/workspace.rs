//! `tmpx workspace`: make a directory with a layout, print its path.

use std::path::Path;

use anyhow::Context as _;

use crate::cli::command as cli;
use crate::commands::context::Context;
use crate::create::transaction::Making;
use crate::lease::entry::{Naming, Wanted};
use crate::lease::record::Kind;
use crate::lease::spec as terms;
use crate::ui::json::Made;
use crate::ui::sh_quote as shell;
use crate::ui::stdout::{Format, Output, note};
use crate::values::error::Status;
use crate::values::template::Template;
use crate::workspace::dir::Workspace;
use crate::workspace::layout::Layout;

pub(super) fn run(args: cli::Workspace, context: &Context) -> anyhow::Result<Status> {
    let export = args.export;
    make(args, context).inspect_err(|_| {
        if export {
            // `eval` of nothing succeeds, and the script would go on where it stands, or in the
            // workspace of the one that called it.
            let mut output = Output::new(Format::Lines);
            let _ = output.text(b"unset TMPX_WORKSPACE; false\n").and_then(|()| output.flush());
        }
    })
}

fn make(args: cli::Workspace, context: &Context) -> anyhow::Result<Status> {
    let layout = Layout::plan(&args.layout.mkdir, &args.layout.inputs)?;
    let terms =
        terms::settle(args.lifetime.into(), &context.env, &context.args, &mut |text| note(text))?;
    let (dir, template) =
        Template::choose(args.template, args.place.prefix.as_ref(), args.place.suffix.as_ref());
    let dir = dir.or(args.place.dir);
    let wanted = Wanted { kind: Kind::Dir, name: Naming::Random(template), mode: None };
    let mut output = Output::new(args.output.format());
    let mut making = Making::new(terms, &context.env)?;
    making.attempt(|making| {
        let (place, made) = making.first(dir.as_deref(), &wanted, 1, &mut |_| Ok(()))?;
        let workspace = Workspace::of(&place, &made)?;
        workspace.lay_out(&layout, args.place.mode, false, &|| Ok(()))?;
        tell(&workspace, &making.lease, args.export, &mut output)
            .context("could not write to stdout")?;
        making.lease.give()
    })?;
    making.take_notes().iter().for_each(note);
    making.conclude(&context.env);
    Ok(Status::Done)
}

fn tell(
    workspace: &Workspace,
    lease: &crate::lease::writer::Lease,
    export: bool,
    output: &mut Output,
) -> std::io::Result<()> {
    let path: &Path = workspace.path();
    if export {
        let line = shell::export(&[
            ("TMPX_WORKSPACE", path.as_os_str()),
            ("TMPDIR", workspace.temp_dir().as_os_str()),
        ]);
        output.text(&line)?;
    } else {
        output.result(path, || Made::new(path, Kind::Dir, lease))?;
    }
    output.flush()
}

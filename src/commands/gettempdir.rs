//! `tmpx gettempdir`: print the temp dir.

use std::io;

use anyhow::Context as _;

use crate::cli::GettempdirArgs;
use crate::commands::context::Context;
use crate::commands::scratch::with_scratch;
use crate::create::{Scratch, TempDirCandidate, TempDirError, tempdir};
use crate::ui::{Format, GettempdirRow, Output};
use crate::values::message::strerror;
use crate::values::{PathField, Status};

pub(super) fn run(args: &GettempdirArgs, context: &Context) -> anyhow::Result<Status> {
    with_scratch(context, |scratch| search(args, context, scratch))
}

fn search(
    args: &GettempdirArgs,
    context: &Context,
    scratch: &mut Scratch<'_>,
) -> anyhow::Result<Status> {
    let mut output = Output::new(Format::from_flags(args.json, false));
    let mut found = false;
    for candidate in tempdir::candidates(&context.env) {
        let probe = match tempdir::probe(&candidate.path) {
            Ok(true) => Ok(()),
            Ok(false) => scratch.probe(&candidate.path),
            Err(err) => Err(strerror(&err)),
        };
        let is_chosen = probe.is_ok() && !found;
        found |= is_chosen;
        if args.all || is_chosen {
            print(&mut output, args, &candidate, &probe, is_chosen)
                .context("could not write to stdout")?;
        }
        if found && !args.all {
            break;
        }
    }
    output.flush().context("could not write to stdout")?;
    if found { Ok(Status::Success) } else { Err(TempDirError::NoneKnown.into()) }
}

fn print(
    output: &mut Output,
    args: &GettempdirArgs,
    candidate: &TempDirCandidate,
    probe: &Result<(), String>,
    is_chosen: bool,
) -> io::Result<()> {
    let state = match (probe, is_chosen) {
        (Ok(()), true) => "chosen",
        (Ok(()), false) => "usable",
        (Err(reason), _) => reason,
    };
    if args.all && !args.json {
        let variable = candidate.variable.unwrap_or("-");
        let line = format!("{:<24} {variable:<7} {state}\n", candidate.path.display().to_string());
        return output.text(line.as_bytes());
    }
    output.result(&candidate.path, || GettempdirRow {
        path: PathField::of(&candidate.path),
        variable: candidate.variable,
        usable: probe.is_ok(),
        chosen: is_chosen,
        reason: probe.as_ref().err().map(String::as_str),
    })
}

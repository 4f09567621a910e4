//! `tmpx gettempdir`: print the temp dir.

use std::io;
use std::path::Path;

use anyhow::Context as _;
use unicode_width::UnicodeWidthStr as _;

use crate::cli::GettempdirArgs;
use crate::commands::context::Context;
use crate::commands::scratch::with_scratch;
use crate::create::{Scratch, TempDirCandidate, TempDirError, tempdir};
use crate::ui::{Format, GettempdirRow, Output, sanitize};
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
    let width = if args.all { widest(context) } else { 0 };
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
            print(&mut output, args, width, &candidate, &probe, is_chosen)
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
    width: usize,
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
        let path = shown(&candidate.path);
        let padding = " ".repeat(width - path.width());
        let line = format!("{path}{padding}  {variable:<6}  {state}\n");
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

/// Returns the width of the widest path of `--all`, in columns.
fn widest(context: &Context) -> usize {
    let paths = tempdir::candidates(&context.env).map(|candidate| shown(&candidate.path).width());
    paths.max().unwrap_or_default()
}

/// A path as a row shows it.
fn shown(path: &Path) -> String {
    sanitize(&path.display().to_string())
}

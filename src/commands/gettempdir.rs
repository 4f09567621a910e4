//! `tmpx gettempdir`: print the directory that temporary files go to.

use std::io;

use anyhow::{Context as _, anyhow};

use crate::cli::GettempdirArgs;
use crate::commands::context::Context;
use crate::create::{TempDirCandidate, tempdir};
use crate::ui::{Format, GettempdirRow, Output};
use crate::values::error::strerror;
use crate::values::{ErrorExt as _, PathField, Status};

pub(super) fn run(args: &GettempdirArgs, context: &Context) -> anyhow::Result<Status> {
    let mut output = Output::new(Format::from_flags(args.json, false));
    let mut chosen = false;
    for candidate in tempdir::candidates(&context.env) {
        let probed = tempdir::probe(&candidate.path).map_err(|err| strerror(&err));
        let is_chosen = probed.is_ok() && !chosen;
        chosen |= is_chosen;
        if args.all || is_chosen {
            explain(&mut output, args, &candidate, &probed, is_chosen)
                .context("could not write to stdout")?;
        }
        if chosen && !args.all {
            break;
        }
    }
    output.flush().context("could not write to stdout")?;
    if chosen {
        return Ok(Status::Success);
    }
    Err(anyhow!("there is no usable temporary directory"))
        .hint("'tmpx gettempdir --all' shows what was tried")
}

fn explain(
    output: &mut Output,
    args: &GettempdirArgs,
    candidate: &TempDirCandidate,
    probed: &Result<(), String>,
    chosen: bool,
) -> io::Result<()> {
    let why = match (probed, chosen) {
        (Ok(()), true) => "chosen",
        (Ok(()), false) => "usable",
        (Err(why), _) => why,
    };
    if args.all && !args.json {
        let variable = candidate.variable.unwrap_or("-");
        let line = format!("{:<24} {variable:<7} {why}\n", candidate.path.display().to_string());
        return output.text(line.as_bytes());
    }
    output.result(&candidate.path, || GettempdirRow {
        path: PathField::of(&candidate.path),
        variable: candidate.variable,
        usable: probed.is_ok(),
        chosen,
        reason: probed.as_ref().err().map(String::as_str),
    })
}

//! `tmpx gettempdir`: print the directory that temporary files go to.

use std::io;

use anyhow::{Context as _, anyhow};

use crate::cli::command::Gettempdir;
use crate::commands::context::Context;
use crate::create::tempdir;
use crate::create::tempdir::Candidate;
use crate::ui::json::TempDir;
use crate::ui::stdout::{Output, format};
use crate::values::encoding::PathKey;
use crate::values::error::{Status, Tell as _, reason};

pub(super) fn run(args: &Gettempdir, context: &Context) -> anyhow::Result<Status> {
    let mut output = Output::new(format(args.json, false));
    let mut chosen = false;
    for candidate in tempdir::candidates(&context.env) {
        let probed = tempdir::probe(&candidate.path).map_err(|err| reason(&err));
        let is_chosen = probed.is_ok() && !chosen;
        chosen |= is_chosen;
        if args.all || is_chosen {
            tell(&mut output, args, &candidate, &probed, is_chosen)
                .context("could not write to stdout")?;
        }
        if chosen && !args.all {
            break;
        }
    }
    output.flush().context("could not write to stdout")?;
    if chosen {
        return Ok(Status::Done);
    }
    Err(anyhow!("there is no usable temporary directory"))
        .hint("'tmpx gettempdir --all' shows what was tried")
}

fn tell(
    output: &mut Output,
    args: &Gettempdir,
    candidate: &Candidate,
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
    output.result(&candidate.path, || TempDir {
        path: PathKey::of(&candidate.path),
        variable: candidate.variable,
        usable: probed.is_ok(),
        chosen,
        reason: probed.as_ref().err().map(String::as_str),
    })
}

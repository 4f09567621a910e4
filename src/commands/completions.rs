//! `tmpx completions`: prints the completion script of a shell.

use anyhow::Context as _;

use crate::cli::{CompletionShell, CompletionsArgs};
use crate::ui::{Format, Output};
use crate::values::Status;

/// The name of the subcommand.
pub(super) const NAME: &str = "completions";

pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<Status> {
    let script = match args.shell {
        CompletionShell::Bash => include_str!("../../completions/tmpx.bash"),
        CompletionShell::Zsh => include_str!("../../completions/_tmpx"),
        CompletionShell::Fish => include_str!("../../completions/tmpx.fish"),
        CompletionShell::Elvish => include_str!("../../completions/tmpx.elv"),
        CompletionShell::Powershell => include_str!("../../completions/_tmpx.ps1"),
    };
    let mut output = Output::new(Format::Lines);
    output
        .text(script.as_bytes())
        .and_then(|()| output.flush())
        .context("could not write to stdout")?;
    Ok(Status::Success)
}

//! One module per subcommand: arguments, operation, output. Each reads like its man page.

mod cleanup;
mod dir;
mod exec;
mod file;
mod gettempdir;
mod list;
mod workspace;

use clap::error::ErrorKind;

use crate::cli::{Command, MktempHabits};
use crate::error::{Status, Tell as _, usage};
use crate::{Context, output};

/// Carries out a subcommand.
pub(crate) fn dispatch(command: Command, context: &Context) -> anyhow::Result<Status> {
    match command {
        Command::File(args) => file::run(args, context),
        Command::Dir(args) => dir::run(args, context),
        Command::Workspace(args) => workspace::run(args, context),
        Command::Exec(args) => exec::run(args, context),
        Command::List(args) => list::run(&args, context),
        Command::Cleanup(args) => cleanup::run(args, context),
        Command::Gettempdir(args) => gettempdir::run(&args, context),
    }
}

/// Prints what clap has to say: help and version as they are, an error as one line and a hint.
pub(crate) fn told_by_clap(err: &clap::Error) -> Status {
    let text = err.render().to_string();
    match err.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let mut out = output::Output::new(output::Format::Lines);
            match out.text(text.as_bytes()).and_then(|()| out.flush()) {
                Ok(()) => Status::Done,
                Err(err) => {
                    output::note(format_args!(
                        "could not write to stdout: {}",
                        crate::error::reason(&err)
                    ));
                    Status::Failed
                }
            }
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            output::raw_note(&text);
            Status::Usage
        }
        _ => {
            let (message, hints) = condensed(&text);
            output::note(message);
            hints.iter().for_each(output::hint);
            Status::Usage
        }
    }
}

/// clap's error text is a paragraph, perhaps with tips, then the usage. The paragraph becomes one
/// line, the tips become hints.
fn condensed(text: &str) -> (String, Vec<String>) {
    let mut message = Vec::new();
    let mut hints = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if let Some(tip) = line.strip_prefix("tip: ") {
            hints.push(tip.to_owned());
        } else if line.starts_with("Usage: ") {
            break;
        } else if !line.is_empty() && !line.starts_with("For more information") {
            message.push(line);
        }
    }
    let message = message.join(" ");
    (
        message
            .strip_prefix("error: ")
            .unwrap_or(&message)
            .to_owned(),
        hints,
    )
}

/// mktemp's `-d`, `-u` and `-t` are flags that scripts carry over; each gets its own answer.
fn refuse_mktemp_habits(habits: &MktempHabits, command: &str) -> anyhow::Result<()> {
    let refuse = |flag: &str, hint: &str| Err(usage(format!("{command} has no {flag}"))).hint(hint);
    if habits.directory {
        return refuse("-d", "did you mean tmpx dir?");
    }
    if habits.dry_run {
        return refuse(
            "-u",
            "a name that is not made can be taken by somebody else; make the file",
        );
    }
    if habits.in_temp_dir {
        return refuse(
            "-t",
            "a template without a slash lies in the temp dir already",
        );
    }
    Ok(())
}

/// Tells what could not be followed and goes on.
fn note_all(notes: Vec<String>) {
    notes.iter().for_each(output::note);
}

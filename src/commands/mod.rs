//! One module per subcommand: arguments, operation, output. Each reads like its man page.

mod cleanup;
mod dir;
mod exec;
mod file;
mod gettempdir;
mod list;
pub(crate) mod mktemp;
mod replace;
mod spool;
mod workspace;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::{Command, Make, Place};
use crate::error::{Status, reason};
use crate::lease::create::{Fill, Naming, Wanted};
use crate::lease::record::Kind;
use crate::making::Making;
use crate::output::{Format, Output, hint, note, raw_note};
use crate::report::Made;
use crate::template::Template;
use crate::{Context, terms};

/// Carries out a subcommand.
pub(crate) fn dispatch(command: Command, context: &Context) -> anyhow::Result<Status> {
    match command {
        Command::File(args) => file::run(args, context),
        Command::Dir(args) => dir::run(args, context),
        Command::Workspace(args) => workspace::run(args, context),
        Command::Exec(args) => exec::run(args, context),
        Command::Spool(args) => spool::run(args, context),
        Command::Replace(args) => replace::run(args, context),
        Command::List(args) => list::run(&args, context),
        Command::Cleanup(args) => cleanup::run(&args, context),
        Command::Gettempdir(args) => gettempdir::run(&args, context),
        // Recognised before clap; what clap has made of the arguments is not used.
        Command::Mktemp(_) => Ok(mktemp::run(context.args.get(2..).unwrap_or(&[]), context)),
    }
}

/// Prints what clap has to say: help and version as they are, an error as one line and a hint.
pub(crate) fn told_by_clap(err: &clap::Error) -> Status {
    let text = err.render().to_string();
    match err.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let mut out = Output::new(Format::Lines);
            match out.text(text.as_bytes()).and_then(|()| out.flush()) {
                Ok(()) => Status::Done,
                Err(err) => {
                    note(format_args!("could not write to stdout: {}", reason(&err)));
                    Status::Failed
                }
            }
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            raw_note(&text);
            Status::Usage
        }
        _ => {
            let (message, mut hints) = condensed(&text);
            if err.kind() == ErrorKind::UnknownArgument
                && let Some(habit) = mktemp_habit(err)
            {
                hints = vec![habit.to_owned()];
            }
            note(message);
            hints.iter().for_each(hint);
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
    (message.strip_prefix("error: ").unwrap_or(&message).to_owned(), hints)
}

/// mktemp's flags that scripts carry over and that mean nothing here: each gets its own answer.
fn mktemp_habit(err: &clap::Error) -> Option<&'static str> {
    let Some(ContextValue::String(argument)) = err.get(ContextKind::InvalidArg) else {
        return None;
    };
    match argument.as_str() {
        "-d" | "--directory" => Some("did you mean tmpx dir?"),
        "-u" | "--dry-run" => Some("a name that is not made can be taken by others: make the file"),
        "-t" => Some("a template without a slash lies in the temp dir already"),
        "-q" | "--quiet" => Some("2>/dev/null hides messages; the exit status tells the rest"),
        _ => None,
    }
}

/// Makes what `file` and `dir` are asked for, and prints the paths.
fn make_and_print(
    args: Make,
    kind: Kind,
    context: &Context,
    fill: Fill<'_>,
) -> anyhow::Result<Status> {
    let terms =
        terms::settle(args.lifetime.into(), &context.env, &context.args, &mut |text| note(text))?;
    let Place { dir, prefix, suffix, mode } = args.place;
    let (template_dir, template) =
        Template::choose(args.template, prefix.as_ref(), suffix.as_ref());
    let name = args.name.map_or(Naming::Random(template), Naming::Exact);
    let mut output = Output::new(args.output.format());
    let mut making = Making::new(terms, &context.env)?;
    making.make_all(
        template_dir.or(dir).as_deref(),
        &Wanted { kind, name, mode },
        args.count,
        fill,
        &mut |lease, place, names, last| {
            Made::tell_all(&mut output, lease, place, names, kind)?;
            if last { output.flush() } else { Ok(()) }
        },
    )?;
    making.take_notes().iter().for_each(note);
    making.conclude(&context.env);
    Ok(Status::Done)
}

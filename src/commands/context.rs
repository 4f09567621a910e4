//! One module per subcommand: arguments, operation, output. Each reads like its man page.

use crate::commands::cleanup::handler as cleanup;
use crate::commands::exec::handler as exec;
use crate::commands::mktemp::handler as mktemp;
use crate::commands::{dir, file, gettempdir, list, replace, spool, workspace};
use std::ffi::OsString;

use anyhow::anyhow;
use clap::error::ErrorKind;

use crate::cli::clap_error::Refusal;
use crate::cli::command::{Command, Make, Place};
use crate::create::transaction::Making;
use crate::lease::entry::{Fill, Naming, Wanted};
use crate::lease::record::Kind;
use crate::lease::spec as terms;
use crate::os::env::Env;
use crate::sys::start::{InheritedSignals, SignalQueue};
use crate::ui::json::Made;
use crate::ui::stdout::{Format, Output, hint, note, raw_note};
use crate::values::error::{Status, Tell as _, reason};
use crate::values::template::Template;

/// What a command is given to work with.
pub(crate) struct Context {
    /// tmpx's own arguments.
    pub(crate) args: Vec<OsString>,
    /// The environment.
    pub(crate) env: Env,
    /// What a command that is run must find unchanged.
    pub(crate) signals: InheritedSignals,
}

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

/// A signal that comes before a command runs ends the preparations. The terminal's must not be
/// missed either: there is no command yet that it would reach.
pub(crate) fn go_on(signals: &SignalQueue) -> anyhow::Result<()> {
    match signals.wish_to_end() {
        Some(signal) => Err(anyhow!("interrupted")).status(Status::Signal(signal)),
        None => Ok(()),
    }
}

/// Prints what clap has to say: help and version as they are, an error as one line and a hint.
pub(crate) fn told_by_clap(err: &clap::Error, args: &[OsString]) -> Status {
    match err.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let mut out = Output::new(Format::Lines);
            let text = err.render().to_string();
            match out.text(text.as_bytes()).and_then(|()| out.flush()) {
                Ok(()) => Status::Done,
                Err(err) => {
                    note(format_args!("could not write to stdout: {}", reason(&err)));
                    Status::Failed
                }
            }
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            raw_note(err.render().to_string());
            Status::Usage
        }
        _ => {
            let Refusal { message, hints } = Refusal::new(err, args);
            note(message);
            hints.iter().for_each(hint);
            Status::Usage
        }
    }
}

/// Makes what `file` and `dir` are asked for, and prints the paths.
pub(crate) fn make_and_print(
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
        &mut |lease, place, made, last| {
            Made::tell_all(&mut output, lease, place, made, kind)?;
            if last { output.flush() } else { Ok(()) }
        },
    )?;
    making.take_notes().iter().for_each(note);
    making.conclude(&context.env);
    Ok(Status::Done)
}

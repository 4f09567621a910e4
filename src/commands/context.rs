//! One module per subcommand: arguments, operation, output. Each reads like its man page.

use crate::commands::cleanup::handler as cleanup;
use crate::commands::exec::handler as exec;
use crate::commands::mktemp::handler as mktemp;
use crate::commands::{dir, file, gettempdir, list, replace, spool, workspace};
use std::ffi::OsString;

use anyhow::anyhow;
use clap::error::ErrorKind;

use crate::cli::command::{CreateArgs, PlaceArgs};
use crate::cli::{CommandArgs, UsageError};
use crate::create::Transaction;
use crate::lease::{CreateOptions, Fill, Kind, NameRule, spec};
use crate::os::Env;
use crate::sys::InheritedSignals;
use crate::sys::SignalQueue;
use crate::ui::stdout::{print_hint, print_note, write_stderr};
use crate::ui::{CreatedRow, Format, Output};
use crate::values::error::strerror;
use crate::values::{ErrorExt as _, Status, Template};

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
pub(crate) fn dispatch(command: CommandArgs, context: &Context) -> anyhow::Result<Status> {
    match command {
        CommandArgs::File(args) => file::run(args, context),
        CommandArgs::Dir(args) => dir::run(args, context),
        CommandArgs::Workspace(args) => workspace::run(args, context),
        CommandArgs::Exec(args) => exec::run(args, context),
        CommandArgs::Spool(args) => spool::run(args, context),
        CommandArgs::Replace(args) => replace::run(args, context),
        CommandArgs::List(args) => list::run(&args, context),
        CommandArgs::Cleanup(args) => cleanup::run(&args, context),
        CommandArgs::Gettempdir(args) => gettempdir::run(&args, context),
        // Recognised before clap; what clap has made of the arguments is not used.
        CommandArgs::Mktemp(_) => Ok(mktemp::run(context.args.get(2..).unwrap_or(&[]), context)),
    }
}

/// A signal that comes before a command runs ends the preparations. The terminal's must not be
/// missed either: there is no command yet that it would reach.
pub(crate) fn check_interrupt(signals: &SignalQueue) -> anyhow::Result<()> {
    match signals.pending_termination() {
        Some(signal) => Err(anyhow!("interrupted")).status(Status::Signal(signal)),
        None => Ok(()),
    }
}

/// Prints what clap has to say: help and version as they are, an error as one line and a hint.
pub(crate) fn report_clap_error(err: &clap::Error, args: &[OsString]) -> Status {
    match err.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let mut out = Output::new(Format::Lines);
            let text = err.render().to_string();
            match out.text(text.as_bytes()).and_then(|()| out.flush()) {
                Ok(()) => Status::Success,
                Err(err) => {
                    print_note(format_args!("could not write to stdout: {}", strerror(&err)));
                    Status::Failed
                }
            }
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            write_stderr(err.render().to_string());
            Status::Usage
        }
        _ => {
            let UsageError { message, hints } = UsageError::new(err, args);
            print_note(message);
            hints.iter().for_each(print_hint);
            Status::Usage
        }
    }
}

/// Makes what `file` and `dir` are asked for, and prints the paths.
pub(crate) fn create_and_print(
    args: CreateArgs,
    kind: Kind,
    context: &Context,
    fill: Fill<'_>,
) -> anyhow::Result<Status> {
    let terms = spec::resolve(args.lifetime.into(), &context.env, &context.args, &mut |text| {
        print_note(text);
    })?;
    let PlaceArgs { dir, prefix, suffix, mode } = args.place;
    let (template_dir, template) =
        Template::choose(args.template, prefix.as_ref(), suffix.as_ref());
    let name = args.name.map_or(NameRule::Random(template), NameRule::Exact);
    let mut output = Output::new(args.output.format());
    let mut transaction = Transaction::new(terms, &context.env)?;
    transaction.create_all(
        template_dir.or(dir).as_deref(),
        &CreateOptions { kind, name, mode },
        args.count,
        fill,
        &mut |lease, place, made, last| {
            CreatedRow::print_all(&mut output, lease, place, made, kind)?;
            if last { output.flush() } else { Ok(()) }
        },
    )?;
    transaction.take_warnings().iter().for_each(print_note);
    transaction.finish(&context.env);
    Ok(Status::Success)
}

//! Selects the subcommand, runs its handler and reports its error.

use std::ffi::{OsStr, OsString};

use crate::cli::{self, CommandArgs};
use crate::commands::context::Context;
use crate::commands::{
    cache, chunk, cleanup, completions, dir, errors, exec, file, gettempdir, list, mktemp, replace,
    spool, workspace,
};
use crate::os::Env;
use crate::reclaim::reaper;
use crate::sys::Start;
use crate::values::Status;

/// The kinds of command lines. They are distinguished once, before clap: clap cannot parse
/// mktemp's options, and mktemp must start fast.
enum Invocation<'a> {
    /// The background process of a store, and whether that is in a directory which users share.
    Reaper { store: &'a OsStr, is_shared: bool },
    /// mktemp with these arguments, under its own name or as a subcommand.
    Mktemp(&'a [OsString]),
    /// `tmpx mktemp -h`, which GNU mktemp refuses.
    MktempHelp,
    /// The subcommand that prints completion scripts, with these arguments.
    Completions(&'a [OsString]),
    /// Any other subcommand.
    Cli,
}

impl<'a> Invocation<'a> {
    fn of(args: &'a [OsString]) -> Self {
        match args {
            [program, store] if program == reaper::NAME => Self::Reaper { store, is_shared: false },
            [program, store, shared] if program == reaper::NAME && shared == reaper::SHARED => {
                Self::Reaper { store, is_shared: true }
            }
            [program, rest @ ..] if mktemp::is_name(program) => Self::Mktemp(rest),
            [_, subcommand, help] if subcommand == "mktemp" && help == "-h" => Self::MktempHelp,
            [_, subcommand, rest @ ..] if subcommand == "mktemp" => Self::Mktemp(rest),
            [_, subcommand, rest @ ..] if subcommand == completions::NAME => {
                Self::Completions(rest)
            }
            _ => Self::Cli,
        }
    }
}

/// Runs tmpx and returns its exit status. All errors have been printed when this returns.
pub(crate) fn run(start: Start) -> Status {
    let context = Context { env: Env::process(start.args), signals: start.signals };
    match Invocation::of(context.env.args()) {
        Invocation::Reaper { store, is_shared } => reaper::run(store, is_shared),
        Invocation::Mktemp(args) => mktemp::run(args, &context),
        Invocation::MktempHelp => mktemp::run(&["--help".into()], &context),
        Invocation::Completions(args) => match cli::parse_completions(args) {
            Ok(args) => {
                completions::run(&args).unwrap_or_else(|err| errors::report(&err, Status::Failed))
            }
            Err(err) => errors::report_clap_error(&err, context.env.args()),
        },
        Invocation::Cli => match cli::parse(context.env.args()) {
            Ok(parsed) => {
                let runs_a_command = parsed.command.runs_a_command();
                let default = if runs_a_command { Status::TmpxFailed } else { Status::Failed };
                dispatch(parsed.command, &context)
                    .unwrap_or_else(|err| errors::report(&err, default))
            }
            Err(err) => errors::report_clap_error(&err, context.env.args()),
        },
    }
}

/// Calls the handler of a subcommand.
fn dispatch(command: CommandArgs, context: &Context) -> anyhow::Result<Status> {
    match command {
        CommandArgs::File(args) => file::run(args, context),
        CommandArgs::Dir(args) => dir::run(args, context),
        CommandArgs::Workspace(args) => workspace::run(args, context),
        CommandArgs::Exec(args) => exec::run(args, context),
        CommandArgs::Spool(args) => spool::run(args, context),
        CommandArgs::Chunk(args) => chunk::run(args, context),
        CommandArgs::Cache(args) => cache::run(args, context),
        CommandArgs::Replace(args) => replace::run(args, context),
        CommandArgs::List(args) => list::run(&args, context),
        CommandArgs::Cleanup(args) => cleanup::run(&args, context),
        CommandArgs::Gettempdir(args) => gettempdir::run(&args, context),
        // `Invocation` recognizes mktemp, so clap never parses its arguments.
        CommandArgs::Mktemp(_) => {
            Ok(mktemp::run(context.env.args().get(2..).unwrap_or(&[]), context))
        }
    }
}

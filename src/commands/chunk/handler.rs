//! `tmpx chunk`: checks the command line, opens the inputs, and plans where to cut them.

use std::io;
use std::path::{Path, PathBuf};

use rustix::stdio::stdin;
use rustix::termios::isatty;

use crate::chunk::{ReadOptions, RecordFormat, RecordInput, Supply};
use crate::cli::ChunkArgs;
use crate::commands::chunk::{files, on_each};
use crate::commands::context::Context;
use crate::commands::errors::{InvalidUse, MisplacedWord};
use crate::commands::scratch::find_report;
use crate::os::CurrentDir;
use crate::process::{find_program, raise_fd_limit};
use crate::streams::Target;
use crate::values::Status;

pub(in crate::commands) fn run(args: ChunkArgs, context: &Context) -> anyhow::Result<Status> {
    refuse_contradictions(&args)?;
    let report = args.report.as_deref().map(find_report).transpose()?;
    let output = args.output.as_deref().map(Target::find).transpose()?;
    if let (Some(report), Some(output)) = (&report, &output)
        && report.leads_through(output.dir(), output.name())
    {
        return Err(InvalidUse::ReportReplacesContent.into());
    }
    refuse_misplaced_words(&args, context)?;
    // All inputs are open at once, and each command takes some descriptors.
    let fd_limit = raise_fd_limit();
    let inputs = open_inputs(&args)?;
    let format = match args.to {
        Some(form) => form.format(),
        None => inputs.first().map_or(RecordFormat::Lines, |input| input.dialect.format),
    };
    let supply = Supply::new(inputs, args.limit(), args.to.is_some())?;
    if args.command.is_empty() {
        files::create(args, supply, format, context)
    } else {
        on_each::run(&args, supply, output, format, fd_limit, context)
    }
}

fn refuse_contradictions(args: &ChunkArgs) -> anyhow::Result<()> {
    if args.command.is_empty() {
        if let Some(option) = args.option_for_command() {
            return Err(InvalidUse::OptionNeedsCommand(option).into());
        }
    } else if let Some(option) = args.option_for_files() {
        return Err(InvalidUse::OptionNeedsNoCommand(option).into());
    }
    Ok(())
}

/// Finds a word among the inputs that is no file, and what it most likely means.
fn refuse_misplaced_words(args: &ChunkArgs, context: &Context) -> anyhow::Result<()> {
    let absent = |word: &PathBuf| match word.symlink_metadata() {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Some((word.clone(), err)),
        _ => None,
    };
    let is_format =
        |word: &Path| word.to_str().is_some_and(|word| word.parse::<RecordFormat>().is_ok());
    if args.merge == Some(None)
        && let Some((word, source)) = args.inputs.iter().find_map(absent)
        && is_format(&word)
    {
        return Err(MisplacedWord::MergeFormat { word, source }.into());
    }
    if args.command.is_empty()
        && let Some((word, source)) = args.inputs.iter().skip(1).find_map(absent)
        && find_program(word.as_os_str(), &context.env, &CurrentDir::current()).is_ok()
    {
        return Err(MisplacedWord::Command { word, source }.into());
    }
    Ok(())
}

fn open_inputs(args: &ChunkArgs) -> anyhow::Result<Vec<RecordInput>> {
    let stdin_path = [PathBuf::from("-")];
    let paths = if args.inputs.is_empty() { &stdin_path[..] } else { &args.inputs };
    if paths.iter().any(|path| path == Path::new("-")) && isatty(stdin()) {
        return Err(InvalidUse::InputFromTerminal.into());
    }
    let options = ReadOptions {
        format: args.format,
        header_rows: args.header,
        delimiter: args.delimiter,
        converts: args.to.is_some(),
    };
    let inputs = paths.iter().map(|path| RecordInput::open(path, &options));
    let inputs = inputs.collect::<anyhow::Result<Vec<_>>>()?;
    if args.to.is_some()
        && let Some(input) = inputs.iter().find(|input| !can_become_json(input))
    {
        return Err(InvalidUse::NotConvertible(input.name.clone()).into());
    }
    Ok(inputs)
}

/// Whether the records have names for their fields.
fn can_become_json(input: &RecordInput) -> bool {
    match input.dialect.format {
        RecordFormat::Csv | RecordFormat::Tsv => input.dialect.header_rows > 0,
        RecordFormat::Ndjson | RecordFormat::Json => true,
        RecordFormat::Lines => false,
    }
}

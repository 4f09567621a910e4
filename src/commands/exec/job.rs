//! Plans a run of `tmpx exec`: checks everything that can be checked before anything is created.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use anyhow::Context as _;

use crate::cli::{ExecArgs, RunArgs};
use crate::commands::context::Context;
use crate::commands::errors::{InputAsCommand, InvalidUse};
use crate::commands::layout;
use crate::commands::scratch::find_report;
use crate::lease::LeaseSpec;
use crate::os::CurrentDir;
use crate::process::{Limits, StartError};
use crate::values::Span;
use crate::workspace::{Layout, Pattern, private_tmp};

/// A planned run.
pub(super) struct Job {
    pub(super) args: ExecArgs,
    /// The caller's working directory.
    pub(super) cwd: CurrentDir,
    pub(super) layout: Layout,
    pub(super) patterns: Vec<Pattern>,
    pub(super) limits: Limits,
    /// Whether the caller's shell runs because there is no command.
    pub(super) is_scratch_shell: bool,
}

impl Job {
    pub(super) fn plan(mut args: ExecArgs, context: &Context) -> anyhow::Result<Self> {
        let is_scratch_shell = args.command.is_empty();
        if is_scratch_shell {
            if context.env.args().last().is_some_and(|word| word == "--") {
                return Err(InvalidUse::NoCommand.into());
            }
            // A shell that is not interactive would read nothing, and succeed.
            if !io::stdin().is_terminal() {
                return Err(InvalidUse::NoTerminal.into());
            }
            args.command.push(context.env.get("SHELL").unwrap_or_else(|| "/bin/sh".into()));
        }
        let patterns = parse_patterns(&args.run)?;
        let cwd = CurrentDir::current();
        if !patterns.iter().all(Pattern::names_absolute_dest) {
            cwd.require()?;
        }
        if args.run.private_tmp {
            refuse_hidden(&args, &cwd)?;
        }
        if let Some(report) = &args.run.report {
            find_report(report)?;
        }
        let layout = layout::plan(&args.layout)?;
        let limits = Limits {
            // As for timeout(1), 0 is no limit.
            timeout: args.run.timeout.map(|Span(time)| time).filter(|time| !time.is_zero()),
            kill_after: args.run.kill_after.0,
        };
        Ok(Self { args, cwd, layout, patterns, limits, is_scratch_shell })
    }

    /// The lease ends with the command, whatever the environment says about lifetimes.
    pub(super) fn lease_spec(&self, context: &Context) -> anyhow::Result<LeaseSpec> {
        Ok(LeaseSpec::for_command(self.args.run.session.clone(), &context.env)?)
    }

    /// Recognizes an input without its `--in` in what should be the command.
    pub(super) fn explain(&self, err: StartError) -> anyhow::Error {
        let is_file =
            self.args.command.first().is_some_and(|name| {
                self.cwd.join(Path::new(name)).is_some_and(|path| path.is_file())
            });
        if is_file && !self.args.layout.inputs.is_empty() && self.args.command.len() > 1 {
            return InputAsCommand(err).into();
        }
        err.into()
    }
}

fn parse_patterns(args: &RunArgs) -> anyhow::Result<Vec<Pattern>> {
    let outputs = args.outputs.iter().map(|spec| ("--out", spec, true));
    let always = args.outputs_always.iter().map(|spec| ("--out-always", spec, false));
    outputs
        .chain(always)
        .map(|(option, spec, on_success)| {
            Pattern::parse(spec, on_success).with_context(|| format!("{option} {}", spec.display()))
        })
        .collect()
}

/// Refuses to run what the private /tmp would hide from the command.
fn refuse_hidden(args: &ExecArgs, cwd: &CurrentDir) -> Result<(), InvalidUse> {
    if args.run.here && cwd.path().is_some_and(private_tmp::hides) {
        return Err(InvalidUse::HereIsHidden);
    }
    let program = args.command.first().map(Path::new).filter(|name| name.components().count() > 1);
    let hides = |program: &&Path| {
        let path = cwd.join(program);
        path.is_some_and(|path| path.parent().is_some_and(private_tmp::hides))
    };
    match program.filter(hides) {
        Some(program) => Err(InvalidUse::ProgramIsHidden(program.to_owned())),
        None => Ok(()),
    }
}

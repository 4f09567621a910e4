//! Command lines that clap accepts and a handler refuses.

use std::error::Error;
use std::path::PathBuf;

use crate::commands::errors::advice::Advice;

/// Why a handler refuses a command line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidUse {
    #[error("--force needs a PATH, --session, --older-than or --all")]
    ForceWithoutSelection,
    #[error("no command after --")]
    NoCommand,
    #[error("no command, and standard input is not a terminal")]
    NoTerminal,
    #[error("--report: FILE and the report are the same file")]
    ReportReplacesContent,
    #[error("--report: stdout belongs to the command")]
    ReportToStdout,
    #[error("--suffix: COMMAND has no argument {0}")]
    SuffixWithoutPlaceholder(String),
    #[error("--here: --private-tmp hides the current directory")]
    HereIsHidden,
    #[error("{}: --private-tmp hides its directory", .0.display())]
    ProgramIsHidden(PathBuf),
    #[error("{0}: only with a command")]
    OptionNeedsCommand(&'static str),
    #[error("{0}: only for chunk files, without a command")]
    OptionNeedsNoCommand(&'static str),
    #[error("standard input is a terminal")]
    InputFromTerminal,
    #[error("--stale: not shorter than the TTL")]
    StaleNotBelowTtl,
    #[error("{name}: {why}: {}", .value.display())]
    BadVariable { name: &'static str, value: std::ffi::OsString, why: String },
    #[error("--to: the records of {} have no names for their fields", .0.display())]
    NotConvertible(PathBuf),
}

pub(super) fn advice(cause: &(dyn Error + 'static)) -> Option<Advice> {
    Some(match cause.downcast_ref()? {
        InvalidUse::ReportToStdout => {
            Advice::usage().and_hint("name a file, as in --report report.json")
        }
        InvalidUse::NoTerminal => Advice::usage()
            .and_hint("name the command; for a script on standard input: tmpx exec sh"),
        InvalidUse::ProgramIsHidden(program) => {
            let program = program.display();
            Advice::usage()
                .and_hint(format!("copy it into the workspace: --in {program} -- sh -c …"))
        }
        InvalidUse::OptionNeedsCommand(_) => {
            Advice::usage().and_hint("a command comes after --: tmpx chunk big.csv -- …")
        }
        InvalidUse::InputFromTerminal => {
            Advice::usage().and_hint("name a file, as in tmpx chunk big.csv")
        }
        InvalidUse::ForceWithoutSelection
        | InvalidUse::NoCommand
        | InvalidUse::ReportReplacesContent
        | InvalidUse::SuffixWithoutPlaceholder(_)
        | InvalidUse::HereIsHidden
        | InvalidUse::OptionNeedsNoCommand(_)
        | InvalidUse::StaleNotBelowTtl
        | InvalidUse::BadVariable { .. }
        | InvalidUse::NotConvertible(_) => Advice::usage(),
    })
}

//! Command lines that clap accepts and a handler refuses.

use std::error::Error;
use std::path::PathBuf;

use crate::cli::AbsoluteTemplate;
use crate::commands::errors::advice::{A_FILE_NAMED_DASH, Advice};
use crate::ui::sh_quote::quote;

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
    #[error("--report: {0} is the same file")]
    ReportReplacesStream(&'static str),
    #[error("--key-file -: this would read standard input")]
    KeyFileFromStdin,
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

/// A word in the place of an input of `chunk` that is no file, and most likely means something else.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MisplacedWord {
    #[error("could not read {}", .word.display())]
    Command { word: PathBuf, source: std::io::Error },
    #[error("could not read {}", .word.display())]
    MergeFormat { word: PathBuf, source: std::io::Error },
}

impl MisplacedWord {
    fn hint(&self) -> String {
        match self {
            Self::Command { word, .. } => {
                let word = quote(word.as_os_str());
                format!("a command comes after --: tmpx chunk … -- {}", word.display())
            }
            Self::MergeFormat { word, .. } => {
                format!("the format comes after =, as in --merge={}", word.display())
            }
        }
    }
}

pub(super) fn advice(cause: &(dyn Error + 'static)) -> Option<Advice> {
    if let Some(misplaced) = cause.downcast_ref::<MisplacedWord>() {
        return Some(Advice::hint(misplaced.hint()));
    }
    if cause.is::<AbsoluteTemplate>() {
        return Some(Advice::usage());
    }
    Some(match cause.downcast_ref()? {
        InvalidUse::KeyFileFromStdin => {
            Advice::usage().and_hint(format!("--key-stdin reads it; {A_FILE_NAMED_DASH}"))
        }
        InvalidUse::NoTerminal => Advice::usage()
            .and_hint("name the command; for a script on standard input: tmpx exec sh"),
        InvalidUse::ProgramIsHidden(program) => {
            let program = quote(program.as_os_str());
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
        | InvalidUse::ReportReplacesStream(_)
        | InvalidUse::SuffixWithoutPlaceholder(_)
        | InvalidUse::HereIsHidden
        | InvalidUse::OptionNeedsNoCommand(_)
        | InvalidUse::StaleNotBelowTtl
        | InvalidUse::BadVariable { .. }
        | InvalidUse::NotConvertible(_) => Advice::usage(),
    })
}

//! Parses the options of GNU mktemp.

use std::ffi::{OsStr, OsString};

use crate::cli::{Arg, HasArg, OptSpec, Reader};
use crate::commands::mktemp::diagnostic::Diagnostic;
use crate::lease::Kind;

/// What the command line asks for.
#[derive(Debug)]
pub(super) enum Request<'a> {
    Help,
    Version,
    Create(MktempOptions<'a>),
}

/// The options for creating an entry.
#[derive(Debug)]
pub(super) struct MktempOptions<'a> {
    pub(super) kind: Kind,
    pub(super) dry_run: bool,
    pub(super) quiet: bool,
    pub(super) suffix: Option<&'a OsStr>,
    pub(super) rule: DirRule,
    /// The argument of the last `-p` or `--tmpdir`.
    pub(super) dir: Option<&'a OsStr>,
    pub(super) template: Option<&'a OsStr>,
}

/// How the directory of a template is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DirRule {
    /// By the template alone.
    AsGiven,
    /// `-p`, `--tmpdir`: the given directory, or else the temp dir.
    InDir,
    /// `-t`: the temp dir of the environment, or else the given directory.
    InTmpdir,
}

#[derive(Clone, Copy, Debug)]
enum Flag {
    Directory,
    Quiet,
    DryRun,
    Suffix,
    Dir,
    InTmpdir,
    Help,
    Version,
}

/// The message on an ambiguous abbreviation lists the long names in this order.
const OPTIONS: [OptSpec<Flag>; 9] = [
    option(Some(b'd'), Some("directory"), HasArg::No, Flag::Directory),
    option(Some(b'q'), Some("quiet"), HasArg::No, Flag::Quiet),
    option(Some(b'u'), Some("dry-run"), HasArg::No, Flag::DryRun),
    option(None, Some("suffix"), HasArg::Required, Flag::Suffix),
    option(Some(b'p'), None, HasArg::Required, Flag::Dir),
    option(None, Some("tmpdir"), HasArg::Optional, Flag::Dir),
    option(Some(b't'), None, HasArg::No, Flag::InTmpdir),
    option(None, Some("help"), HasArg::No, Flag::Help),
    option(Some(b'V'), Some("version"), HasArg::No, Flag::Version),
];

const fn option(
    short: Option<u8>,
    long: Option<&'static str>,
    has_arg: HasArg,
    id: Flag,
) -> OptSpec<Flag> {
    OptSpec { short, long, has_arg, id }
}

impl<'a> Request<'a> {
    /// Parses a command line. `--help` and `--version` end the parsing, so errors after them do not
    /// count.
    pub(super) fn parse(args: &'a [OsString], stops_at_operand: bool) -> Result<Self, Diagnostic> {
        let mut options = MktempOptions {
            kind: Kind::File,
            dry_run: false,
            quiet: false,
            suffix: None,
            rule: DirRule::AsGiven,
            dir: None,
            template: None,
        };
        let mut in_tmpdir = false;
        let mut templates = 0;
        for item in Reader::new(&OPTIONS, args, stops_at_operand) {
            match item.map_err(|bad| Diagnostic::usage(bad.message()))? {
                Arg::Option(Flag::Directory, _) => options.kind = Kind::Dir,
                Arg::Option(Flag::Quiet, _) => options.quiet = true,
                Arg::Option(Flag::DryRun, _) => options.dry_run = true,
                Arg::Option(Flag::Suffix, suffix) => options.suffix = suffix,
                Arg::Option(Flag::Dir, dir) => {
                    options.rule = DirRule::InDir;
                    options.dir = dir;
                }
                Arg::Option(Flag::InTmpdir, _) => in_tmpdir = true,
                Arg::Option(Flag::Help, _) => return Ok(Self::Help),
                Arg::Option(Flag::Version, _) => return Ok(Self::Version),
                Arg::Operand(template) => {
                    templates += 1;
                    options.template = Some(template);
                }
            }
        }
        if templates > 1 {
            return Err(Diagnostic::usage("too many templates"));
        }
        if in_tmpdir {
            options.rule = DirRule::InTmpdir;
        } else if templates == 0 {
            options.rule = DirRule::InDir;
        }
        Ok(Self::Create(options))
    }
}

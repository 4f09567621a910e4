//! What is asked for, by GNU mktemp's options.

use std::ffi::{OsStr, OsString};

use crate::cli::{Arg, HasArg, OptSpec, Reader};
use crate::commands::mktemp::diagnostic::Diagnostic;
use crate::lease::Kind;

/// What is to be done.
#[derive(Debug)]
pub(super) enum Request<'a> {
    Help,
    Version,
    Make(MktempOptions<'a>),
}

/// What is to be made, as far as the command line tells.
#[derive(Debug)]
pub(super) struct MktempOptions<'a> {
    pub(super) kind: Kind,
    pub(super) dry_run: bool,
    pub(super) quiet: bool,
    pub(super) suffix: Option<&'a OsStr>,
    pub(super) rule: DirRule,
    /// The directory of `-p` or `--tmpdir`, whichever came last.
    pub(super) dir: Option<&'a OsStr>,
    pub(super) template: Option<&'a OsStr>,
}

/// How a template and a directory come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DirRule {
    /// The template alone says where.
    AsGiven,
    /// `-p`, `--tmpdir`: in the named directory, else in the temp dir.
    InDir,
    /// `-t`: in the temp dir of the environment, else in the named directory.
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

/// The long names stand in the order in which an ambiguous beginning lists them.
const KNOWN: [OptSpec<Flag>; 9] = [
    known(Some(b'd'), Some("directory"), HasArg::No, Flag::Directory),
    known(Some(b'q'), Some("quiet"), HasArg::No, Flag::Quiet),
    known(Some(b'u'), Some("dry-run"), HasArg::No, Flag::DryRun),
    known(None, Some("suffix"), HasArg::Required, Flag::Suffix),
    known(Some(b'p'), None, HasArg::Required, Flag::Dir),
    known(None, Some("tmpdir"), HasArg::Optional, Flag::Dir),
    known(Some(b't'), None, HasArg::No, Flag::InTmpdir),
    known(None, Some("help"), HasArg::No, Flag::Help),
    known(Some(b'V'), Some("version"), HasArg::No, Flag::Version),
];

const fn known(
    short: Option<u8>,
    long: Option<&'static str>,
    has_arg: HasArg,
    id: Flag,
) -> OptSpec<Flag> {
    OptSpec { short, long, has_arg, id }
}

impl<'a> Request<'a> {
    /// Reads a command line. Help and version are answered where they stand, before anything that
    /// is wrong further on.
    pub(super) fn read(args: &'a [OsString], stops_at_operand: bool) -> Result<Self, Diagnostic> {
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
        for item in Reader::new(&KNOWN, args, stops_at_operand) {
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
        Ok(Self::Make(options))
    }
}

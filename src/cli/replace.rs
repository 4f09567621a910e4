//! The arguments of `tmpx replace`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueHint};

/// Replace a file's content atomically, from stdin or a command
///
/// The new content is written to an unnamed file beside FILE. When it is
/// complete, it replaces FILE atomically. Until then FILE can be read, even by
/// the commands that produce the new content. Whatever fails, be it a full disk
/// or a kill -9, FILE has its old content or its new content.
///
/// With COMMAND, its output is the new content, and FILE is replaced only if
/// COMMAND succeeds. An argument {} of COMMAND is replaced by the path of a
/// read-only copy of FILE. If FILE or that copy changes while COMMAND runs, tmpx
/// fails and leaves FILE as it is.
///
/// From a pipe, FILE is replaced when the input has ended. A pipe cannot report
/// that its writer failed, so prefer COMMAND.
///
/// With --append, no line is lost when several tmpx processes append at once. With
/// --append or COMMAND, tmpx fails while another program has FILE open for
/// writing. The kernel shows such a program only to root and to the owner of FILE,
/// and only on local filesystems.
///
/// Owner, group, mode, ACL and extended attributes are kept; tmpx reports what it
/// could not keep. Flags of chattr(1) are not kept. A symlink stays, and the file
/// that it points to is replaced. Other hard links keep the old content; tmpx
/// reports that too. A new file has the mode that the shell would give it. A file
/// that tmpx created under a chosen name (--name) is yours once it is replaced:
/// cleanups keep it.
///
/// A lock on FILE, as of flock(1), does not stop tmpx from replacing FILE, and
/// stays with the old file. Lock another file instead.
///
/// A file you may not write to is not replaced. In a directory where anyone can
/// create files, such as /tmp, tmpx follows no symlink and replaces no file of
/// another user.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx replace [OPTIONS] FILE [-- COMMAND [ARG]...]",
    after_long_help = DETAILS,
)]
pub struct ReplaceArgs {
    /// The file to replace
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// The command and its arguments
    #[arg(last = true, value_name = "COMMAND", value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
    /// Keep the old content, and add the new content after it
    #[arg(short, long)]
    pub append: bool,
    /// Leave FILE alone if the new content is empty
    #[arg(long)]
    pub no_empty: bool,
    /// Return only when the new content is safe from a power cut
    #[arg(long)]
    pub sync: bool,
    /// Replace the argument STR by the path, not {}
    #[arg(short = 'I', value_name = "STR", default_value = "{}", hide_default_value = true,
          hide_short_help = true, value_parser = NonEmptyStringValueParser::new(),
          allow_hyphen_values = true)]
    pub placeholder: String,
    /// Write a JSON report to this file
    ///
    /// One object, written atomically: path, bytes, replaced, status.
    #[arg(long, value_name = "FILE", hide_short_help = true, value_hint = ValueHint::FilePath,
          allow_hyphen_values = true)]
    pub report: Option<PathBuf>,
}

const DETAILS: &str = "\
Exit status:
  0    Success.
  1    Failure. A message on stderr gives the reason.
  2    Usage error.

  With COMMAND, the status of COMMAND. A signal that ends it ends tmpx too.
  Otherwise:

  125  tmpx itself failed.
  126  COMMAND cannot be executed.
  127  COMMAND was not found.

Examples:
  Sort a file in place, if sort succeeds:
      tmpx replace data.csv -- sort data.csv

  The same from a pipe, whether sort succeeds or not:
      sort data.csv | tmpx replace data.csv

  A configuration file that no reader ever sees half written:
      tmpx replace --sync app.conf -- echo port=8080";

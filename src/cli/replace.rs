//! `tmpx replace`

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};

/// Put standard input in the place of a file, whole or not at all
///
/// The new content is written beside FILE, where nobody sees it, and takes its
/// place at once when all of it is there. Until then FILE can be read, by those
/// very commands that make the new content. Whatever fails, even a full disk or
/// a kill -9, FILE has its old content or its new one.
///
/// With COMMAND its output is the new content, if it succeeds. If it fails, FILE
/// stays as it is.
///
/// Owner, group, mode, ACL and extended attributes are kept; what may not be
/// kept is told. A symlink stays, and what it points to is replaced. Another
/// hard link keeps the old content, which is told too. A file that is new has
/// the mode that the shell would give it.
///
/// What a redirection may not write to is not replaced. Where anybody may write,
/// as in /tmp, no symlink is followed and no file replaced that belongs to
/// somebody else.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx replace [OPTIONS] FILE [-- COMMAND [ARG]...]",
    after_long_help = DETAILS,
)]
pub struct ReplaceArgs {
    /// The file
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// The command and its arguments
    #[arg(last = true, value_name = "COMMAND", value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
    /// Keep what FILE holds, and put the new content after it
    #[arg(short, long)]
    pub append: bool,
    /// Leave FILE alone if the new content is empty
    #[arg(long)]
    pub no_empty: bool,
    /// Return when the new content is on the disk, and outlasts a power cut
    #[arg(long)]
    pub sync: bool,
    /// Write a JSON object to a file, whole: path, bytes, replaced, status
    #[arg(long, value_name = "REPORT", hide_short_help = true, value_hint = ValueHint::FilePath)]
    pub report: Option<PathBuf>,
}

const DETAILS: &str = "\
Exit status:
  0    Done.
  1    It failed. A message on stderr says why.
  2    The command line made no sense.

  With COMMAND, that of the command. A signal that ends it ends tmpx too.
  Otherwise:

  125  tmpx itself failed.
  126  The command was found and could not be executed.
  127  The command was not found.

Examples:
  Sort a file into itself:
      sort data.csv | tmpx replace data.csv

  The same, but not if sort fails:
      tmpx replace data.csv -- sort data.csv

  A configuration file that is never seen half written:
      tmpx replace --sync app.conf -- echo port=8080";

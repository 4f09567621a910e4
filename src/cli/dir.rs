//! The arguments of `tmpx dir`.

use clap::Args;

use crate::cli::shared::CreateArgs;

/// Create a directory and print its path
///
/// The directory is new and empty, and only you can read it (mode 700, minus the
/// umask). It is created in the temp dir that 'tmpx gettempdir' prints, and its
/// name is tmp. and ten random characters, unless options or a TEMPLATE say
/// otherwise.
///
/// The directory stays until you remove it. With --until-exit, it is removed with
/// its content when the calling script has exited, for whatever reason; with
/// --ttl, when that time is over; with both, whichever comes first.
/// TMPX_UNTIL_EXIT and TMPX_TTL in the environment do the same for every call,
/// see 'tmpx --help'. Removal follows no symlink and crosses no mount point.
///
/// If you move the directory, its lease ends, and it stays. If you remove it and
/// create another one under its name, that one may stay.
///
/// If the path cannot be printed (stdout is full, or its reader has exited), the
/// directory is removed again, and the exit status is 1.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx dir [OPTIONS] [TEMPLATE]",
    after_long_help = EXAMPLES,
)]
pub struct DirArgs {
    #[command(flatten)]
    pub create: CreateArgs,
}

const EXAMPLES: &str = "\
Examples:
  A directory that is removed when this shell exits:
      dir=$(tmpx dir --until-exit=$$)

  One beside the data, removed after two days:
      tmpx dir --ttl 2d --dir . --prefix build-

  One that a job removes by its session:
      dir=$(tmpx dir --session nightly)
      tmpx cleanup --session nightly";

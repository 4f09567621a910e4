//! `tmpx dir`

use clap::Args;

use crate::cli::shared::CreateArgs;

/// Make a directory and print its path
///
/// The directory is new and empty, and nobody else can look into it (mode 700,
/// less the umask). It lies in the temp dir that 'tmpx gettempdir' prints, and
/// its name is tmp. and ten random characters, unless options or a TEMPLATE say
/// otherwise.
///
/// It stays until a cleanup asks for it. With --until-exit it goes, with all
/// that is in it, when the calling script has exited, however that came about;
/// with --ttl it goes when its time is over; with both, whichever comes first.
/// TMPX_UNTIL_EXIT and TMPX_TTL in the environment do the same for every call,
/// see 'tmpx --help'. Symlinks in it are not followed, and what is mounted in it
/// is left alone.
///
/// If its path cannot be printed (stdout is full, or its reader is gone), the
/// directory is removed again and the exit status is 1.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment,    override_usage = "tmpx dir [OPTIONS] [TEMPLATE]",
 after_long_help = EXAMPLES)]
pub struct DirArgs {
    #[command(flatten)]
    pub make: CreateArgs,
}

const EXAMPLES: &str = "\
Examples:
  A directory that goes when this shell exits:
      dir=$(tmpx dir --until-exit=$$)

  One that goes after two days, beside the data:
      tmpx dir --ttl 2d --dir . --prefix build-

  One that goes when the job says so:
      dir=$(tmpx dir --session nightly)
      tmpx cleanup --session nightly";

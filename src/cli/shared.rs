//! Arguments that several subcommands share, each with one meaning.

use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, OsStringValueParser, TypedValueParser};
use clap::{Args, ValueHint};

use crate::lease::{LifetimeOptions, UntilExit};
use crate::ui::Format;
use crate::values::{Affix, ExactName, FileMode, Span, TemplatePath};

/// A template, as raw bytes.
pub(super) fn template_path() -> impl TypedValueParser<Value = TemplatePath> {
    OsStringValueParser::new().try_map(|text| TemplatePath::parse(&text))
}

/// A name of a group.
pub(super) fn session() -> impl TypedValueParser<Value = String> {
    NonEmptyStringValueParser::new()
}

fn at_least_one(text: &str) -> Result<u64, String> {
    let count = text.parse().ok().filter(|&count| count > 0);
    count.ok_or_else(|| "not a number from 1 on".into())
}

fn process_id(text: &str) -> Result<u32, String> {
    let pid = text.parse().ok().filter(|&pid| pid > 0);
    pid.ok_or_else(|| "not the number of a process".into())
}

fn affix() -> impl TypedValueParser<Value = Affix> {
    OsStringValueParser::new().try_map(Affix::parse)
}

/// Where a resource is made.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Place")]
pub struct PlaceArgs {
    /// Make it in DIR, not in the temp dir
    #[arg(short = 'p', long, value_name = "DIR", alias = "tmpdir", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
    /// Begin the name with S, not with 'tmp.'
    #[arg(long, value_name = "S", value_parser = affix())]
    pub prefix: Option<Affix>,
    /// End the name with S
    #[arg(short, long, value_name = "S", value_parser = affix(), allow_hyphen_values = true)]
    pub suffix: Option<Affix>,
    /// Give it exactly this mode, not 600 or 700 less the umask
    #[arg(short, long, value_name = "OCTAL", hide_short_help = true)]
    pub mode: Option<FileMode>,
}

/// What `file` and `dir` have in common.
#[derive(Args, Clone, Debug)]
pub struct CreateArgs {
    /// A name in which the last run of three or more X is replaced, as in tmp.XXXXXXXXXX
    #[arg(conflicts_with = "prefix", value_parser = template_path())]
    pub template: Option<TemplatePath>,
    /// Make exactly this name, or a numbered one if it is taken (x_1 for x, a_1.csv for a.csv)
    #[arg(long, conflicts_with_all = ["template", "prefix", "suffix"],
          value_parser = OsStringValueParser::new().try_map(ExactName::parse))]
    pub name: Option<ExactName>,
    /// Make N of them, and print a line each
    #[arg(long, value_name = "N", default_value_t = 1, hide_default_value = true,
          value_parser = at_least_one, hide_short_help = true)]
    pub count: u64,
    #[command(flatten)]
    pub place: PlaceArgs,
    #[command(flatten)]
    pub lifetime: LifetimeArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// When a resource goes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Lifetime")]
pub struct LifetimeArgs {
    /// Let it go when PID exits, or the calling script if no PID is given
    #[arg(long, value_name = "PID", num_args = 0..=1, require_equals = true,
          value_parser = process_id)]
    #[allow(clippy::option_option, reason = "how clap tells a flag without a value")]
    pub until_exit: Option<Option<u32>>,
    /// Let it go after this time (90, 300ms, 15m, 1h30m, 2d)
    #[arg(long, value_name = "DURATION")]
    pub ttl: Option<Span>,
    /// Make it part of a session: a name by which cleanup and list find it
    #[arg(long, value_name = "NAME", value_parser = session(),
          hide_short_help = true)]
    pub session: Option<String>,
    /// Keep it until a cleanup asks for it, whatever TMPX_UNTIL_EXIT and TMPX_TTL say
    #[arg(long, conflicts_with_all = ["until_exit", "ttl"],
          hide_short_help = true)]
    pub keep: bool,
}

impl From<LifetimeArgs> for LifetimeOptions {
    fn from(lifetime: LifetimeArgs) -> Self {
        Self {
            until_exit: lifetime
                .until_exit
                .map(|pid| pid.map_or(UntilExit::Caller, UntilExit::Pid)),
            ttl: lifetime.ttl.map(|Span(ttl)| ttl),
            session: lifetime.session,
            keep: lifetime.keep,
        }
    }
}

/// What a workspace holds from the start.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Layout")]
pub struct LayoutArgs {
    /// Make a directory in it (may be given several times)
    #[arg(long, value_name = "REL", value_hint = ValueHint::Other)]
    pub mkdir: Vec<PathBuf>,
    /// Copy a file or directory into it, perhaps under another name (may be given several times)
    #[arg(long = "in", value_name = "SRC[:DEST]", value_hint = ValueHint::AnyPath)]
    pub inputs: Vec<std::ffi::OsString>,
}

/// Which leases are meant. Several narrow it down.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Selection")]
pub struct SelectArgs {
    /// Only what is at least this old (90, 15m, 2d)
    #[arg(long, value_name = "DURATION")]
    pub older_than: Option<Span>,
    /// Only what belongs to this session
    #[arg(long, value_name = "NAME", value_parser = session())]
    pub session: Option<String>,
    /// Everything, manual ones too
    #[arg(long)]
    pub all: bool,
}

/// How results are printed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Print a JSON object per line
    #[arg(long, conflicts_with = "null")]
    pub json: bool,
    /// End each path with NUL, not with a newline
    #[arg(short = '0', long, hide_short_help = true)]
    pub null: bool,
}

impl OutputArgs {
    /// The format that is asked for.
    pub fn format(&self) -> Format {
        Format::from_flags(self.json, self.null)
    }
}

//! Option groups that several subcommands share: one option has one meaning everywhere.

use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, OsStringValueParser, TypedValueParser};
use clap::{Args, ValueHint};

use crate::lease::{LifetimeOptions, NameRule, UntilExit};
use crate::ui::Format;
use crate::values::{Affix, BadName, ExactName, FileMode, Span, Template, TemplatePath};

/// Parses a template, which may be any bytes.
pub(super) fn template_path() -> impl TypedValueParser<Value = TemplatePath> {
    OsStringValueParser::new().try_map(|text| TemplatePath::parse(&text))
}

/// Parses a name that is used as it is.
fn exact_name() -> impl TypedValueParser<Value = ExactName> {
    OsStringValueParser::new().try_map(|text| {
        ExactName::parse(text).map_err(|err| match err {
            BadName::Slash => format!("{err} (see --dir)"),
            _ => err.to_string(),
        })
    })
}

/// Parses the name of a session.
pub(super) fn session() -> impl TypedValueParser<Value = String> {
    NonEmptyStringValueParser::new()
}

pub(super) fn at_least_one(text: &str) -> Result<u64, String> {
    let count = text.parse().ok().filter(|&count| count > 0);
    count.ok_or_else(|| "not a positive number".into())
}

fn process_id(text: &str) -> Result<u32, String> {
    let pid = text.parse().ok().filter(|&pid| pid > 0);
    pid.ok_or_else(|| "not a process ID".into())
}

pub(super) fn affix() -> impl TypedValueParser<Value = Affix> {
    OsStringValueParser::new().try_map(Affix::parse)
}

/// The directory, name and mode of a new resource.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Place")]
pub struct PlaceArgs {
    /// Create it in DIR [default: the temp dir]
    ///
    /// After a symlink, '..' in DIR is the parent of the directory that the
    /// symlink leads to; in TMPDIR it only removes the name before it.
    #[arg(short = 'p', long, value_name = "DIR", alias = "tmpdir", value_hint = ValueHint::DirPath,
          allow_hyphen_values = true, verbatim_doc_comment)]
    pub dir: Option<PathBuf>,
    /// Start the name with S [default: tmp.]
    #[arg(long, value_name = "S", value_parser = affix(), allow_hyphen_values = true)]
    pub prefix: Option<Affix>,
    /// End the name with S
    #[arg(short, long, value_name = "S", value_parser = affix(), allow_hyphen_values = true)]
    pub suffix: Option<Affix>,
    /// Use this name, or a_1.csv for a.csv if it is taken
    ///
    /// What sed -i or mv puts in its place is yours: cleanups keep it.
    #[arg(long, conflicts_with_all = ["prefix", "suffix"],
          value_parser = exact_name(), allow_hyphen_values = true)]
    pub name: Option<ExactName>,
    /// Set this mode exactly [default: 600, directories 700, minus the umask]
    #[arg(short, long, value_name = "OCTAL", hide_short_help = true, allow_hyphen_values = true)]
    pub mode: Option<FileMode>,
}

impl PlaceArgs {
    /// Whether neither a directory nor anything about the name is given.
    pub(crate) fn is_default(&self) -> bool {
        let Self { dir, prefix, suffix, name, mode: _ } = self;
        dir.is_none() && prefix.is_none() && suffix.is_none() && name.is_none()
    }

    /// Returns the directory that the command line names, and the rule for the name: that of a
    /// template, if one is given, and otherwise that of the options.
    pub(crate) fn resolve(
        self,
        template: Option<TemplatePath>,
    ) -> Result<(Option<PathBuf>, NameRule), AbsoluteTemplate> {
        let Self { dir, prefix, suffix, name, .. } = self;
        let (template_dir, template) = Template::choose(template, prefix.as_ref(), suffix.as_ref());
        let dir = match (dir, template_dir) {
            (Some(_), Some(below)) if below.is_absolute() => return Err(AbsoluteTemplate),
            (Some(dir), Some(below)) => Some(dir.join(below)),
            (dir, below) => below.or(dir),
        };
        Ok((dir, name.map_or(NameRule::Random(template), NameRule::Exact)))
    }
}

/// A directory and a template that is an absolute path.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("--dir: TEMPLATE is an absolute path")]
pub(crate) struct AbsoluteTemplate;

/// The arguments of `file` and `dir`.
#[derive(Args, Clone, Debug)]
pub struct CreateArgs {
    /// A name whose last run of three or more X is replaced
    ///
    /// As in tmp.XXXXXXXXXX, the default. A TEMPLATE with a slash is relative
    /// to DIR, or else to the working directory. With fewer than six X, what
    /// sed -i or mv puts in its place is yours: cleanups keep it.
    #[arg(conflicts_with_all = ["prefix", "name"], value_parser = template_path(),
          verbatim_doc_comment)]
    pub template: Option<TemplatePath>,
    /// Create N of them, and print one path per line
    #[arg(long, value_name = "N", default_value_t = 1, hide_default_value = true,
          value_parser = at_least_one, hide_short_help = true, allow_hyphen_values = true)]
    pub count: u64,
    #[command(flatten)]
    pub place: PlaceArgs,
    #[command(flatten)]
    pub lifetime: LifetimeArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The lifetime of a new resource.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Lifetime")]
pub struct LifetimeArgs {
    /// Remove it when PID exits [default: calling script]
    #[arg(long, value_name = "PID", num_args = 0..=1, require_equals = true,
          value_parser = process_id)]
    #[expect(clippy::option_option, reason = "clap's type of an option with an optional value")]
    pub until_exit: Option<Option<u32>>,
    /// Remove it after this time (90, 15m, 1h30m, 2d)
    ///
    /// A number alone counts seconds; units are ms, s, m, h, d and w, or
    /// words as in '7 days'.
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, verbatim_doc_comment)]
    pub ttl: Option<Span>,
    /// Add it to a session: a name by which cleanup and list find it
    #[arg(long, value_name = "NAME", value_parser = session(),
          hide_short_help = true, allow_hyphen_values = true)]
    pub session: Option<String>,
    /// Keep it until you remove it, despite TMPX_UNTIL_EXIT and TMPX_TTL
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

/// The initial content of a workspace.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Layout")]
pub struct LayoutArgs {
    /// Create a directory in it; may be repeated
    #[arg(long, value_name = "REL", value_hint = ValueHint::Other, allow_hyphen_values = true)]
    pub mkdir: Vec<PathBuf>,
    /// Copy a file or directory into it; may be repeated
    #[arg(long = "in", value_name = "SRC[:DEST]", value_hint = ValueHint::AnyPath,
          allow_hyphen_values = true)]
    pub inputs: Vec<std::ffi::OsString>,
}

/// The leases that a command applies to. Several options must all match.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Selection")]
pub struct SelectArgs {
    /// Only resources at least this old (90, 15m, 2d)
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub older_than: Option<Span>,
    /// Only resources of this session
    #[arg(long, value_name = "NAME", value_parser = session(), allow_hyphen_values = true)]
    pub session: Option<String>,
    /// All resources, including manual and timed ones
    #[arg(long)]
    pub all: bool,
}

/// The format of the results.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Print one JSON object per line
    #[arg(long, conflicts_with = "null")]
    pub json: bool,
    /// End each path with NUL instead of a newline
    #[arg(short = '0', long, hide_short_help = true)]
    pub null: bool,
}

impl OutputArgs {
    /// Returns the format that the options select.
    pub fn format(&self) -> Format {
        Format::from_flags(self.json, self.null)
    }
}

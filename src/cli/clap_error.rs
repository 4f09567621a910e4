//! Turns clap's error into one line and, where one helps, a hint.
//!
//! clap knows what is wrong with a command line, but words it in a paragraph. The tips that it adds
//! are made for programs that accept any value, and here they would run a command named `--ttl`; so
//! the hints are ours.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::hints;

/// What is wrong with a command line, and what its author may have meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsageError {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl UsageError {
    pub(crate) fn new(err: &clap::Error, args: &[OsString]) -> Self {
        let words: Vec<&str> = args.iter().filter_map(|word| word.to_str()).collect();
        let message = message(err).unwrap_or_else(|| flatten(&err.render().to_string()));
        Self { message, hint: hints::hint(err, &words) }
    }
}

/// Rewords the errors that clap words in its own terms.
fn message(err: &clap::Error) -> Option<String> {
    let argument = match err.get(ContextKind::InvalidArg)? {
        ContextValue::String(argument) => plain(argument),
        ContextValue::Strings(missing) => {
            let missing: Vec<&str> = missing.iter().map(|argument| plain(argument)).collect();
            return (err.kind() == ErrorKind::MissingRequiredArgument)
                .then(|| format!("{} is missing", missing.join(" ")));
        }
        _ => return None,
    };
    match (err.kind(), err.get(ContextKind::PriorArg), err.get(ContextKind::InvalidValue)) {
        (ErrorKind::ArgumentConflict, Some(ContextValue::String(other)), _) => {
            Some(match plain(other) {
                other if other == argument => format!("{argument} can be given only once"),
                other => format!("give {argument} or {other}, not both"),
            })
        }
        (ErrorKind::ArgumentConflict, Some(ContextValue::Strings(others)), _) => {
            let others: Vec<&str> = others.iter().map(|other| plain(other)).collect();
            Some(format!("{argument} cannot be combined with {}", others.join(", ")))
        }
        (ErrorKind::InvalidValue, _, Some(ContextValue::String(value)))
            if value.is_empty() || value == "--" =>
        {
            Some(format!("{argument} needs a value"))
        }
        (ErrorKind::ValueValidation, _, Some(ContextValue::String(value)))
            if value.is_empty() && argument.starts_with('-') =>
        {
            Some(format!("{argument} needs a value"))
        }
        _ => None,
    }
}

/// Returns the name of an argument without the notation for its value: `--dir` for `--dir <DIR>`,
/// `TEMPLATE` for `[TEMPLATE]`.
fn plain(argument: &str) -> &str {
    let name = argument.trim_start_matches(['[', '<']);
    name.split([' ', '=', '[', ']', '<', '>']).next().unwrap_or(argument)
}

/// Joins the first paragraph of clap's text into one line. Tips and the usage follow it.
fn flatten(text: &str) -> String {
    let paragraph = text.lines().map(str::trim).take_while(|line| {
        !line.starts_with("tip: ") && !line.starts_with("Usage: ") && !line.starts_with("For more ")
    });
    let lines: Vec<&str> = paragraph.filter(|line| !line.is_empty()).collect();
    let message = lines.join(" ");
    message.strip_prefix("error: ").unwrap_or(&message).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_named_without_the_notation_for_its_value() {
        for (argument, name) in [
            ("--dir <DIR>", "--dir"),
            ("--until-exit[=<PID>]", "--until-exit"),
            ("--json", "--json"),
            ("[TEMPLATE]", "TEMPLATE"),
            ("<FILE>", "FILE"),
        ] {
            assert_eq!(plain(argument), name);
        }
    }
}

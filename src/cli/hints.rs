//! Hints for command lines that clap refuses: habits from other tools, and typing errors.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::command::CliArgs;
use crate::ui::sh_quote::quote;

/// Names that other tools have for a subcommand.
const ALIASES: [(&str, &[&str]); 9] = [
    ("file", &["create", "new", "make", "touch", "tmp", "temp", "tempfile"]),
    ("dir", &["mkdir", "directory", "folder"]),
    ("exec", &["run", "with", "shell"]),
    ("replace", &["sponge", "edit", "inplace"]),
    ("chunk", &["split", "batch", "chunks", "partition"]),
    ("list", &["ls", "ps", "status", "show", "info"]),
    ("cleanup", &["rm", "remove", "delete", "clean", "prune", "gc", "purge", "sweep"]),
    ("completions", &["completion", "complete"]),
    ("--version", &["version"]),
];

/// The subcommands of `tmpx cache`.
const CACHE: [&str; 5] = ["run", "get", "set", "clear", "list"];

/// Words that mean `tmpx cache clear` rather than a command whose output is to be kept.
const CLEARING: [&str; 6] = ["rm", "remove", "delete", "del", "clean", "purge"];

/// Returns a hint on clap's error for these words.
pub(super) fn hint(err: &clap::Error, words: &[&str]) -> Option<String> {
    match err.kind() {
        ErrorKind::InvalidSubcommand if words.get(1) == Some(&"cache") => {
            Some(for_cached_command(words))
        }
        ErrorKind::InvalidSubcommand => {
            Some(for_subcommand(context(err, ContextKind::InvalidSubcommand)?, err))
        }
        ErrorKind::UnknownArgument => {
            let argument = context(err, ContextKind::InvalidArg)?;
            let subcommand = words.get(1).copied().unwrap_or_default();
            let below = words.get(2).copied().unwrap_or_default();
            Some(match subcommand {
                "cache" if CACHE.contains(&below) => {
                    for_argument(&format!("cache {below}"), argument, words, err)
                }
                "cache" => for_cached_command(words),
                _ if subcommand.starts_with('-') => before_subcommand(argument, words),
                _ => for_argument(subcommand, argument, words, err),
            })
        }
        ErrorKind::InvalidValue if context(err, ContextKind::InvalidValue) == Some("--") => {
            let option = context(err, ContextKind::InvalidArg)?;
            Some(format!("-- ends the options; for that value: {option}=--"))
        }
        ErrorKind::ValueValidation => {
            let value = context(err, ContextKind::InvalidValue)?;
            for_value(context(err, ContextKind::InvalidArg)?, value, words)
        }
        _ => None,
    }
}

fn context(err: &clap::Error, kind: ContextKind) -> Option<&str> {
    match err.get(kind)? {
        ContextValue::String(text) => Some(text),
        _ => None,
    }
}

fn for_subcommand(name: &str, err: &clap::Error) -> String {
    if let Some((subcommand, _)) = ALIASES.iter().find(|(_, aliases)| aliases.contains(&name)) {
        return format!("did you mean tmpx {subcommand}?");
    }
    if ["man", "manual", "manpage", "docs", "doc"].contains(&name) {
        return "tmpx --help prints the manual; 'man tmpx' too, if a package installed it"
            .to_owned();
    }
    let candidates: &[String] = match err.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::Strings(candidates)) => candidates,
        Some(ContextValue::String(candidate)) => std::slice::from_ref(candidate),
        _ => &[],
    };
    match candidates.iter().find(|candidate| is_typo(name, candidate)) {
        Some(subcommand) => format!("did you mean tmpx {subcommand}?"),
        None => "tmpx --help lists the subcommands".to_owned(),
    }
}

/// The hint for a command right after `cache`, where people expect it.
fn for_cached_command(words: &[&str]) -> String {
    let given = words.get(2).copied().unwrap_or_default();
    let is_alone = words.len() == 3;
    let name = match given {
        _ if CLEARING.contains(&given) => Some("clear"),
        "ls" | "show" if is_alone => Some("list"),
        _ => CACHE.into_iter().find(|name| is_alone && is_typo(given, name)),
    };
    if let Some(name) = name {
        return format!("did you mean tmpx cache {name}?");
    }
    let words = &words[2..];
    let dashes = if given.starts_with('-') { "" } else { "-- " };
    format!("run comes first: tmpx cache run {dashes}{}", command_line(words.iter()))
}

/// The hint for an unknown argument before the subcommand.
fn before_subcommand(argument: &str, words: &[&str]) -> String {
    let tmpx = CliArgs::command();
    let at = words.iter().position(|word| tmpx.find_subcommand(word).is_some());
    match (argument, at) {
        ("-v", None) => "did you mean tmpx --version?".to_owned(),
        ("-d", None) => "did you mean tmpx dir?".to_owned(),
        (_, None) => "options come after a subcommand; see tmpx --help".to_owned(),
        (_, Some(2)) if words[1] == "--" => {
            format!("drop the --: tmpx {}", command_line(words[2..].iter()))
        }
        (_, Some(at)) => {
            let subcommand = words[at..=at].iter();
            let reordered = subcommand.chain(&words[1..at]).chain(&words[at + 1..]);
            format!("options come after the subcommand: tmpx {}", command_line(reordered))
        }
    }
}

/// Quotes words for a shell.
fn command_line<'a>(words: impl Iterator<Item = &'a &'a str>) -> String {
    let quoted: Vec<OsString> = words.map(|word| quote(OsStr::new(word))).collect();
    quoted.join(OsStr::new(" ")).to_string_lossy().into_owned()
}

/// The hint for an unknown argument of a subcommand.
fn for_argument(subcommand: &str, argument: &str, words: &[&str], err: &clap::Error) -> String {
    if let Some(hint) = for_habit(subcommand, argument, words) {
        return hint.to_owned();
    }
    match context(err, ContextKind::SuggestedArg) {
        // The alias that people know from mktemp.
        Some("--tmpdir") => "did you mean --dir?".to_owned(),
        Some(option) if is_typo(argument, option) || option.starts_with(argument) => {
            format!("did you mean {option}?")
        }
        _ if argument.starts_with('-') => format!("tmpx {subcommand} -h lists the options"),
        _ => format!("tmpx {subcommand} -h shows the usage"),
    }
}

/// Arguments that people know from mktemp and other tools, or try first.
fn for_habit(subcommand: &str, argument: &str, words: &[&str]) -> Option<&'static str> {
    Some(match (subcommand, argument) {
        (_, "-v" | "-V" | "--version") => "did you mean tmpx --version?",
        ("file" | "workspace", "-d" | "--directory") => "did you mean tmpx dir?",
        ("dir", "-d" | "--directory") => "tmpx dir always creates a directory; drop -d",
        ("file" | "dir" | "workspace", "-u" | "--dry-run") => {
            "a name alone can be taken by others; drop -u and create it"
        }
        ("file" | "dir" | "workspace", "-t") => {
            "drop -t: a template without a slash is created in the temp dir anyway"
        }
        ("file" | "dir" | "workspace", "-q" | "--quiet") => "drop -q; 2>/dev/null hides messages",
        ("file" | "dir", "-n") => "did you mean --count?",
        ("file" | "dir", "--export") => "did you mean tmpx workspace --export?",
        ("exec", "--ttl" | "--until-exit") => {
            "the workspace is removed when the command ends; --timeout ends the command"
        }
        ("exec", "--cwd" | "--chdir" | "--workdir" | "-C") => {
            "--here runs the command in the current directory"
        }
        ("exec", "--cache") => "to keep an output: tmpx cache run --ttl 1h -- COMMAND",
        ("exec", "-e" | "--env") => "env sets variables: tmpx exec env NAME=VALUE COMMAND",
        ("spool", word) if !word.starts_with('-') => "a command comes after --: tmpx spool -- …",
        ("replace", word) if !word.starts_with('-') && words.contains(&"--") => {
            "one FILE at a time: for f in …; do tmpx replace \"$f\" -- …; done"
        }
        ("replace", word) if !word.starts_with('-') => {
            "there can be one FILE, and a command after --: tmpx replace FILE -- …"
        }
        (
            "chunk",
            "-n" | "-l" | "-N" | "-C" | "-b" | "--lines" | "--records" | "--chunk-size"
            | "--batch-size" | "--size" | "--block" | "--block-size",
        ) => "--rows N counts records, --bytes SIZE bytes",
        ("chunk", "-d" | "-F") => "did you mean --delimiter?",
        ("chunk", "-f") => "did you mean --format?",
        ("chunk", "-P" | "--parallel" | "--threads" | "--workers" | "--processes") => {
            "did you mean --jobs?"
        }
        ("chunk", "--no-header" | "--no-headers") => "did you mean --header 0?",
        ("chunk", "--column" | "--col" | "--by" | "--group-by" | "-g" | "--partition-by") => {
            "for a file for each value of a column use mlr: mlr --csv split -g COLUMN FILE"
        }
        ("chunk", "--retries" | "--retry" | "--resume" | "--continue" | "--joblog") => {
            "to run only what has not succeeded: … -- tmpx cache run --key-stdin -- COMMAND"
        }
        ("cache run", "-k" | "--name") => "did you mean --key?",
        ("cleanup", "-f") => "did you mean --force?",
        ("cleanup" | "list", "-a") => "did you mean --all?",
        ("cleanup" | "list", "--age" | "--min-age") => "did you mean --older-than?",
        _ => return None,
    })
}

/// The hint for a value that an argument refuses.
fn for_value(argument: &str, value: &str, words: &[&str]) -> Option<String> {
    if words.windows(2).any(|pair| pair == ["--until-exit", value]) {
        return Some(format!("the PID comes after =, as in --until-exit={value}"));
    }
    if words.get(1) == Some(&"cache") && argument.starts_with("--ttl") && value == "0" {
        return Some(match words.get(2) {
            Some(&"set") => "to remove what is stored: tmpx cache clear KEY".to_owned(),
            _ => "to run COMMAND anew: tmpx cache run --refresh -- COMMAND".to_owned(),
        });
    }
    if words.get(1) == Some(&"chunk") && argument.starts_with("--to") && value == "csv" {
        return Some("for CSV use mlr or duckdb on the result of --to ndjson".to_owned());
    }
    let subcommand = words.get(1).filter(|word| matches!(**word, "file" | "dir"))?;
    if argument != "[TEMPLATE]" || value.contains("XX") {
        return None;
    }
    let path = Path::new(value);
    let name = path.file_name()?.to_str()?;
    let words = match path.parent().and_then(Path::to_str).filter(|dir| !dir.is_empty()) {
        Some(dir) => vec![subcommand, "--dir", dir, "--name", name],
        None => vec![subcommand, "--name", name],
    };
    Some(format!("for exactly this name: tmpx {}", command_line(words.iter())))
}

/// Whether a word looks like a typing error for a name. clap's own measure (Jaro) is too generous: it
/// finds `replace` similar to `create`, and `tmpx replace FILE` empties a file.
fn is_typo(word: &str, name: &str) -> bool {
    edit_distance(word.as_bytes(), name.as_bytes()) <= name.len().div_ceil(4)
}

/// Counts the insertions, deletions, substitutions and swaps of neighbors between two words (optimal
/// string alignment).
fn edit_distance(a: &[u8], b: &[u8]) -> usize {
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let mut cost = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && y == a[i - 1] {
                cost = cost.min(before_last[j - 1] + 1);
            }
            row.push(cost);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_has_one_wrong_letter_in_four() {
        for (word, name) in [
            ("repalce", "replace"),
            ("exce", "exec"),
            ("fiel", "file"),
            ("cleanpu", "cleanup"),
            ("--sufix", "--suffix"),
            ("lst", "list"),
        ] {
            assert!(is_typo(word, name), "{word}");
        }
        for (word, name) in
            [("create", "replace"), ("edit", "dir"), ("make", "mktemp"), ("workplace", "replace")]
        {
            assert!(!is_typo(word, name), "{word}");
        }
    }

    #[test]
    fn the_edit_distance_counts_a_swap_as_one_edit() {
        assert_eq!(edit_distance(b"", b"abc"), 3);
        assert_eq!(edit_distance(b"abc", b"abc"), 0);
        assert_eq!(edit_distance(b"acb", b"abc"), 1);
        assert_eq!(edit_distance(b"kitten", b"sitting"), 3);
    }

    #[test]
    fn aliases_are_no_subcommands() {
        let tmpx = crate::cli::full_command();
        for (subcommand, aliases) in ALIASES {
            assert!(subcommand.starts_with("--") || tmpx.find_subcommand(subcommand).is_some());
            for alias in aliases {
                assert!(tmpx.find_subcommand(alias).is_none(), "{alias}");
            }
        }
    }
}

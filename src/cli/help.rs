//! Completes the short help. Its example is the first one of the long help, looked up when the help is
//! printed, so that no other run pays for it.

use std::ffi::OsString;

use crate::cli::command::full_command;

/// The heading of the last section of each long help.
const EXAMPLES: &str = "\nExamples:\n";

/// Returns the help that clap renders for these words. To a short one, this adds an example.
pub(crate) fn with_example(help: String, args: &[OsString]) -> String {
    if help.contains(EXAMPLES) {
        return help;
    }
    match example(args) {
        Some(example) => format!("{}\n\nExample:\n{example}\n", help.trim_end()),
        None => help,
    }
}

/// Returns the first example of the command that these words select.
fn example(args: &[OsString]) -> Option<String> {
    let mut tmpx = full_command();
    tmpx.build();
    let mut command = &tmpx;
    for word in args.get(1..)? {
        match command.find_subcommand(word) {
            Some(subcommand) => command = subcommand,
            None => break,
        }
    }
    let details = format!("\n{}", command.get_after_long_help()?);
    let examples = details.split_once(EXAMPLES)?.1;
    examples.split("\n\n").next().map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the short help of each command, with its example.
    fn short_helps() -> Vec<(String, String)> {
        fn collect(
            command: &mut clap::Command,
            words: &[OsString],
            to: &mut Vec<(String, String)>,
        ) {
            let help = with_example(command.render_help().to_string(), words);
            to.push((words.join(" ".as_ref()).into_string().unwrap(), help));
            for subcommand in command.get_subcommands_mut() {
                let words = [words, &[subcommand.get_name().into()]].concat();
                collect(subcommand, &words, to);
            }
        }
        let mut tmpx = full_command();
        tmpx.build();
        let mut helps = Vec::new();
        collect(&mut tmpx, &["tmpx".into()], &mut helps);
        helps
    }

    #[test]
    fn every_short_help_ends_with_one_example_and_fits_80_columns() {
        let helps = short_helps();
        assert!(helps.len() > 15, "{}", helps.len());
        for (name, help) in helps {
            let (_, example) = help.split_once("\n\nExample:\n  ").expect(&name);
            assert!(example.contains("\n      ") && !example.contains("\n\n"), "{name}: {help}");
            assert!(example.contains("tmpx"), "{name}: {help}");
            assert!(help.lines().all(|line| line.chars().count() <= 80), "{name}: {help}");
        }
    }
}

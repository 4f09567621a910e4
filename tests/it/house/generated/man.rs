//! Generates man pages from the clap types.
//!
//! `clap_mangen` generates all sections except for those from the text after the options in
//! `--help`. That text has one form everywhere. A heading is a line such as `Exit status:`. The
//! lines below it are indented by two: sentences, and terms with their meaning beside them or
//! indented below them. Below `Examples:`, deeper lines are for the shell.

use clap::builder::Resettable;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::files::Files;

/// All pages, by file name.
pub(super) fn pages(tmpx: &clap::Command) -> Files {
    let all = all_commands(tmpx);
    let titles: Vec<&str> = all.iter().filter_map(|command| command.get_display_name()).collect();
    let version = tmpx.get_version().unwrap_or_default();
    all.iter().map(|command| page(command, &format!("tmpx {version}"), &titles)).collect()
}

/// A command and all its subcommands, those of subcommands too.
pub(super) fn all_commands(command: &clap::Command) -> Vec<&clap::Command> {
    let below = command.get_subcommands().flat_map(all_commands);
    std::iter::once(command).chain(below).collect()
}

fn page(command: &clap::Command, source: &str, titles: &[&str]) -> (String, String) {
    let rest = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let about = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    // Its first line is the NAME section.
    let about = about.split_once("\n\n").map_or("", |(_, description)| description).to_owned();
    let command = command
        .clone()
        // Arguments that -h hides belong here all the same.
        .mut_args(|argument| argument.hide_short_help(false))
        .long_about(about)
        // The rest and the version follow below and in the footer.
        .after_long_help(Resettable::Reset)
        .subcommand_value_name("COMMAND")
        .version(Resettable::Reset);
    let title = command.get_display_name().unwrap_or_default().to_owned();
    // An empty date must still be an argument.
    let man = Man::new(command).source(source).manual("User Commands").date(" ");
    let mut page = Vec::new();
    man.render(&mut page).unwrap();
    // The name of an option must not be hyphenated.
    let page =
        String::from_utf8(page).unwrap().replacen(".SH SYNOPSIS\n", ".SH SYNOPSIS\n.nh\n", 1);
    let mut roff = Roff::new();
    sections(&mut roff, &rest);
    see_also(&mut roff, &title, titles);
    // Both parts begin with the same definition of the apostrophe.
    let rest = roff.render();
    let rest = rest.find(".SH ").map_or("", |at| &rest[at..]);
    (man.get_filename(), page + rest)
}

fn sections(roff: &mut Roff, text: &str) {
    let mut is_code = false;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let Some(line) = line.strip_prefix("  ") else {
            let heading = line.strip_suffix(':').expect("a heading ends with a colon");
            roff.control("SH", [heading.to_uppercase().as_str()]);
            is_code = heading == "Examples";
            continue;
        };
        // Deeper lines belong to this one.
        let mut below = Vec::new();
        while let Some(deeper) = lines.next_if(|line| line.starts_with("   ")) {
            below.push(deeper);
        }
        match line.split_once("  ") {
            _ if is_code => example(roff, line, &below),
            Some((term, meaning)) => definition(roff, term, meaning, &below),
            None if below.is_empty() => {
                let mut sentence = vec![line];
                while let Some(more) = lines.next_if(|line| line.starts_with("  ")) {
                    sentence.push(more.trim_start());
                }
                roff.control("PP", []);
                roff.text([roman(sentence.join(" "))]);
            }
            None => definition(roff, line, "", &below),
        }
    }
}

fn definition(roff: &mut Roff, term: &str, meaning: &str, below: &[&str]) {
    let all = std::iter::once(meaning).chain(below.iter().copied()).map(str::trim);
    let meaning: Vec<&str> = all.filter(|line| !line.is_empty()).collect();
    roff.control("TP", []);
    roff.text([bold(term)]);
    roff.text([roman(meaning.join(" "))]);
}

fn example(roff: &mut Roff, sentence: &str, code: &[&str]) {
    roff.control("PP", []);
    roff.text([roman(sentence)]);
    roff.control("PP", []);
    roff.control("RS", ["4"]);
    roff.control("EX", []);
    for line in code {
        roff.text([roman(line.trim_start())]);
    }
    roff.control("EE", []);
    roff.control("RE", []);
}

fn see_also(roff: &mut Roff, title: &str, titles: &[&str]) {
    let others = titles.iter().filter(|other| **other != title).copied();
    let mut line = Vec::new();
    for other in others.chain(["mktemp"]) {
        if !line.is_empty() {
            line.push(roman(", "));
        }
        line.extend([bold(other), roman("(1)")]);
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.control("nh", []);
    roff.text(line);
}

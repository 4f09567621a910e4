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
    let titles: Vec<&str> = all.iter().map(|command| name_of(command)).collect();
    let version = tmpx.get_version().unwrap_or_default();
    all.iter().map(|command| page(command, &format!("tmpx {version}"), &titles)).collect()
}

/// A command and all its subcommands, those of subcommands too.
pub(super) fn all_commands(command: &clap::Command) -> Vec<&clap::Command> {
    let below = command.get_subcommands().flat_map(all_commands);
    std::iter::once(command).chain(below).collect()
}

/// Returns the name of a page. The top command has no other one to display.
fn name_of(command: &clap::Command) -> &str {
    command.get_display_name().unwrap_or(command.get_name())
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
    let title = name_of(&command).to_owned();
    let man = Man::new(command).source(source).manual("User Commands");
    let man = man.title(title.to_uppercase()).date(DATE);
    let mut page = Vec::new();
    man.render(&mut page).unwrap();
    // The name of an option must not be hyphenated.
    let page =
        String::from_utf8(page).unwrap().replacen(".SH SYNOPSIS\n", ".SH SYNOPSIS\n.nh\n", 1);
    let mut roff = Roff::new();
    let further = further_sections(&title, &rest);
    let rest = match rest.split_once("Examples:\n") {
        Some((before, examples)) => format!("{before}{further}\nExamples:\n{examples}"),
        None => rest + &further,
    };
    sections(&mut roff, &rest);
    see_also(&mut roff, &title, titles);
    // Both parts begin with the same definition of the apostrophe.
    let rest = roff.render();
    let rest = rest.find(".SH ").map_or("", |at| &rest[at..]);
    let page = with_arguments(&with_references(page + rest, titles));
    (format!("{title}.1"), tidy(&page))
}

/// Refers to pages where the help refers to a help.
fn with_references(page: String, titles: &[&str]) -> String {
    titles.iter().fold(page, |page, title| {
        let help = format!("\\*(Aq{} \\-\\-help\\*(Aq", title.replace('-', " "));
        page.replace(&help, &format!("\\fB{}\\fR(1)", title.replace('-', "\\-")))
    })
}

/// Moves the arguments without a name, which `clap_mangen` puts among the options, to a section of their
/// own.
fn with_arguments(page: &str) -> String {
    let (before, options) = page.split_once(".SH OPTIONS\n").unwrap();
    let (options, after) = options.split_at(options.find("\n.SH ").unwrap() + 1);
    let (options, arguments): (Vec<&str>, Vec<&str>) =
        options.split_inclusive(".TP\n").skip(1).partition(|entry| entry.starts_with("\\fB"));
    let section = |heading: &str, entries: &[&str]| match entries {
        [] => String::new(),
        entries => format!(".SH {heading}\n.TP\n{}", entries.join("").trim_end_matches(".TP\n")),
    };
    let (arguments, options) = (section("ARGUMENTS", &arguments), section("OPTIONS", &options));
    before.to_owned() + &arguments + &options + after
}

/// Returns what the README says that tmpx does not do, without its marks.
fn limits() -> String {
    let readme = include_str!("../../../../README.md");
    let (_, limits) = readme.split_once("## What it does not do\n").unwrap();
    let plain = limits.replace('`', "").replace("\n  ", " ");
    let bullets = plain.lines().take_while(|line| !line.starts_with(['|', '#']));
    bullets
        .filter_map(|line| line.strip_prefix("- "))
        .flat_map(|line| ["  ", line, "\n\n"])
        .collect()
}

/// The day of the last release, or of the last large change before the first one.
const DATE: &str = "2026-11-28";

/// The fields of the JSON objects that a command prints or reports.
pub(super) const JSON: [(&[&str], &str); 10] = [
    (&["tmpx-file", "tmpx-dir", "tmpx-workspace"], "path, kind, lease, lifetime, session"),
    (
        &["tmpx-list"],
        "path, kind, state (a word of STATES, with _ for a space), lease, lifetime, session, created, age_ms, left_ms, owner and caller \
         (process IDs), entries, bytes (on the disk)",
    ),
    (
        &["tmpx-cleanup"],
        "path, lease, action (removed, would_remove, kept, failed, given_up or would_give_up), \
         reason, entries and bytes (how much was removed, even in part)",
    ),
    (&["tmpx-gettempdir"], "path, variable, usable, chosen, reason"),
    (
        &["tmpx-exec"],
        "--report: command, workspace, status, signal, timed_out, exit (tmpx's own status), wall_ms, \
         user_ms, system_ms, peak_memory_bytes, outputs (a list; each has its path), kept",
    ),
    (&["tmpx-spool"], "--report: bytes, held_in, rolled_over, path (the directory), status"),
    (&["tmpx-replace"], "--report: path, bytes, replaced, status"),
    (
        &["tmpx-chunk"],
        "--json, for chunk files: path, kind, lease, lifetime, session. --report, for a command: chunks, \
         records and bytes (of what succeeded, in order, before the first chunk that failed; headers do not \
         count), exit (tmpx's own status); failed is that chunk, if there is one: chunk (its number, from 0, as in TMPX_CHUNK), \
         offset (where it begins in its input, in bytes from 0), rows (its records) and status",
    ),
    (
        &["tmpx-cache-run"],
        "--report: status (hit, miss, stale or uncached), why (the output is not kept), age_ms and ttl_ms \
         (in milliseconds; age_ms is null if the command ran), bytes (of stdout and stderr together), exit \
         (the exit status, as a shell sees it)",
    ),
    (
        &["tmpx-cache-list"],
        "key (null if there is none), argv (the command and its arguments; empty after cache set), age_ms \
         and left_ms (in milliseconds), bytes, status (the exit status of the command)",
    ),
];

/// Returns the sections that only a page has, in the form of the help texts: the exit status where the
/// help leaves it out, since it is that of tmpx(1), the JSON fields, the limits, and where the rest is
/// described.
fn further_sections(title: &str, rest: &str) -> String {
    let mut text = String::from("\n");
    if !rest.contains("Exit status:") {
        text += "Exit status:\n  0    Success.\n  1    Failure. A message on stderr gives the reason.\n";
        text += if title == "tmpx-mktemp" { "" } else { "  2    Usage error.\n" };
    }
    if let Some((_, fields)) = JSON.iter().find(|(titles, _)| titles.contains(&title)) {
        text.extend(["JSON:\n  Each line is one object with these fields: ", fields, ".\n"]);
        text += "  A path that is not UTF-8 appears as path_b64, in base64.\n";
    }
    if title == "tmpx" {
        text.extend(["Limits:\n", &limits()]);
    }
    if !rest.contains("Environment:") {
        text += "Environment:\n";
        if title == "tmpx-chunk" {
            text += "  TMPX_CHUNK       Set for a command: the number of its chunk, from 0.\n  \
                     TMPX_CHUNK_ROWS  Set for a command: the number of records in the chunk.\n";
        }
        text.extend(["  ", variables(title), ".\n"]);
    }
    let is_cache = title.starts_with("tmpx-cache");
    if !rest.contains("Files:") {
        text += if is_cache {
            "Files:\n  The directory of the outputs is described in tmpx-cache(1).\n"
        } else {
            "Files:\n  The directories of the leases are listed in tmpx(1).\n"
        };
    }
    text
}

/// Returns which variables a command reads, and where they are described.
fn variables(title: &str) -> &'static str {
    match title {
        "tmpx-cache-get" | "tmpx-cache-clear" | "tmpx-cache-list" => {
            "TMPX_CACHE_DIR is described in tmpx-cache(1)"
        }
        "tmpx-list" => "TMPX_STATE_DIR is described in tmpx(1)",
        "tmpx-cleanup" => "TMPX_STATE_DIR is described in tmpx(1), TMPX_CACHE_DIR in tmpx-cache(1)",
        "tmpx-gettempdir" => "TMPDIR, TEMP and TMP are described in tmpx(1)",
        "tmpx-completions" => "No variable has an effect",
        _ => {
            "TMPX_UNTIL_EXIT, TMPX_TTL, TMPX_SESSION, TMPX_STATE_DIR, TMPX_REAPER and TMPDIR are \
             described in tmpx(1)"
        }
    }
}

/// Removes macros that have no effect, and breaks long lines of text, which are filled anyway.
fn tidy(page: &str) -> String {
    const WIDTH: usize = 80;
    let mut tidied = String::new();
    let (mut previous, mut is_code) = ("", false);
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        is_code = line == ".EX" || is_code && line != ".EE";
        let is_idle = line == ".PP" && previous.starts_with(".SH")
            || line == ".br" && (previous.is_empty() || lines.peek() == Some(&""));
        previous = line;
        if is_idle {
            continue;
        }
        let mut rest = line;
        while rest.len() > WIDTH && !is_code && !rest.starts_with('.') {
            let Some(at) = rest[..=WIDTH].rfind(' ') else { break };
            // A line that begins with one of these would be a request.
            if rest[at + 1..].starts_with(['.', '\'']) {
                break;
            }
            tidied.extend([rest[..at].trim_end(), "\n"]);
            rest = &rest[at + 1..];
        }
        tidied.extend([rest, "\n"]);
    }
    tidied
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

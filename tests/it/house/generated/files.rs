//! `man/` and `completions/` contain exactly what the clap types generate. These tests compare
//! them; `TMPX_BLESS=1 cargo test` rewrites the files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueHint;
use clap_complete::{Generator as _, Shell};

use super::man::all_commands;
use crate::support::sandbox::{Sandbox, has, names};

/// The files of a directory, by name.
pub(super) type Files = BTreeMap<String, String>;

fn in_tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns tmpx with all its subcommands, as help and completions see them.
pub(super) fn built() -> clap::Command {
    let mut tmpx = tmpx::testing::full_command();
    tmpx.build();
    tmpx
}

/// Returns what the completions are generated from: values without files, which would otherwise be
/// offered, have a hint, and names of values have no colon, at which zsh splits.
fn for_completions() -> clap::Command {
    const NO_FILES: [&str; 9] = ["S", "N", "NAME", "OCTAL", "DURATION", "SIZE", "PID", "STR", "C"];
    let plain = |argument: clap::Arg| {
        let name = argument.get_value_names().and_then(|names| names.first()).cloned();
        match name.as_deref() {
            Some("SRC[:DEST]") => argument.value_name("SRC"),
            Some("GLOB[:DEST]") => argument.value_name("GLOB"),
            Some(name) if NO_FILES.contains(&name) && argument.get_id() != "session" => {
                argument.value_hint(ValueHint::Other)
            }
            _ => argument,
        }
    };
    let names: Vec<String> =
        built().get_subcommands().map(|one| one.get_name().to_owned()).collect();
    let all = |tmpx: clap::Command, name: String| {
        tmpx.mut_subcommand(name, |command| {
            let below: Vec<String> =
                command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
            let command = command.mut_args(plain);
            below.into_iter().fold(command, |command, name| {
                command.mut_subcommand(name, |command| command.mut_args(plain))
            })
        })
    };
    names.into_iter().fold(built(), all)
}

/// Returns the options of `exec` and `cache run` whose values are words of their own.
fn options_with_values() -> Vec<String> {
    let tmpx = built();
    let subcommand = |path: &[&str]| {
        path.iter().fold(&tmpx, |command, name| command.find_subcommand(name).unwrap()).clone()
    };
    let mut options: Vec<String> = [subcommand(&["exec"]), subcommand(&["cache", "run"])]
        .iter()
        .flat_map(clap::Command::get_arguments)
        .filter(|one| one.get_action().takes_values() && !one.is_require_equals_set())
        .flat_map(|one| {
            let long = one.get_long().map(|long| format!("--{long}"));
            long.into_iter().chain(one.get_short().map(|short| format!("-{short}")))
        })
        .collect();
    // fish takes long options at the beginning for its own.
    options.sort_by_key(|option| (option.starts_with("--"), option.clone()));
    options.dedup();
    options
}

/// Adds what the generator cannot know: values that only a run of tmpx knows, and the completions of
/// other commands.
fn with_dynamic_values(shell: Shell, script: &str) -> String {
    let lines = script.lines().map(|line| match shell {
        Shell::Zsh if line.contains("--session=[") => {
            line.replace(":_default'", ":_tmpx_sessions'")
        }
        Shell::Zsh if line.starts_with("'*::paths ") => line.replace(":_files'", ":_tmpx_leased'"),
        Shell::Zsh if line.ends_with(":_cmdambivalent' \\") => line
            // With three colons, the words of the action begin with the command.
            .replace("'*::command ", "'*:::command ")
            .replace(":_cmdambivalent'", ":_tmpx_command'"),
        Shell::Fish if line.contains(" -l session ") => {
            line.replace(" -r", " -x -a \"(__fish_tmpx_sessions)\"")
        }
        _ => line.to_owned(),
    });
    let script = lines.collect::<Vec<_>>().join("\n") + "\n";
    let options = options_with_values();
    match shell {
        Shell::Bash => {
            let (definition, _) = script.split_once("if [[ \"${BASH_VERSINFO[0]}\" -eq 4").unwrap();
            let dynamic = include_str!("dynamic/bash").replace("@OPTIONS@", &options.join(" | "));
            definition.trim_end().to_owned() + "\n" + &dynamic
        }
        Shell::Zsh => {
            let (before, end) = script.split_once("if [ \"$funcstack[1]\"").unwrap();
            format!("{before}{}if [ \"$funcstack[1]\"{end}", include_str!("dynamic/zsh"))
        }
        Shell::Fish => {
            script + &include_str!("dynamic/fish").replace("@OPTIONS@", &options.join(" "))
        }
        _ => script,
    }
}

pub(super) fn completions() -> Files {
    let shells = [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh];
    let generated = shells.into_iter().map(|shell| {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut for_completions(), "tmpx", &mut script);
        let script = String::from_utf8(script).unwrap();
        (shell.file_name("tmpx"), with_dynamic_values(shell, &script))
    });
    generated.collect()
}

/// Checks that a directory contains exactly these files, or rewrites it.
pub(super) fn check(dir: &str, expected: &Files) {
    let root = in_tree(dir);
    if std::env::var_os("TMPX_BLESS").is_some() {
        fs::create_dir_all(&root).unwrap();
        for stale in names(&root).iter().filter(|name| !expected.contains_key(*name)) {
            fs::remove_file(root.join(stale)).unwrap();
        }
        for (name, text) in expected {
            fs::write(root.join(name), text).unwrap();
        }
    }
    let remedy = "TMPX_BLESS=1 cargo test rewrites it";
    assert!(names(&root).iter().eq(expected.keys()), "{dir} has other files; {remedy}");
    for (name, text) in expected {
        let there = fs::read_to_string(root.join(name)).unwrap();
        assert!(there == *text, "{dir}/{name} is not what the clap types generate; {remedy}");
    }
}

#[test]
pub(super) fn the_man_pages_are_what_the_command_line_types_generate() {
    check("man", &super::man::pages(&built()));
}

#[test]
pub(super) fn the_completions_are_what_the_command_line_types_generate() {
    check("completions", &completions());
}

/// `clap_complete` offers hidden arguments too, so tmpx has none.
#[test]
pub(super) fn no_argument_is_hidden() {
    for command in all_commands(&built()) {
        assert_eq!(command.get_arguments().find(|argument| argument.is_hide_set()), None);
    }
}

#[test]
pub(super) fn every_option_has_its_text_in_the_man_page() {
    let pages = super::man::pages(&built());
    for command in &all_commands(&built())[1..] {
        let page = &pages[&format!("{}.1", command.get_display_name().unwrap())];
        let page = page.replace("\\-", "-").replace("\\*(Aq", "'");
        let help = |argument: &clap::Arg| argument.get_long_help().or(argument.get_help()).cloned();
        for help in command.get_arguments().filter_map(help) {
            assert!(page.contains(&help.to_string()), "{}: {help}", command.get_name());
        }
    }
}

#[test]
pub(super) fn the_top_man_page_has_all_its_sections() {
    let page = &super::man::pages(&built())["tmpx.1"];
    let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
    assert_eq!(
        sections,
        [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "SUBCOMMANDS",
            "ENVIRONMENT",
            "FILES",
            "\"EXIT STATUS\"",
            "LIMITS",
            "EXAMPLES",
            "\"SEE ALSO\""
        ]
    );
}

#[test]
pub(super) fn every_man_page_has_the_sections_that_readers_look_for() {
    for (name, page) in &super::man::pages(&built()) {
        let title = name.strip_suffix(".1").unwrap();
        let has = |section: &str| page.lines().any(|line| line == format!(".SH {section}"));
        for section in ["ENVIRONMENT", "FILES", "\"EXIT STATUS\"", "EXAMPLES", "\"SEE ALSO\""] {
            assert!(has(section), "{name} has no {section}");
        }
        let prints_json = super::man::JSON.iter().any(|(titles, _)| titles.contains(&title));
        assert_eq!(has("JSON"), prints_json, "{name}");
    }
}

#[test]
pub(super) fn the_options_in_a_man_page_are_options_and_it_refers_to_pages() {
    for (name, page) in &super::man::pages(&built()) {
        let (_, options) = page.split_once("\n.SH OPTIONS\n").unwrap();
        let (options, _) = options.split_once("\n.SH ").unwrap();
        for entry in options.split(".TP\n").skip(1) {
            assert!(entry.starts_with("\\fB\\-"), "{name}: {entry}");
        }
        assert!(!page.contains("\\-\\-help\\*(Aq"), "{name} refers to a --help");
    }
}

/// Writes files to a sandbox's working directory. A test then sees what the types generate even
/// while another test rewrites the repository.
pub(super) fn write(sandbox: &Sandbox, files: &Files) {
    for (name, text) in files {
        fs::write(sandbox.cwd().join(name), text).unwrap();
    }
}

/// Runs a formatter over all man pages and expects an empty stderr.
pub(super) fn renders(command: &str) {
    let sandbox = Sandbox::new();
    let pages = super::man::pages(&built());
    write(&sandbox, &pages);
    for name in pages.keys() {
        let run = sandbox.sh(&format!("{command} ./{name}"));
        let ran = run.env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80").succeeds();
        let header = format!("{}(1)", name.trim_end_matches(".1").to_uppercase());
        assert!(ran.raw.contains(&header), "{name}: {ran:?}");
    }
}

#[test]
pub(super) fn groff_renders_the_man_pages_without_a_warning() {
    if has("groff") {
        renders("groff -man -ww -rLL=80n -Tutf8");
    }
}

#[test]
pub(super) fn mandoc_has_nothing_to_say_about_the_man_pages() {
    if !has("mandoc") {
        return;
    }
    let sandbox = Sandbox::new();
    let pages = super::man::pages(&built());
    write(&sandbox, &pages);
    for name in pages.keys() {
        sandbox.sh(&format!("mandoc -T lint ./{name}")).expects(0, "", "");
    }
}

#[test]
pub(super) fn man_renders_the_man_pages_without_a_warning() {
    if has("man") {
        renders("man --warnings --local-file");
    }
}

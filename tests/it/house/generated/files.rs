//! `man/` and `completions/` contain exactly what the clap types generate. These tests compare
//! them; `TMPX_BLESS=1 cargo test` rewrites the files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
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
    let mut tmpx = tmpx::testing::CliArgs::command();
    tmpx.build();
    tmpx
}

pub(super) fn completions() -> Files {
    let shells = [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh];
    let generated = shells.into_iter().map(|shell| {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut tmpx::testing::CliArgs::command(), "tmpx", &mut script);
        (shell.file_name("tmpx"), String::from_utf8(script).unwrap())
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
            "EXAMPLES",
            "\"SEE ALSO\""
        ]
    );
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
        let header = format!("{}(1)", name.trim_end_matches(".1"));
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
pub(super) fn man_renders_the_man_pages_without_a_warning() {
    if has("man") {
        renders("man --warnings --local-file");
    }
}

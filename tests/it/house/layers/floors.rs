//! The rules, applied to the sources as they are.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::graph::Graph;
use super::rules;
use super::source::{Source, read, sources, without_test_files};

/// What each rule finds. Parsing takes longest by far, so it is done once for all tests.
static FOUND: LazyLock<Findings> = LazyLock::new(Findings::new);

struct Findings {
    floors: Vec<String>,
    folders: BTreeSet<String>,
    /// The files that belong to no floor, and the floors without a file.
    unlisted: Vec<String>,
    folder_edges: usize,
    edges: usize,
    upward: Vec<String>,
    cycles: Vec<String>,
    wrong_imports: Vec<String>,
    between_commands: Vec<String>,
    unsafe_code: Vec<String>,
    printing: Vec<String>,
    downcasts: Vec<String>,
    systems: Vec<String>,
    tempfile: Vec<String>,
    code_in_faces: Vec<String>,
    loose_files: Vec<String>,
    too_long: Vec<String>,
    shared_names: Vec<String>,
    clap_names: Vec<String>,
}

impl Findings {
    fn new() -> Self {
        let (src, tests) = (sources("src"), sources("tests"));
        let everywhere = |rule: fn(&Source) -> Vec<String>| {
            src.iter().chain(&tests).flat_map(rule).collect::<Vec<_>>()
        };
        let unsafe_code = src.iter().flat_map(rules::unsafe_outside_sys).collect();
        let code_in_faces = everywhere(rules::code_in_face);
        let too_long = everywhere(rules::too_long);
        let src = without_test_files(src);
        let graph = Graph::new(&src);
        let floors = floors();
        let unlisted = unlisted(&src, &floors);
        let in_folders = src.iter().filter(|source| !source.is_loose());
        let each = |rule: fn(&Source) -> Vec<String>| src.iter().flat_map(rule).collect();
        let commands = subcommands();
        let between = |folder| graph.between_commands(folder, &commands);
        Self {
            folders: in_folders.map(|source| source.folder().to_owned()).collect(),
            unlisted,
            folder_edges: graph.folder_edges().len(),
            edges: graph.edges(),
            upward: graph.upward(&floors),
            cycles: graph.cycles().iter().map(|files| files.join(", ")).collect(),
            wrong_imports: graph.wrong_imports().to_vec(),
            between_commands: ["commands", "cli"].into_iter().flat_map(between).collect(),
            unsafe_code,
            printing: each(rules::printing_outside_ui),
            downcasts: each(rules::downcasts_outside_advice),
            systems: each(rules::systems_outside_sys_and_os),
            tempfile: each(rules::tempfile_outside_the_probe),
            code_in_faces,
            loose_files: each(rules::loose_file),
            too_long,
            shared_names: rules::types_that_share_a_name(&src),
            clap_names: each(rules::clap_type_without_args),
            floors,
        }
    }
}

/// The folders of `src` from the top, as ARCHITECTURE.md lists them.
fn floors() -> Vec<String> {
    let text = read("ARCHITECTURE.md");
    let block = text.split("```floors\n").nth(1).and_then(|rest| rest.split("```").next());
    let lines = block.expect("ARCHITECTURE.md has a block of floors").lines();
    lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

fn unlisted(src: &[Source], floors: &[String]) -> Vec<String> {
    // The face of a folder that consists of floors belongs to none of them.
    let files = src.iter().filter(|source| !source.is_loose() && !source.is_face());
    let has_no_floor = |source: &&Source| source.floor(floors).is_none();
    let outside = files.clone().filter(has_no_floor).map(|file| file.path.display().to_string());
    let used: BTreeSet<_> = files.filter_map(|file| file.floor(floors)).collect();
    let empty = floors.iter().enumerate().filter(|(n, _)| !used.contains(n));
    outside.chain(empty.map(|(_, floor)| floor.clone())).collect()
}

fn subcommands() -> Vec<String> {
    let command = tmpx::testing::full_command();
    command.get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

#[track_caller]
fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "\n  {}\n", found.join("\n  "));
}

#[test]
fn architecture_md_lists_every_folder_once() {
    assert_none(&FOUND.unlisted);
    let listed: BTreeSet<_> = FOUND.floors.iter().collect();
    assert_eq!(listed.len(), FOUND.floors.len(), "{:?}", FOUND.floors);
}

#[test]
fn the_diagram_in_architecture_md_has_every_folder() {
    let text = read("ARCHITECTURE.md");
    let boxes = text.lines().filter_map(|line| line.trim().strip_prefix('│'));
    let words: Vec<&str> = boxes.flat_map(str::split_whitespace).collect();
    let floor =
        |word: &&str| FOUND.floors.iter().position(|floor| floor.split('/').next() == Some(*word));
    // The words beside the folders describe a row.
    let drawn: BTreeSet<&str> = words.into_iter().filter(|word| floor(word).is_some()).collect();
    assert_eq!(drawn, FOUND.folders.iter().map(String::as_str).collect());
}

#[test]
fn folders_import_only_from_the_floors_below() {
    let found = &*FOUND;
    println!(
        "{} folders, {} imports between folders, {} imports between files, {} upward, {} cycles",
        found.folders.len(),
        found.folder_edges,
        found.edges,
        found.upward.len(),
        found.cycles.len(),
    );
    assert_none(&found.upward);
}

#[test]
fn no_files_of_a_folder_import_each_other_in_a_circle() {
    assert_none(&FOUND.cycles);
}

#[test]
fn no_file_imports_lib_rs_or_its_own_face() {
    assert_none(&FOUND.wrong_imports);
}

#[test]
fn no_subcommand_imports_another_one() {
    assert_none(&FOUND.between_commands);
}

#[test]
fn only_sys_has_unsafe_code() {
    assert_none(&FOUND.unsafe_code);
}

#[test]
fn only_ui_and_commands_print() {
    assert_none(&FOUND.printing);
}

#[test]
fn only_the_advice_on_errors_downcasts_them() {
    assert_none(&FOUND.downcasts);
}

#[test]
fn only_sys_and_os_differ_between_systems() {
    assert_none(&FOUND.systems);
}

#[test]
fn only_the_probe_of_a_temp_dir_uses_the_tempfile_crate() {
    assert_none(&FOUND.tempfile);
}

#[test]
fn faces_only_declare_and_re_export() {
    assert_none(&FOUND.code_in_faces);
}

#[test]
fn only_main_rs_and_lib_rs_are_loose() {
    assert_none(&FOUND.loose_files);
}

#[test]
fn no_file_is_too_long_to_read() {
    assert_none(&FOUND.too_long);
}

#[test]
fn no_two_types_share_a_name() {
    assert_none(&FOUND.shared_names);
}

#[test]
fn clap_types_end_in_args() {
    assert_none(&FOUND.clap_names);
}

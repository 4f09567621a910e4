//! Runs the README: the console block, and all recipes in order in one shell.

use super::console::runs_as_shown;
use crate::support::sandbox::{Sandbox, has};

const README: &str = include_str!("../../../README.md");

/// Returns the text of the fenced blocks that begin with this line.
fn blocks(tag: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = README.lines();
    while let Some(line) = lines.next() {
        if line == tag {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(block.join("\n"));
        }
    }
    blocks
}

#[test]
fn the_console_session_runs_as_shown() {
    runs_as_shown("README.md");
}

#[test]
fn all_recipes_run_in_order_in_one_shell_and_leave_nothing() {
    let recipes = blocks("```sh recipe");
    assert!(recipes.len() >= 8, "{} recipes", recipes.len());
    for shell in ["bash -eu", "dash -eu", "zsh -eu", "busybox ash -eu"] {
        if !has(shell.split(' ').next().unwrap()) {
            continue;
        }
        let sandbox = Sandbox::new();
        let script = recipes.join("\nprintf '\\036'\n");
        let ran = sandbox.shell(shell, &script).run();
        let printed: Vec<&str> = ran.stdout.split('\u{1e}').collect();
        assert_eq!((ran.status, printed.len()), (Some(0), recipes.len()), "{shell}: {ran:?}");
        for (recipe, printed) in recipes.iter().zip(printed) {
            check(recipe, printed);
        }
        // Does the reaper's work for lifetimes that ended with the script.
        sandbox.tmpx(["cleanup", "-q"]).succeeds();
        // Those for ten minutes.
        sandbox.tmpx(["cleanup", "--all", "-q"]).succeeds();
        assert_eq!(sandbox.left(), Vec::<String>::new(), "{shell}");
    }
}

/// Checks what a recipe prints, if the README says it.
fn check(recipe: &str, printed: &str) {
    let says = |text: &str| recipe.contains(text);
    if says("printf 'two") {
        assert_eq!(printed, "one\nthree\ntwo\ntwo\n");
    } else if says("split -l 1") {
        assert_eq!(printed, "4\n");
    } else if says("cat results/unique") {
        assert_eq!(printed, "one\nthree\ntwo\n");
    } else if says("--name report.csv") {
        assert!(printed.contains("$ROOT/tmp/report.csv\n"), "{printed}");
    } else if says("spool --suffix") {
        assert_eq!(printed, "two\n");
    } else if says("--count 4") {
        assert_eq!(printed.lines().filter(|line| line.starts_with("3 ")).count(), 4);
    } else if says("runs.log") {
        assert_eq!(printed, "1\n");
    } else if says("-o doubled") {
        assert_eq!(printed, "3\n");
    } else if says("even.csv") {
        assert!(printed.starts_with("501 even.csv\n401 $ROOT/tmp/"), "{printed}");
    }
}

#[test]
fn the_recipes_for_other_shells_run_too() {
    for shell in ["fish", "elvish"] {
        let recipes = blocks(&format!("```{shell} recipe"));
        assert_eq!(recipes.len(), 1, "{shell}");
        if !has(shell) {
            continue;
        }
        let sandbox = Sandbox::new();
        // A subshell, whose exit ends the lifetimes.
        let ran = sandbox.shell(shell, &recipes[0]).run();
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
        assert!(!sandbox.left().is_empty(), "{shell} creates something");
        sandbox.tmpx(["cleanup", "-q"]).succeeds();
        assert_eq!(sandbox.left(), Vec::<String>::new(), "{shell}");
    }
}

#[test]
fn the_first_command_is_the_tested_one() {
    let commands = blocks("```sh");
    let first =
        "cargo run --release -- exec --in README.md -- sh -c 'wc -w README.md > count; cat count'";
    assert!(commands.iter().any(|block| block == first));
    assert!(commands.iter().any(|block| block == "cargo test"));
}

#[test]
fn the_form_of_replace_that_knows_whether_its_writer_failed_comes_first() {
    let at = |text: &str| README.find(text).unwrap_or_else(|| panic!("no {text}"));
    let with_command = at("tmpx replace words.txt -- ");
    assert!(with_command < at("| tmpx replace "));
    assert!(with_command < at("A pipe cannot report that its writer failed"));
}

//! Runs the recipes of the README unchanged.

use std::fs;

use crate::support::sandbox::Sandbox;

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
fn every_recipe_works_and_leaves_nothing() {
    let recipes = blocks("```sh recipe");
    assert!(recipes.len() >= 5, "{} recipes", recipes.len());
    for recipe in recipes {
        let sandbox = Sandbox::new();
        fs::write(sandbox.cwd().join("words.txt"), "one\ntwo\nthree\ntwo\n").unwrap();
        let ran = sandbox.shell("bash -eu", &recipe).run();
        assert_eq!(ran.status, Some(0), "{recipe}\n{ran:?}");
        // Does the reaper's work for lifetimes that ended with the script.
        if recipe.contains("--ttl 10m") {
            sandbox.clean_up();
        }
        sandbox.tmpx(["cleanup", "-q"]).succeeds();
        assert_eq!(sandbox.left(), Vec::<String>::new(), "{recipe}");
    }
}

#[test]
fn the_recipes_print_the_expected_results() {
    let outputs: Vec<String> = blocks("```sh recipe")
        .iter()
        .map(|recipe| {
            let sandbox = Sandbox::new();
            fs::write(sandbox.cwd().join("words.txt"), "one\ntwo\nthree\ntwo\n").unwrap();
            let ran = sandbox.shell("bash -eu", recipe).run();
            sandbox.clean_up();
            ran.stdout
        })
        .collect();
    assert_eq!(outputs[0], "");
    assert_eq!(outputs[1], "4\n");
    assert_eq!(outputs[2], "one\nthree\ntwo\n");
    assert!(outputs[3].contains("$ROOT/tmp/report.csv\n"), "{}", outputs[3]);
    assert_eq!(outputs[6], "two\n");
    assert_eq!(outputs[7].lines().filter(|line| line.starts_with("3 ")).count(), 4);
    assert!(outputs[8].starts_with("501 even.csv\n401 $ROOT/tmp/"), "{}", outputs[8]);
    assert_eq!(outputs[9], "1\n");
}

#[test]
fn the_first_two_commands_are_the_tested_ones() {
    let commands = blocks("```sh");
    assert_eq!(
        commands[0],
        "cargo run --release -- exec --in README.md -- sh -c 'wc -w README.md > count; cat count'"
    );
    assert_eq!(commands[1], "cargo test");
}

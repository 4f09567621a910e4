//! A script that does not know tmpx leaves nothing behind.

use std::path::PathBuf;

use super::world::{World, run};

fn script() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/unmodified-build.sh"))
}

/// Runs a shell line in which `$script` is the unmodified script.
fn run_script(world: &World, line: &str) -> Option<i32> {
    std::fs::write(world.path("cwd/source"), "text\n").unwrap();
    let mut command = world.shell(line);
    command.env("script", script());
    run(command).status
}

fn clean_up(world: &World) -> Option<i32> {
    run(world.shell("tmpx cleanup -q")).status
}

#[test]
fn without_tmpx_the_unmodified_script_leaks() {
    let world = World::new();
    assert_eq!(run_script(&world, "sh $script source out"), Some(0));
    assert_eq!(clean_up(&world), Some(0));
    assert_eq!(world.names_in("tmp").len(), 4);
}

#[test]
fn with_tmpx_first_in_path_the_unmodified_script_leaves_only_its_output() {
    let world = World::new();
    let line = "export TMPX_UNTIL_EXIT=$$; sh $script source out";
    assert_eq!(run_script(&world, line), Some(0));
    assert_eq!(clean_up(&world), Some(0));
    assert_eq!(world.names_in("tmp").len(), 0);
    assert_eq!(world.names_in("state/leases").len(), 0);
    assert_eq!(world.names_in("cwd"), ["out", "source"]);
    let out = std::fs::read(world.path("cwd/out")).unwrap();
    assert_eq!(out, b"TEXT\nTEXT\n");
}

#[test]
fn the_unmodified_script_leaks_nothing_even_if_killed() {
    let world = World::new();
    let line = "export TMPX_UNTIL_EXIT=$$ KILLED_HALFWAY=1; exec sh $script source out";
    assert_eq!(run_script(&world, line), None, "it died of a signal");
    assert_eq!(world.names_in("tmp").len(), 4);
    assert_eq!(clean_up(&world), Some(0));
    assert_eq!(world.names_in("tmp").len(), 0);
    assert_eq!(world.names_in("cwd"), ["source"]);
}

#[test]
fn one_cleanup_of_a_session_covers_several_unmodified_scripts() {
    let world = World::new();
    let line = "export TMPX_SESSION=nightly; sh $script source out; sh $script source out; \
                tmpx cleanup -q --session nightly";
    assert_eq!(run_script(&world, line), Some(0));
    assert_eq!(world.names_in("tmp").len(), 0);
    assert_eq!(world.names_in("cwd"), ["out", "source"]);
}

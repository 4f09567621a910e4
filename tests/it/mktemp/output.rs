//! If the path cannot be printed, mktemp removes what it created.

use std::fs::OpenOptions;
use std::process::Stdio;

use super::world::{Ran, World, run};

const FULL: &str = "mktemp: write error: No space left on device\n";
const CLOSED: &str = "mktemp: write error: Bad file descriptor\n";
const BROKEN: &str = "mktemp: write error: Broken pipe\n";

/// Runs mktemp with a stdout that accepts nothing.
fn run_into(stdout: impl Into<Stdio>, world: &World, args: &[&str]) -> Ran {
    let mut command = world.mktemp(args);
    command.stdout(stdout).stderr(Stdio::piped());
    Ran::of(command.spawn().unwrap().wait_with_output().unwrap())
}

fn full() -> std::fs::File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

fn pipe_without_a_reader() -> std::io::PipeWriter {
    let (_, writer) = std::io::pipe().unwrap();
    writer
}

#[test]
fn a_full_stdout_is_an_error_and_leaves_nothing() {
    let world = World::new();
    for args in [&[][..], &["-d"], &["aXXX"], &["-p", "."]] {
        run_into(full(), &world, args).assert_refused(FULL);
        world.assert_nothing_created();
    }
}

#[test]
fn a_closed_stdout_is_an_error_and_leaves_nothing() {
    let world = World::new();
    for args in ["", "-d", "aXXX"] {
        run(world.shell(&format!("mktemp {args} >&-"))).assert_refused(CLOSED);
        world.assert_nothing_created();
    }
}

#[test]
fn a_broken_pipe_is_an_error_and_leaves_nothing() {
    let world = World::new();
    for args in [&[][..], &["-d"], &["aXXX"]] {
        run_into(pipe_without_a_reader(), &world, args).assert_refused(BROKEN);
        world.assert_nothing_created();
    }
}

#[test]
fn quiet_hides_a_write_error_only_if_something_was_created() {
    let world = World::new();
    run_into(full(), &world, &["-q"]).assert_refused("");
    run_into(full(), &world, &["-qd"]).assert_refused("");
    run_into(full(), &world, &["-qu"]).assert_refused(FULL);
    world.assert_nothing_created();
}

#[test]
fn help_and_version_that_cannot_be_printed_are_errors() {
    let world = World::new();
    for option in ["--help", "--version"] {
        run_into(full(), &world, &[option]).assert_refused(FULL);
        run(world.shell(&format!("mktemp {option} >&-"))).assert_refused(CLOSED);
    }
}

#[test]
fn a_closed_stdin_or_stderr_changes_nothing() {
    let world = World::new();
    for closed in ["<&-", "2>&-", "<&- 2>&-"] {
        let created = run(world.shell(&format!("mktemp {closed}"))).printed();
        assert!(created.is_file());
        let status = run(world.shell(&format!("mktemp -p nodir {closed}"))).status;
        assert_eq!(status, Some(1));
    }
}

#[test]
fn a_leased_file_is_removed_with_its_lease_if_the_path_cannot_be_printed() {
    let world = World::new();
    for args in [&[][..], &["-d"], &["aXXXXXX"], &["-q"]] {
        let mut command = world.mktemp(args);
        command.env("TMPX_SESSION", "s").stdout(pipe_without_a_reader()).stderr(Stdio::piped());
        let ran = Ran::of(command.spawn().unwrap().wait_with_output().unwrap());
        ran.assert_refused(if args == ["-q"] { "" } else { BROKEN });
        assert_eq!(world.names_in("tmp").len() + world.names_in("cwd").len(), 0);
        assert_eq!(world.names_in("state/leases").len(), 0);
    }
}

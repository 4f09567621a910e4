//! Which directory mktemp uses.

use std::path::Path;
use std::process::Command;

use super::world::{World, assert_like, mode_of, run};

/// Creates a world with the directories `d` and `tmp` in the working directory, and with this
/// TMPDIR, or none.
fn world_and(tmpdir: Option<&str>, args: &[&str]) -> (World, Command) {
    let world = World::new();
    for dir in ["cwd/d", "cwd/tmp"] {
        std::fs::create_dir(world.path(dir)).unwrap();
    }
    let mut command = world.mktemp(args);
    match tmpdir {
        Some(value) => command.env("TMPDIR", value),
        None => command.env_remove("TMPDIR"),
    };
    (world, command)
}

#[track_caller]
fn assert_named(tmpdir: Option<&str>, args: &[&str], like: &str) {
    // Only the name is printed: an entry in /tmp would be litter outside of the test's world.
    let args = [&["-u"], args].concat();
    let (world, command) = world_and(tmpdir, &args);
    assert_like(run(command).printed().as_os_str(), like.as_bytes());
    assert_eq!(world.names_in("cwd/d").len() + world.names_in("cwd/tmp").len(), 0);
}

#[test]
fn a_template_alone_ignores_tmpdir() {
    assert_named(Some("tmp"), &["aXXX"], "a???");
    assert_named(Some("tmp"), &["./d/aXXX"], "./d/a???");
}

#[test]
fn the_option_precedes_the_environment_and_an_empty_one_counts_as_absent() {
    for option in ["-pd", "--tmpdir=d"] {
        assert_named(Some("tmp"), &[option, "aXXX"], "d/a???");
        assert_named(None, &[option, "aXXX"], "d/a???");
        assert_named(Some(""), &[option], "d/tmp.??????????");
    }
    for args in [&["-p", ""][..], &["--tmpdir="], &["--tmpdir"], &[]] {
        assert_named(Some("tmp"), args, "tmp/tmp.??????????");
        assert_named(Some(""), args, "/tmp/tmp.??????????");
        assert_named(None, args, "/tmp/tmp.??????????");
    }
}

#[test]
fn the_last_of_the_two_options_wins() {
    assert_named(Some("tmp"), &["-pd", "--tmpdir", "aXXX"], "tmp/a???");
    assert_named(Some("tmp"), &["--tmpdir=nodir", "-pd", "aXXX"], "d/a???");
}

#[test]
fn with_t_the_environment_precedes_the_option() {
    assert_named(Some("tmp"), &["-t", "-pd", "aXXX"], "tmp/a???");
    assert_named(Some(""), &["-t", "-pd", "aXXX"], "d/a???");
    assert_named(None, &["-pd", "-t", "aXXX"], "d/a???");
    assert_named(None, &["-t", "aXXX"], "/tmp/a???");
    assert_named(Some(""), &["-t", "-p", ""], "/tmp/tmp.??????????");
}

#[test]
fn with_t_the_template_is_one_component() {
    for template in ["d/aXXX", "/aXXX", "./XXX"] {
        let (_world, command) = world_and(Some("tmp"), &["-t", template]);
        run(command).assert_refused(&format!(
            "mktemp: invalid template, '{template}', contains directory separator\n"
        ));
    }
}

#[test]
fn with_a_directory_the_template_is_relative() {
    for option in ["-pd", "--tmpdir", "--tmpdir=d"] {
        let (_world, command) = world_and(Some("tmp"), &[option, "/aXXX"]);
        run(command).assert_refused(
            "mktemp: invalid template, '/aXXX'; with --tmpdir, it may not be absolute\n",
        );
    }
    assert_named(None, &["-p.", "d/aXXX"], "./d/a???");
}

#[test]
fn trailing_slashes_of_the_directory_are_dropped_except_for_the_root() {
    assert_named(None, &["-pd///", "aXXX"], "d/a???");
    assert_named(Some("a//b//"), &["-u"], "a//b/tmp.??????????");
    assert_named(None, &["-p/", "aXXX"], "/a???");
    assert_named(None, &["-p//", "aXXX"], "//a???");
}

#[test]
fn an_unusable_directory_is_reported_with_the_whole_template() {
    let cases = [
        (&["-p", "nodir"][..], "file", "nodir/tmp.XXXXXXXXXX", "No such file or directory"),
        (&["-d", "nodir/XXX"], "directory", "nodir/XXX", "No such file or directory"),
        (
            &["-p", "/etc/passwd", "aXXX", "--suffix=b"],
            "file",
            "/etc/passwd/aXXXb",
            "Not a directory",
        ),
    ];
    for (args, what, template, why) in cases {
        let (_world, command) = world_and(None, args);
        run(command).assert_refused(&format!(
            "mktemp: failed to create {what} via template '{template}': {why}\n"
        ));
    }
}

#[test]
fn quiet_hides_failed_creation_and_no_other_error() {
    let (_world, command) = world_and(None, &["-q", "-p", "nodir"]);
    run(command).assert_refused("");
    let (_world, command) = world_and(None, &["-q", "-p", "nodir", "aXX"]);
    run(command).assert_refused("mktemp: too few X's in template 'aXX'\n");
    let (_world, command) = world_and(None, &["-qZ"]);
    assert_eq!(run(command).stderr.lines().count(), 2);
}

#[test]
fn dry_run_prints_a_name_in_a_missing_directory_but_not_below_a_file() {
    assert_named(None, &["-p", "nodir"], "nodir/tmp.??????????");
    assert_named(None, &["-d", "nodir/aXXX"], "nodir/a???");
    let (_world, command) = world_and(None, &["-u", "/etc/passwd/XXX"]);
    run(command).assert_refused(
        "mktemp: failed to create file via template '/etc/passwd/XXX': Not a directory\n",
    );
    let (_world, command) = world_and(None, &["-qdu", "/etc/passwd/XXX"]);
    run(command).assert_refused("");
}

#[test]
fn modes_are_0600_and_0700_minus_the_umask() {
    let world = World::new();
    for (umask, file, dir) in [
        ("000", 0o600, 0o700),
        ("022", 0o600, 0o700),
        ("077", 0o600, 0o700),
        ("277", 0o400, 0o500),
        ("777", 0, 0),
    ] {
        for (line, mode) in [("mktemp", file), ("mktemp -d", dir)] {
            let created = run(world.shell(&format!("umask {umask}; {line}"))).printed();
            assert_eq!(mode_of(Path::new(&created)), mode, "umask {umask}: {line}");
        }
    }
}

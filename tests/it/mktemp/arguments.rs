//! How mktemp reads its command line.

use super::world::{World, assert_like, run};

const TRY: &str = "Try 'mktemp --help' for more information.\n";

#[test]
fn a_bare_call_creates_a_file_in_tmpdir() {
    let world = World::new();
    let created = run(world.mktemp([""; 0])).printed();
    assert_like(created.file_name().unwrap(), b"tmp.??????????");
    assert_eq!(created.parent().unwrap(), world.path("tmp"));
    assert!(created.is_file());
}

#[test]
fn the_subcommand_does_the_same_as_the_name() {
    let world = World::new();
    let mut command = world.command(super::world::TMPX);
    command.args(["mktemp", "-d", "aXXX"]);
    let created = run(command).printed();
    assert_like(created.as_os_str(), b"a???");
    assert!(world.path("cwd").join(created).is_dir());
}

#[test]
fn short_options_cluster_and_the_last_may_have_a_value() {
    let world = World::new();
    std::fs::create_dir(world.path("cwd/d")).unwrap();
    for args in [vec!["-dqp", "d"], vec!["-dqpd"], vec!["-d", "-q", "-p", "d"]] {
        let created = run(world.mktemp(args)).printed();
        assert_like(created.as_os_str(), b"d/tmp.??????????");
        assert!(world.path("cwd").join(created).is_dir());
    }
}

#[test]
fn long_options_may_be_abbreviated_if_unambiguous() {
    let world = World::new();
    let created = run(world.mktemp(["--direc", "--suf=.t", "aXXX"])).printed();
    assert_like(created.as_os_str(), b"a???.t");
    let ambiguous = "mktemp: option '--d' is ambiguous; possibilities: '--directory' '--dry-run'\n";
    run(world.mktemp(["--d"])).assert_refused(&format!("{ambiguous}{TRY}"));
}

#[test]
fn options_may_follow_the_template_unless_posixly_correct_is_set() {
    let world = World::new();
    let created = run(world.mktemp(["aXXX", "-d"])).printed();
    assert!(world.path("cwd").join(created).is_dir());
    let mut strict = world.mktemp(["aXXX", "-d"]);
    strict.env("POSIXLY_CORRECT", "");
    run(strict).assert_refused(&format!("mktemp: too many templates\n{TRY}"));
}

#[test]
fn after_two_dashes_everything_is_a_template() {
    let world = World::new();
    let created = run(world.mktemp(["-d", "--", "-uXXX"])).printed();
    assert_like(created.as_os_str(), b"-u???");
    run(world.mktemp(["--", "-u"])).assert_refused("mktemp: too few X's in template '-u'\n");
    run(world.mktemp(["-"])).assert_refused("mktemp: too few X's in template '-'\n");
}

#[test]
fn a_wrong_option_is_refused_in_the_words_of_getopt() {
    let world = World::new();
    for (args, message) in [
        (vec!["-Z"], "invalid option -- 'Z'"),
        (vec!["-dh"], "invalid option -- 'h'"),
        (vec!["--bogus=1"], "unrecognized option '--bogus=1'"),
        (vec!["---"], "unrecognized option '---'"),
        (vec!["-p"], "option requires an argument -- 'p'"),
        (vec!["--suff"], "option '--suffix' requires an argument"),
        (vec!["--quiet=x"], "option '--quiet' doesn't allow an argument"),
        (vec!["aXXX", "bXXX"], "too many templates"),
        (vec!["aXXX", "bXXX", "-Z"], "invalid option -- 'Z'"),
    ] {
        run(world.mktemp(args)).assert_refused(&format!("mktemp: {message}\n{TRY}"));
    }
    world.assert_nothing_created();
}

#[test]
fn tmpdir_has_a_value_only_after_an_equals_sign() {
    let world = World::new();
    run(world.mktemp(["--tmpdir", "d"])).assert_refused("mktemp: too few X's in template 'd'\n");
}

#[test]
fn help_and_version_act_as_soon_as_they_are_read() {
    let world = World::new();
    let help = run(world.mktemp(["--help", "-Z"]));
    assert_eq!((help.stderr.as_str(), help.status), ("", Some(0)));
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(text.contains("Usage: tmpx mktemp [OPTIONS] [TEMPLATE]"), "{text}");
    for option in ["--directory", "--dry-run", "--quiet", "--suffix", "--tmpdir", "-p", "-t"] {
        assert!(text.contains(option), "{option}");
    }
    for args in [["--version"], ["-V"], ["--vers"]] {
        let version = run(world.mktemp(args)).printed().into_os_string();
        let expected = concat!("mktemp (tmpx) ", env!("CARGO_PKG_VERSION"));
        assert_eq!(version, expected);
    }
    run(world.mktemp(["-Z", "--help"]))
        .assert_refused(&format!("mktemp: invalid option -- 'Z'\n{TRY}"));
}

#[test]
fn the_overview_names_it_as_a_drop_in() {
    let world = World::new();
    let mut command = world.command(super::world::TMPX);
    command.arg("--help");
    let text = String::from_utf8(run(command).stdout).unwrap();
    assert!(text.contains("Drop-in:\n  mktemp "), "{text}");
}

//! Which templates and suffixes mktemp accepts.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use super::world::{World, assert_like, run};

#[test]
fn only_the_last_run_of_x_is_replaced() {
    let world = World::new();
    for (template, like) in
        [("aXXXX_XXXb", &b"aXXXX_???b"[..]), ("XXX", b"???"), ("aXXXXXX.tar.gz", b"a??????.tar.gz")]
    {
        assert_like(run(world.mktemp([template])).printed().as_os_str(), like);
    }
}

#[test]
fn a_suffix_stays_unchanged_even_if_it_contains_x() {
    let world = World::new();
    for (suffix, like) in [
        ("--suffix=X", &b"a????X"[..]),
        ("--suffix=bXXX", b"a????bXXX"),
        ("--suffix=", b"a????"),
        ("--suffix=.t", b"a????.t"),
    ] {
        assert_like(run(world.mktemp(["aXXXX", suffix])).printed().as_os_str(), like);
    }
}

#[test]
fn a_run_of_fewer_than_three_x_is_too_short() {
    let world = World::new();
    for (args, template) in [
        (vec![""], ""),
        (vec!["abc"], "abc"),
        (vec!["aXX"], "aXX"),
        (vec!["aXXXXbXX"], "aXXXXbXX"),
        (vec!["XX", "--suffix=X"], "XXX"),
        (vec!["XXX/X"], "XXX/X"),
        (vec!["-q", "aXX"], "aXX"),
    ] {
        let message = format!("mktemp: too few X's in template '{template}'\n");
        run(world.mktemp(args)).assert_refused(&message);
    }
    world.assert_nothing_created();
}

#[test]
fn with_a_suffix_the_template_must_end_in_x() {
    let world = World::new();
    run(world.mktemp(["--suffix=", "aXXXb"]))
        .assert_refused("mktemp: with --suffix, template 'aXXXb' must end in X\n");
    run(world.mktemp(["--suffix=/", ""]))
        .assert_refused("mktemp: with --suffix, template '' must end in X\n");
}

#[test]
fn a_suffix_cannot_contain_a_directory() {
    let world = World::new();
    for (args, suffix) in [
        (vec!["aXXX", "--suffix=/"], "/"),
        (vec!["aX", "--suffix=b/c"], "b/c"),
        (vec!["aXXX/"], "/"),
        (vec!["XXX/b"], "/b"),
        (vec!["-q", "-p", "nodir", "XXXb/c"], "b/c"),
    ] {
        let message = format!("mktemp: invalid suffix '{suffix}', contains directory separator\n");
        run(world.mktemp(args)).assert_refused(&message);
    }
}

#[test]
fn a_suffix_may_end_in_a_slash_for_a_directory_but_not_for_a_file() {
    let world = World::new();
    let created = run(world.mktemp(["-d", "XXXXXX", "--suffix=a/"])).printed();
    assert_like(created.as_os_str(), b"??????a/");
    assert!(world.path("cwd").join(&created).is_dir());
    run(world.mktemp(["XXXXXXa/"]))
        .assert_refused("mktemp: failed to create file via template 'XXXXXXa/': Is a directory\n");
}

#[test]
fn templates_and_suffixes_are_bytes() {
    let world = World::new();
    let template = OsStr::from_bytes(b"\xff \xfeXXXX\xe9");
    assert_like(run(world.mktemp([template])).printed().as_os_str(), b"\xff \xfe????\xe9");
    let suffix = OsStr::from_bytes(b"--suffix=\x80\n");
    let created = run(world.mktemp([OsStr::new("aXXX"), suffix])).stdout;
    assert_like(OsStr::from_bytes(&created), b"a???\x80\n\n");
    assert_eq!(world.names_in("cwd").len(), 2);
}

#[test]
fn a_message_quotes_a_name_by_the_locale() {
    let world = World::new();
    let template = OsStr::from_bytes(b"it's\xc3\xa9\n\xff");
    run(world.mktemp([template]))
        .assert_refused("mktemp: too few X's in template 'it\\'s\\303\\251\\n\\377'\n");
    let mut unknown = world.mktemp(["abc"]);
    unknown.env("LC_ALL", "xx_XX.UTF-8");
    run(unknown).assert_refused("mktemp: too few X's in template 'abc'\n");
}

/// Every code point at which the C.UTF-8 locale of some version of glibc may begin or end to print, quoted by both
/// programs. Other versions of glibc know other versions of Unicode.
#[test]
fn characters_that_the_locale_cannot_print_are_escaped_as_gnu_mktemp_escapes_them() {
    let version = std::process::Command::new("ldd").arg("--version").output();
    if !version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("2.36")) {
        println!("skipped: the system's glibc is not 2.36");
        return;
    }
    let world = World::new();
    let all: Vec<char> = ('\u{1}'..=char::MAX).filter(|&c| c != '/' && c != 'X').collect();
    for part in all.chunks(16_000) {
        let name: String = part.iter().collect();
        let stderr = |mut mktemp: std::process::Command| {
            let output = mktemp.arg(&name).env("LC_ALL", "C.UTF-8").output().unwrap();
            String::from_utf8(output.stderr).unwrap()
        };
        let (ours, gnu) = (stderr(world.mktemp([""; 0])), stderr(world.command("mktemp")));
        let differs = ours.chars().zip(gnu.chars()).position(|(ours, gnu)| ours != gnu);
        assert!(ours == gnu, "differs at character {differs:?} after {:?}", part[0]);
    }
}

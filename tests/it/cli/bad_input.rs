//! Bad input: one clear line, a hint where there is a remedy, the right status, nothing made.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::sandbox::{Sandbox, words};

fn refuses(args: &str, status: i32, stderr: &str) {
    let sandbox = Sandbox::new();
    sandbox.tmpx(words(args)).gives(status, "", stderr);
}

#[test]
fn a_template_without_enough_x_is_refused() {
    refuses(
        "file report.XX",
        2,
        "tmpx: invalid value 'report.XX' for '[TEMPLATE]': needs at least three X in a row, as in \
         tmp.RANDOM\n",
    );
}

#[test]
fn a_missing_directory_is_named() {
    refuses(
        "file -p /nodir",
        1,
        "tmpx: could not create file in /nodir: No such file or directory\n",
    );
    refuses(
        "dir /nodir/XXXX",
        1,
        "tmpx: could not create directory in /nodir: No such file or directory\n",
    );
}

#[test]
fn a_file_is_no_directory() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("plain"), "").unwrap();
    let message = "tmpx: could not create file in plain: Not a directory\n";
    sandbox.tmpx(words("file -p plain")).gives(1, "", message);
}

#[test]
fn a_directory_that_we_may_not_write_to_is_an_error_and_never_passed_over() {
    let sandbox = Sandbox::for_nobody();
    let locked = sandbox.root().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    let message = "tmpx: could not create file in $ROOT/locked: Permission denied\n";
    let locked = locked.to_str().unwrap();
    sandbox.tmpx(["file", "-p", locked]).by_nobody().gives(1, "", message);
}

#[test]
fn a_slash_in_a_prefix_suffix_or_name_is_refused() {
    for (option, shown) in [("--prefix", "--prefix <S>"), ("--suffix", "--suffix <S>")] {
        let message =
            format!("tmpx: invalid value 'a/b' for '{shown}': must not contain a slash\n");
        refuses(&format!("file {option} a/b"), 2, &message);
    }
    refuses(
        "file --name a/b",
        2,
        "tmpx: invalid value 'a/b' for '--name <NAME>': must not contain a slash (see --dir)\n",
    );
    refuses(
        "dir --name ..",
        2,
        "tmpx: invalid value '..' for '--name <NAME>': must name an entry of its own\n",
    );
}

#[test]
fn a_name_that_is_too_long_leaves_nothing() {
    for name in ["a".repeat(256), "XXX".to_owned() + &"a".repeat(300)] {
        let sandbox = Sandbox::new();
        let option = if name.starts_with('X') { vec![] } else { vec!["--name"] };
        let args = ["file"].into_iter().chain(option).chain([name.as_str()]);
        let message = "tmpx: could not create file in $ROOT/tmp: File name too long\n";
        sandbox.tmpx(args).gives(1, "", message);
    }
}

#[test]
fn numbers_and_units_are_checked() {
    refuses(
        "file --count 0",
        2,
        "tmpx: invalid value '0' for '--count <N>': not a positive number\n",
    );
    refuses(
        "file --mode 888",
        2,
        "tmpx: invalid value '888' for '--mode <OCTAL>': not an octal mode such as 600 or 0750\n",
    );
    refuses(
        "file --ttl soon",
        2,
        "tmpx: invalid value 'soon' for '--ttl <DURATION>': not a duration such as 90 (seconds), \
         300ms, 15m, 1h30m or 2d\n",
    );
    refuses(
        "cleanup --older-than 5x",
        2,
        "tmpx: invalid value '5x' for '--older-than <DURATION>': not a duration such as 90 \
         (seconds), 300ms, 15m, 1h30m or 2d\n",
    );
}

#[test]
fn mktemps_flags_are_refused_with_a_hint() {
    refuses("file -d", 2, "tmpx: unexpected argument '-d' found\nhint: did you mean tmpx dir?\n");
    refuses(
        "dir -u",
        2,
        "tmpx: unexpected argument '-u' found\nhint: a name that is not made can be taken by \
         others: make the file\n",
    );
    refuses(
        "file -t fooXXX",
        2,
        "tmpx: unexpected argument '-t' found\nhint: a template without a slash lies in the temp \
         dir already\n",
    );
}

#[test]
fn unknown_words_are_refused_and_near_ones_suggested() {
    refuses(
        "fiel",
        2,
        "tmpx: unrecognized subcommand 'fiel'\nhint: a similar subcommand exists: 'file'\n",
    );
    refuses(
        "file --sufix x",
        2,
        "tmpx: unexpected argument '--sufix' found\nhint: a similar argument exists: '--suffix'\n",
    );
}

#[test]
fn bare_tmpx_prints_the_overview_to_stderr_so_that_nothing_is_captured() {
    let sandbox = Sandbox::new();
    let ran = sandbox.tmpx([] as [&str; 0]).run();
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("Create:") && ran.stderr.contains("exec"), "{}", ran.stderr);
}

#[test]
fn a_source_that_cannot_be_read_is_told_before_anything_is_made() {
    let sandbox = Sandbox::new();
    let message = "tmpx: could not read nosuch: No such file or directory\n";
    sandbox.tmpx(words("file --from nosuch")).gives(1, "", message);
    let message = "tmpx: could not read .: Is a directory\n";
    sandbox.tmpx(words("file --from .")).gives(1, "", message);
    assert!(sandbox.leases().is_empty());
}

#[test]
fn force_has_to_be_told_what_to_take() {
    refuses(
        "cleanup --force",
        2,
        "tmpx: --force has to be told what to take: a PATH, --session, --older-than or --all\n",
    );
}

#[test]
fn no_file_descriptors_left_is_told() {
    let sandbox = Sandbox::new();
    let ran = sandbox.sh("ulimit -n 3; exec tmpx file").run();
    assert_eq!(ran.status, Some(1));
    assert_eq!(ran.stderr, "tmpx: could not create file in $ROOT/tmp: Too many open files\n");
    let ran = sandbox.sh("ulimit -n 5; exec tmpx file").run();
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("Too many open files"), "{ran:?}");
}

#[test]
fn what_newcomers_try_gets_an_answer_of_its_own() {
    let refused = |args: &str, hint: &str| {
        let sandbox = Sandbox::new();
        let ran = sandbox.tmpx(words(args)).run();
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(2), ""), "{args}");
        assert!(ran.stderr.ends_with(&format!("\nhint: {hint}\n")), "{args}: {ran:?}");
        assert_eq!(ran.stderr.lines().count(), 2, "{args}: {ran:?}");
    };
    refused("version", "did you mean tmpx --version?");
    refused("rm x", "did you mean tmpx cleanup?");
    refused("frobnicate", "tmpx --help lists what there is");
    refused("cleanup -f", "did you mean --force?");
    refused("list --frobnicate", "tmpx list -h lists the options");
    refused("file --until-exit 123", "its value comes after =, as in --until-exit=123");
    refused(
        "exec --ttl 5s -- true",
        "a workspace of exec goes when its command ends; --timeout ends the command",
    );
}

#[test]
fn help_is_a_subcommand_too() {
    let sandbox = Sandbox::new();
    for (asked, same) in [("help", "--help"), ("help file", "file --help")] {
        let expected = sandbox.tmpx(words(same)).succeeds().stdout;
        assert_eq!(sandbox.tmpx(words(asked)).succeeds().stdout, expected, "{asked}");
    }
}

//! Bad input gets one clear line, a hint if a remedy exists, and the right status, and creates
//! nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::sandbox::{Sandbox, has, words};

fn refuses(args: &str, status: i32, stderr: &str) {
    let sandbox = Sandbox::new();
    sandbox.tmpx(words(args)).expects(status, "", stderr);
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
        "tmpx: could not create file in /nodir: No such file or directory\n\
         hint: create it first: mkdir -p /nodir\n",
    );
    refuses(
        "dir /nodir/XXXX",
        1,
        "tmpx: could not create directory in /nodir: No such file or directory\n\
         hint: create it first: mkdir -p /nodir\n",
    );
}

#[test]
fn a_file_is_refused_as_a_directory() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("plain"), "").unwrap();
    let message = "tmpx: could not create file in plain: Not a directory\n";
    sandbox.tmpx(words("file -p plain")).expects(1, "", message);
}

#[test]
fn an_unwritable_explicit_directory_is_an_error_and_never_skipped() {
    let sandbox = Sandbox::for_nobody();
    let locked = sandbox.root().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    let message = "tmpx: could not create file in $ROOT/locked: Permission denied\n";
    let locked = locked.to_str().unwrap();
    sandbox.tmpx(["file", "-p", locked]).by_nobody().expects(1, "", message);
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
        sandbox.tmpx(args).expects(1, "", message);
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
         300ms, 15m, 1h30m, 2d or 1w\n",
    );
    refuses(
        "cleanup --older-than 5x",
        2,
        "tmpx: invalid value '5x' for '--older-than <DURATION>': not a duration such as 90 \
         (seconds), 300ms, 15m, 1h30m, 2d or 1w\n",
    );
}

#[test]
fn mktemps_flags_are_refused_with_a_hint() {
    refuses("file -d", 2, "tmpx: unexpected argument '-d' found\nhint: did you mean tmpx dir?\n");
    refuses(
        "dir -u",
        2,
        "tmpx: unexpected argument '-u' found\nhint: a name alone can be taken by others; drop -u \
         and create it\n",
    );
    refuses(
        "file -t fooXXX",
        2,
        "tmpx: unexpected argument '-t' found\nhint: drop -t: a template without a slash is created \
         in the temp dir anyway\n",
    );
}

#[test]
fn unknown_words_are_refused_and_similar_ones_suggested() {
    refuses("fiel", 2, "tmpx: unrecognized subcommand 'fiel'\nhint: did you mean tmpx file?\n");
    refuses(
        "file --sufix x",
        2,
        "tmpx: unexpected argument '--sufix' found\nhint: did you mean --suffix?\n",
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
fn an_unreadable_source_is_reported_before_anything_is_created() {
    let sandbox = Sandbox::new();
    let message = "tmpx: could not read nosuch: No such file or directory\n";
    sandbox.tmpx(words("file --from nosuch")).expects(1, "", message);
    let message = "tmpx: could not read .: Is a directory\n";
    sandbox.tmpx(words("file --from .")).expects(1, "", message);
    assert!(sandbox.leases().is_empty());
}

#[test]
fn force_needs_a_selection() {
    refuses("cleanup --force", 2, "tmpx: --force needs a PATH, --session, --older-than or --all\n");
}

#[test]
fn a_lack_of_descriptors_is_reported() {
    let sandbox = Sandbox::new();
    // The loader of shared libraries needs a descriptor itself.
    if cfg!(target_feature = "crt-static") {
        let ran = sandbox.sh("ulimit -n 3; exec tmpx file").run();
        assert_eq!(ran.status, Some(1));
        let message = "tmpx: could not create file in $ROOT/tmp: Too many open files\n\
                       hint: 'ulimit -n' prints the limit on open files\n";
        assert_eq!(ran.stderr, message);
    }
    let ran = sandbox.sh("ulimit -n 5; exec tmpx file").run();
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("Too many open files"), "{ran:?}");
}

#[test]
fn the_first_guesses_of_newcomers_get_a_hint() {
    let refused = |args: &str, hint: &str| {
        let sandbox = Sandbox::new();
        let ran = sandbox.tmpx(words(args)).run();
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(2), ""), "{args}");
        assert!(ran.stderr.ends_with(&format!("\nhint: {hint}\n")), "{args}: {ran:?}");
        assert_eq!(ran.stderr.lines().count(), 2, "{args}: {ran:?}");
    };
    refused("frobnicate", "tmpx --help lists the subcommands");
    refused("cleanup -f", "did you mean --force?");
    refused("list --frobnicate", "tmpx list -h lists the options");
    refused("file --until-exit 123", "the PID comes after =, as in --until-exit=123");
    refused(
        "exec --ttl 5s -- true",
        "the workspace is removed when the command ends; --timeout ends the command",
    );
    refused("file --version", "did you mean tmpx --version?");
    refused("dir --tmp x", "did you mean --dir?");
    refused("file report.csv", "for exactly this name: tmpx file --name report.csv");
    refused("dir a/b", "for exactly this name: tmpx dir --dir a --name b");
}

#[test]
fn names_from_other_tools_lead_to_the_right_subcommand() {
    for (subcommand, names) in [
        ("file", "create new make touch tmp"),
        ("dir", "mkdir"),
        ("exec", "run with shell"),
        ("replace", "sponge edit inplace repalce"),
        ("list", "ls ps status show info lst"),
        ("cleanup", "rm remove prune gc purge sweep claenup"),
        ("--version", "version -v"),
    ] {
        for name in names.split(' ') {
            let sandbox = Sandbox::new();
            let ran = sandbox.tmpx([name]).run();
            let hint = format!("\nhint: did you mean tmpx {subcommand}?\n");
            assert!(ran.stderr.ends_with(&hint), "{name}: {ran:?}");
        }
    }
}

#[test]
fn options_before_the_subcommand_are_moved_after_it_by_the_hint() {
    let unexpected = |argument: &str, hint: &str| {
        format!("tmpx: unexpected argument '{argument}' found\nhint: {hint}\n")
    };
    let after = "options come after the subcommand: tmpx";
    refuses("--ttl 5m file", 2, &unexpected("--ttl", &format!("{after} file --ttl 5m")));
    refuses("--json list --all", 2, &unexpected("--json", &format!("{after} list --json --all")));
    let see = "options come after a subcommand; see tmpx --help";
    refuses("--json", 2, &unexpected("--json", see));
    refuses("-d", 2, &unexpected("-d", "did you mean tmpx dir?"));
    refuses("-- file", 2, &unexpected("file", "drop the --: tmpx file"));
}

#[test]
fn the_word_hint_is_colored_on_a_terminal_that_shows_colors() {
    if !has("script") {
        return;
    }
    let shown = |term: &str, no_color: &str| {
        let sandbox = Sandbox::new();
        let run = sandbox.sh("script -qec 'tmpx frobnicate' /dev/null");
        run.env("TERM", term).env("NO_COLOR", no_color).run().raw
    };
    assert!(shown("xterm", "").contains("\r\n\u{1b}[36mhint:\u{1b}[0m tmpx --help"));
    for (term, no_color) in [("dumb", ""), ("", ""), ("xterm", "1")] {
        assert!(shown(term, no_color).contains("\r\nhint: tmpx --help"), "{term} {no_color}");
    }
}

#[test]
fn the_headings_of_help_are_colored_on_a_terminal_that_shows_colors() {
    if !has("script") {
        return;
    }
    let shown = |command: &str, term: &str, no_color: &str| {
        let sandbox = Sandbox::new();
        let run = sandbox.sh(&format!("script -qec '{command}' /dev/null"));
        run.env("TERM", term).env("NO_COLOR", no_color).run().raw
    };
    for command in
        ["tmpx file -h", "tmpx file --help", "tmpx", "tmpx mktemp -h", "tmpx cache run -h"]
    {
        let colored = shown(command, "xterm", "");
        assert!(colored.contains("\u{1b}[1;36mUsage:\u{1b}[0m tmpx"), "{command}: {colored}");
        assert!(colored.contains("\u{1b}[1;36mOptions:\u{1b}[0m\r\n"), "{command}: {colored}");
        for (term, no_color) in [("dumb", ""), ("", ""), ("xterm", "1")] {
            let plain = shown(command, term, no_color);
            assert!(plain.contains("\r\nOptions:\r\n") && !plain.contains('\u{1b}'), "{plain}");
        }
    }
}

#[test]
fn short_help_ends_with_an_example() {
    let sandbox = Sandbox::new();
    for (line, example) in [
        ("file -h", "Example:\n  Several files, removed when the script exits, without a trap:\n"),
        ("cache run -h", "Example:\n  "),
        ("completions -h", "Example:\n  bash, from the next shell on:\n"),
        ("-h", "Example:\n  Replace every trap of a script by one line at its top:\n"),
    ] {
        let help = sandbox.tmpx(words(line)).succeeds().stdout;
        assert!(help.contains(example) && !help.contains("Examples:"), "{line}: {help}");
    }
    let of_completions = sandbox.tmpx(words("completions --help")).succeeds().stdout;
    let begin = "Print the completion script of a shell\n\nThe script completes ";
    assert!(of_completions.starts_with(begin), "{of_completions}");
    let of_mktemp = sandbox.tmpx(words("mktemp --help")).succeeds().stdout;
    sandbox.tmpx(words("mktemp -h")).expects(0, &of_mktemp, "");
    sandbox.tmpx(words("--version")).expects(
        0,
        concat!("tmpx ", env!("CARGO_PKG_VERSION"), "\n"),
        "",
    );
    let hint = "hint: tmpx --help prints the manual; 'man tmpx' too, if a package installed it\n";
    let refused = format!("tmpx: unrecognized subcommand 'man'\n{hint}");
    sandbox.tmpx(["man"]).expects(2, "", &refused);
}

#[test]
fn replace_takes_one_file() {
    let unexpected = "tmpx: unexpected argument 'b' found\nhint:";
    let hint = "one FILE at a time: for f in …; do tmpx replace \"$f\" -- …; done";
    refuses("replace a b c -- sed s/a/b/", 2, &format!("{unexpected} {hint}\n"));
    let hint = "there can be one FILE, and a command after --: tmpx replace FILE -- …";
    refuses("replace a b", 2, &format!("{unexpected} {hint}\n"));
    refuses("replace", 2, "tmpx: FILE is missing\n");
}

#[test]
fn missing_values_and_conflicts_are_named_in_few_words() {
    refuses("file --dir", 2, "tmpx: --dir needs a value\n");
    for (option, command) in [
        ("--dir", "file"),
        ("--name", "file"),
        ("--session", "file"),
        ("--session", "list"),
        ("--ttl", "file"),
        ("--max-size", "spool"),
    ] {
        let message = format!("tmpx: {option} needs a value\n");
        Sandbox::new().tmpx([command, option, ""]).expects(2, "", &message);
        let with_equals = format!("{option}=");
        Sandbox::new().tmpx([command, with_equals.as_str()]).expects(2, "", &message);
    }
    refuses("file --ttl 1h --ttl 2h", 2, "tmpx: --ttl can be given only once\n");
    refuses("file aXXX --name b", 2, "tmpx: give TEMPLATE or --name, not both\n");
    refuses("file --keep --ttl 5m", 2, "tmpx: give --keep or --ttl, not both\n");
    let message = "tmpx: --name cannot be combined with --prefix, --suffix\n";
    refuses("file --name a --prefix b --suffix c", 2, message);
}

#[test]
fn help_is_a_subcommand_too() {
    let sandbox = Sandbox::new();
    for (asked, same) in [
        ("help", "--help"),
        ("help file", "file --help"),
        ("help mktemp", "mktemp --help"),
        ("help completions", "completions --help"),
    ] {
        let expected = sandbox.tmpx(words(same)).succeeds().stdout;
        assert_eq!(sandbox.tmpx(words(asked)).succeeds().stdout, expected, "{asked}");
    }
}

#[test]
fn a_word_of_chunk_that_is_no_file_is_most_likely_a_command_or_a_format() {
    let sandbox = Sandbox::new();
    sandbox.sh("printf 'a\\n1\\n' > data.csv").succeeds();
    let no_file = |word: &str| format!("tmpx: could not read {word}: No such file or directory\n");
    let command = "hint: a command comes after --: tmpx chunk … -- cat\n";
    let expected = no_file("cat") + command;
    sandbox.sh("tmpx chunk --rows 1 data.csv cat").expects(1, "", &expected);
    // A file that is missing is not a command.
    sandbox.sh("tmpx chunk --rows 1 data.csv more.csv").expects(1, "", &no_file("more.csv"));
    sandbox.sh("tmpx chunk --rows 1 cat").expects(1, "", &no_file("cat"));
    let expected = no_file("json") + "hint: the format comes after =, as in --merge=json\n";
    sandbox.sh("tmpx chunk --rows 1 --merge json data.csv -- cat").expects(125, "", &expected);
}

#[test]
fn a_ttl_of_zero_has_a_better_word_in_the_cache() {
    let message = "tmpx: invalid value '0' for '--ttl <DURATION>': not a positive duration\nhint:";
    let run = format!("{message} to run COMMAND anew: tmpx cache run --refresh -- COMMAND\n");
    refuses("cache run --ttl 0 -- date", 2, &run);
    let set = format!("{message} to remove what is stored: tmpx cache clear KEY\n");
    refuses("cache set --ttl 0 key", 2, &set);
}

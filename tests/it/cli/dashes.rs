//! Values of options that begin with a dash.

use std::fs;

use crate::support::sandbox::{Sandbox, names, words};

#[test]
fn an_option_takes_a_value_that_begins_with_a_dash() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.cwd().join("-d")).unwrap();
    fs::write(sandbox.cwd().join("-i"), "in\n").unwrap();
    let name = |args: &str| {
        let path = sandbox.tmpx(words(args)).path();
        path.file_name().unwrap().to_str().unwrap().to_owned()
    };
    assert!(name("file --prefix -x").starts_with("-x"));
    assert!(name("dir --suffix -x").ends_with("-x"));
    assert_eq!(name("file --name -n"), "-n");
    assert_eq!(name("workspace --mkdir -m --in -i --name -w"), "-w");
    assert_eq!(names(&sandbox.tmp().join("-w")), ["-i", "-m", ".tmp"]);
    name("file --from -i --session -s");
    let ran = sandbox.tmpx(words("cleanup --session -s")).run();
    assert_eq!(ran.stderr_without_size(), "tmpx: removed 1\n");
    sandbox.tmpx(words("file -p -d")).succeeds();
    assert_eq!(names(&sandbox.cwd().join("-d")).len(), 1);
    sandbox.tmpx(words("exec --in -i --out -o --report -r -- cp -- -i -o")).expects(0, "", "");
    sandbox.tmpx(words("spool --report -r -I -f -p -d -- cat -f")).input("x").expects(0, "x", "");
    assert_eq!(names(&sandbox.cwd()), ["-d", "-i", "-o", "-r"]);
    sandbox.clean_up();
}

#[test]
fn a_value_of_the_wrong_kind_is_named_even_if_it_looks_like_an_option() {
    let sandbox = Sandbox::new();
    let message = "tmpx: invalid value '--here' for '--timeout <DURATION>': not a duration such as \
                   90 (seconds), 300ms, 15m, 1h30m, 2d or 1w\n";
    sandbox.tmpx(words("exec --timeout --here true")).expects(2, "", message);
}

#[test]
fn the_dashes_that_end_the_options_are_no_value() {
    let sandbox = Sandbox::new();
    for (args, option) in [
        ("exec --out -- true", "--out"),
        ("exec --out-always -- true", "--out-always"),
        ("exec --report -- true", "--report"),
        ("file -p --", "--dir"),
        ("replace --report -- f", "--report"),
        ("cleanup --session --", "--session"),
        ("file --name --", "--name"),
    ] {
        let message = format!(
            "tmpx: {option} needs a value\n\
             hint: -- ends the options; for that value: {option}=--\n"
        );
        sandbox.tmpx(words(args)).expects(2, "", &message);
    }
    assert_eq!(names(&sandbox.cwd()), [""; 0]);
    assert!(sandbox.tmpx(words("file --name=--")).path().ends_with("--"));
    sandbox.tmpx(words("exec --out=o -- sh -c : -- --out --")).run();
    sandbox.tmpx(words("exec --mkdir=d -- test -- = --")).expects(0, "", "");
    sandbox.clean_up();
}

#[test]
fn a_dash_is_no_output_file_and_a_path_to_such_a_name_is() {
    let sandbox = Sandbox::new();
    let hint = "hint: a file named - is ./-\n";
    let refused = format!("could not replace -: it stands for standard output\n{hint}");
    let run = |args: &str| sandbox.tmpx(words(args)).input("1\n");
    for (args, out) in [
        ("replace DASH", ""),
        ("replace --append DASH", ""),
        ("replace DASH -- echo ran", ""),
        ("replace f --report DASH", ""),
        ("exec --report DASH echo ran", "ran\n"),
        ("spool --report DASH", "1\n"),
        ("spool --report DASH -- echo ran", "ran\n"),
        ("chunk --format lines -o DASH -- cat", ""),
        ("chunk --format lines --report DASH -- cat", "1\n"),
        ("chunk --format lines -p . --report DASH", "$ROOT/cwd/tmp.RANDOM.txt\n"),
        ("cache run --report DASH echo ran", "ran\n"),
    ] {
        let option = if args.contains("--report") { "--report: " } else { "" };
        run(&args.replace("DASH", "-")).expects(2, "", &format!("tmpx: {option}{refused}"));
        assert_eq!(names(&sandbox.cwd()), [""; 0], "{args}");
        run(&args.replace("DASH", "./-")).expects(0, out, "");
        assert!(sandbox.cwd().join("-").is_file(), "{args}");
        sandbox.sh("rm -f ./* && tmpx cleanup -q --all --force").succeeds();
    }
    for option in ["--out", "--out-always"] {
        let refused = format!("tmpx: {option} made:-: DEST stands for standard output\n{hint}");
        run(&format!("exec {option} made:- touch made")).expects(2, "", &refused);
        run(&format!("exec {option} made:./- touch made")).expects(0, "", "");
        assert_eq!(names(&sandbox.cwd()), ["-"]);
        fs::remove_file(sandbox.cwd().join("-")).unwrap();
    }
}

#[test]
fn a_dash_is_no_key_file() {
    let sandbox = Sandbox::new();
    let message = "tmpx: --key-file -: this would read standard input\n\
                   hint: --key-stdin reads it; a file named - is ./-\n";
    sandbox.tmpx(words("cache run --key-file - date")).expects(2, "", message);
    sandbox.tmpx(words("cache run --key-file ./- echo ran")).expects(0, "ran\n", "");
}

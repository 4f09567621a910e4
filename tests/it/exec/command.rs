//! How `tmpx exec` finds a command, and what it reports if there is none.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::sandbox::{Sandbox, words};

#[test]
fn a_relative_directory_in_path_is_searched() {
    let sandbox = Sandbox::new();
    let tool = sandbox.cwd().join("tools/hello");
    fs::create_dir(sandbox.cwd().join("tools")).unwrap();
    fs::write(&tool, "#!/bin/sh\necho hello from $0\n").unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let run = sandbox.tmpx(words("exec hello")).env("PATH", "tools:/usr/bin:/bin");
    run.expects(0, "hello from $ROOT/cwd/tools/hello\n", "");
}

#[test]
fn a_script_without_an_interpreter_line_runs_in_the_shell_and_a_wrong_line_is_reported() {
    let sandbox = Sandbox::new();
    let write = |name: &str, text: &str| {
        let path = sandbox.cwd().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    write("plain", "echo plain $# $1\n");
    sandbox.tmpx(["exec", "./plain", "a b"]).expects(0, "plain 1 a b\n", "");
    write("wrong", "#!/no/such/interpreter\n");
    let message = "tmpx: could not run ./wrong: No such file or directory\n\
                   hint: the interpreter in its first line (#!) or its loader does not exist\n";
    sandbox.tmpx(["exec", "./wrong"]).expects(127, "", message);
}

#[test]
fn a_program_that_cannot_run_gets_a_hint() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("test.sh"), "").unwrap();
    fs::write(sandbox.cwd().join("b.c"), "").unwrap();
    let cases = [
        ("test.sh", 127, "for the one in this directory: ./test.sh"),
        ("cd", 127, "cd is a command of the shell: sh -c 'cd …'"),
        ("A=b", 127, "to set a variable: env A=b …"),
        ("--in test.sh b.c x", 127, "--in takes one file or directory; repeat it: --in A --in B"),
        (
            "--in test.sh:bin/ bin/test.sh",
            127,
            "COMMAND is relative to the current directory; for the one in the workspace: sh -c bin/test.sh",
        ),
    ];
    for (args, status, hint) in cases {
        let ran = sandbox.tmpx(words(&format!("exec {args}"))).run();
        assert_eq!(
            (ran.status, ran.stderr.lines().nth(1)),
            (Some(status), Some(&*format!("hint: {hint}")))
        );
    }
    let message = "tmpx: no command after --\n";
    sandbox.tmpx(words("exec --")).expects(2, "", message);
    let message = "tmpx: --in *.c: No such file or directory\nhint: --in takes names, not patterns; repeat it: --in A --in B\n";
    sandbox.tmpx(words("exec --in *.c true")).expects(125, "", message);
    sandbox.tmpx(["exec", "--out", "", "touch", "/x"]).expects(
        2,
        "",
        "tmpx: --out : the pattern is empty\n",
    );
}

#[test]
fn the_shell_reads_a_hint_with_an_unusual_name_as_it_is_meant() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("it's"), "").unwrap();
    for (program, hint) in [
        ("it's", r"for the one in this directory: ./'it'\''s'"),
        ("./it's", r"it is not executable: chmod +x './it'\''s', or pass it to its interpreter"),
        ("echo 'it'", r"each word is an argument of its own; for a shell: sh -c 'echo '\''it'\'''"),
        ("A=b'c", r"to set a variable: env 'A=b'\''c' …"),
    ] {
        let ran = sandbox.tmpx(["exec", program]).run();
        assert_eq!(ran.stderr.lines().nth(1), Some(&*format!("hint: {hint}")), "{ran:?}");
    }
}

#[test]
fn a_missing_or_unexecutable_command_exits_as_in_a_shell() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("plain"), "").unwrap();
    let missing = "tmpx: could not run nosuch: command not found\n";
    sandbox.tmpx(words("exec nosuch")).expects(127, "", missing);
    let plain = "tmpx: could not run ./plain: Permission denied\n\
                 hint: it is not executable: chmod +x ./plain, or pass it to its interpreter\n";
    sandbox.tmpx(words("exec ./plain")).expects(126, "", plain);
}

#[test]
fn a_command_with_a_slash_is_relative_to_the_callers_directory() {
    let sandbox = Sandbox::new();
    let script = sandbox.cwd().join("build.sh");
    fs::write(&script, "#!/bin/sh\necho built in $(pwd) with $1\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let expected = "built in $ROOT/tmp/tmp.RANDOM with --in\n";
    sandbox.tmpx(words("exec ./build.sh --in")).expects(0, expected, "");
}

#[test]
fn a_mistyped_option_is_not_run_as_a_command() {
    let sandbox = Sandbox::new();
    let message =
        "tmpx: unexpected argument '--bogus' found\nhint: tmpx exec -h lists the options\n";
    sandbox.tmpx(words("exec --bogus true")).expects(2, "", message);
    sandbox.tmpx(words("exec echo --bogus -x -- y")).expects(0, "--bogus -x -- y\n", "");
}

#[test]
fn a_command_line_in_one_word_gets_a_hint() {
    let sandbox = Sandbox::new();
    sandbox.tmpx(["exec", "ls -la"]).expects(
        127,
        "",
        "tmpx: could not run ls -la: command not found\n\
         hint: each word is an argument of its own; for a shell: sh -c 'ls -la'\n",
    );
    sandbox.tmpx(words("exec --keep on-failure -- true")).expects(
        127,
        "",
        "tmpx: could not run on-failure: command not found\n\
         hint: the value of --keep comes after =, as in --keep=on-failure\n",
    );
}

#[test]
fn without_a_command_and_without_a_terminal_exec_is_misused() {
    let sandbox = Sandbox::new();
    let message = "tmpx: no command, and standard input is not a terminal\n\
                   hint: name the command; for a script on standard input: tmpx exec sh\n";
    for args in ["exec", "exec --keep"] {
        sandbox
            .tmpx(words(args))
            .env("SHELL", "/bin/sh")
            .input("echo lost")
            .expects(2, "", message);
    }
    assert_eq!(sandbox.left(), Vec::<String>::new());
}

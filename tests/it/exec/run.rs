//! `tmpx exec`: a command in a workspace that is gone when it ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::sandbox::{KEPT, Sandbox, mode, names, words};

#[test]
fn the_main_job_copies_in_runs_prints_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("README.md"), "five words are in here\n").unwrap();
    let script = "wc -w README.md > count; cat count";
    let args = ["exec", "--in", "README.md", "--", "sh", "-c", script];
    sandbox.tmpx(args).gives(0, "5 README.md\n", "");
    assert_eq!(names(&sandbox.cwd()), ["README.md"]);
}

#[test]
fn the_workspace_is_private_empty_and_the_working_directory() {
    let sandbox = Sandbox::new();
    let script = "pwd; stat -c %a . .tmp; ls; echo $PWD; echo $OLDPWD; echo $TMPX_WORKSPACE; \
                  echo $TMPDIR; cd $OLDPWD; pwd";
    let ran = sandbox.tmpx(["exec", "sh", "-c", script]).succeeds();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let workspace = "$ROOT/tmp/tmp.RANDOM";
    assert_eq!(
        lines,
        [
            workspace,
            "700",
            "700",
            workspace,
            "$ROOT/cwd",
            workspace,
            "$ROOT/tmp/tmp.RANDOM/.tmp",
            "$ROOT/cwd"
        ]
    );
}

#[test]
fn here_runs_in_the_callers_directory() {
    let sandbox = Sandbox::new();
    let script = "pwd; echo \"[$OLDPWD]\"; ls -d $TMPX_WORKSPACE $TMPDIR";
    let ran = sandbox.tmpx(["exec", "--here", "sh", "-c", script]).succeeds();
    assert_eq!(ran.stdout, "$ROOT/cwd\n[]\n$ROOT/tmp/tmp.RANDOM\n$ROOT/tmp/tmp.RANDOM/.tmp\n");
}

#[test]
fn the_commands_status_is_passed_on() {
    let sandbox = Sandbox::new();
    for status in [0, 1, 7, 125, 255] {
        let script = format!("exit {status}");
        sandbox.tmpx(["exec", "--", "sh", "-c", &script]).gives(status, "", "");
    }
}

#[test]
fn a_command_that_dies_of_a_signal_takes_tmpx_with_it() {
    let sandbox = Sandbox::new();
    for signal in [1, 2, 3, 6, 9, 11, 13, 15] {
        let ran = sandbox.tmpx(["exec", "sh", "-c", &format!("kill -{signal} $$")]).run();
        assert_eq!((ran.signal, ran.stderr.as_str()), (Some(signal), ""), "{ran:?}");
    }
}

#[test]
fn a_command_that_is_missing_or_no_program_has_the_shells_status() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("plain"), "").unwrap();
    let missing = "tmpx: could not run nosuch: command not found\n";
    sandbox.tmpx(words("exec nosuch")).gives(127, "", missing);
    let plain = "tmpx: could not run ./plain: Permission denied\n\
                 hint: it is not executable: chmod +x ./plain, or give it to its interpreter\n";
    sandbox.tmpx(words("exec ./plain")).gives(126, "", plain);
}

#[test]
fn a_command_with_a_slash_is_found_from_the_callers_directory() {
    let sandbox = Sandbox::new();
    let script = sandbox.cwd().join("build.sh");
    fs::write(&script, "#!/bin/sh\necho built in $(pwd) with $1\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let expected = "built in $ROOT/tmp/tmp.RANDOM with --in\n";
    sandbox.tmpx(words("exec ./build.sh --in")).gives(0, expected, "");
}

#[test]
fn without_a_command_the_users_shell_runs() {
    let sandbox = Sandbox::new();
    let run = sandbox.tmpx(["exec"]).env("SHELL", "/bin/sh").input("echo from $(pwd)\n");
    run.gives(0, "from $ROOT/tmp/tmp.RANDOM\n", "");
}

#[test]
fn tmpx_failing_itself_is_125_and_bad_usage_2() {
    let sandbox = Sandbox::new();
    let message = "tmpx: --in nosuch: No such file or directory\n";
    sandbox.tmpx(words("exec --in nosuch true")).gives(125, "", message);
    let message = "tmpx: could not create directory in /nodir: No such file or directory\n";
    sandbox.tmpx(words("exec -p /nodir true")).gives(125, "", message);
    let message = "tmpx: --mkdir ../x: must be a path inside the workspace, without ..\n";
    sandbox.tmpx(words("exec --mkdir ../x true")).gives(2, "", message);
    let message = "tmpx: --out /etc/passwd: must be a pattern inside the workspace: relative, and without ..\n";
    sandbox.tmpx(words("exec --out /etc/passwd true")).gives(2, "", message);
}

#[test]
fn inputs_keep_their_mode_and_time_and_directories_come_whole() {
    let sandbox = Sandbox::new();
    let tree = sandbox.cwd().join("tree");
    fs::create_dir_all(tree.join("deep/er")).unwrap();
    fs::write(tree.join("deep/er/file"), "x").unwrap();
    fs::write(tree.join("tool"), "#!/bin/sh\necho tool\n").unwrap();
    fs::set_permissions(tree.join("tool"), fs::Permissions::from_mode(0o750)).unwrap();
    std::os::unix::fs::symlink("tool", tree.join("link")).unwrap();
    fs::set_permissions(tree.join("deep/er"), fs::Permissions::from_mode(0o555)).unwrap();
    sandbox.sh("touch -d 2001-02-03 tree/tool tree/deep").succeeds();
    let script = "find tree t2 | sort; readlink tree/link; stat -c '%a %y' tree/tool tree/deep | \
                  cut -d' ' -f1,2; stat -c %a tree/deep/er; ls x.d";
    let args = ["exec", "--in", "tree", "--in", "tree/deep:t2", "--in", "tree/tool:x.d/"];
    let args = args.into_iter().chain(["--", "sh", "-c", script]);
    let expected = "t2\nt2/er\nt2/er/file\ntree\ntree/deep\ntree/deep/er\ntree/deep/er/file\n\
                    tree/link\ntree/tool\ntool\n750 2001-02-03\n755 2001-02-03\n555\ntool\n";
    sandbox.tmpx(args).gives(0, expected, "");
}

#[test]
fn the_contents_of_a_directory_come_without_it_and_the_workspace_stays_private() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.cwd().join("src")).unwrap();
    fs::write(sandbox.cwd().join("src/a"), "").unwrap();
    let args = words("exec --in src/. --mkdir b --in src/.:b -- sh -c");
    let args = args.into_iter().chain(["ls . b; stat -c %a .".into()]);
    sandbox.tmpx(args).gives(0, ".:\na\nb\n\nb:\na\n700\n", "");
}

#[test]
fn a_source_with_a_colon_in_its_name_is_not_split() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("a:b"), "colon").unwrap();
    sandbox.tmpx(words("exec --in a:b cat a:b")).gives(0, "colon", "");
    sandbox.tmpx(words("exec --in a:b:c cat c")).gives(0, "colon", "");
}

#[test]
fn an_input_may_come_from_a_pipe() {
    let sandbox = Sandbox::new();
    let script = "tmpx exec --in <(echo streamed):data cat data";
    sandbox.shell("bash", script).gives(0, "streamed\n", "");
}

#[test]
fn two_inputs_of_one_name_are_refused_before_anything_runs() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("a"), "").unwrap();
    sandbox.tmpx(words("exec --in a --in a sh -c ran>&2")).gives(
        125,
        "",
        "tmpx: two things would be called a in the workspace\n\
         hint: name one of them otherwise, as in --in SRC:DEST\n",
    );
    assert!(sandbox.leases().is_empty());
}

#[test]
fn outputs_are_saved_whole_and_replace_what_was_there() {
    let sandbox = Sandbox::new();
    let old = sandbox.cwd().join("result");
    fs::write(&old, "old and longer").unwrap();
    fs::hard_link(&old, sandbox.cwd().join("other-link")).unwrap();
    let script = "echo new > result; mkdir -p logs/deep; echo 1 > logs/a.log; echo 2 > logs/deep/b.log; \
                  chmod 640 result";
    let args =
        ["exec", "--out", "result", "--out", "logs/**/*.log:saved/", "--", "sh", "-c", script];
    sandbox.tmpx(args).gives(0, "", "");
    assert_eq!(fs::read_to_string(&old).unwrap(), "new\n");
    assert_eq!(mode(&old), 0o640);
    let other = fs::read_to_string(sandbox.cwd().join("other-link")).unwrap();
    assert_eq!(other, "old and longer", "the old file was replaced, not written into");
    assert_eq!(names(&sandbox.cwd()), ["other-link", "result", "saved"]);
    assert_eq!(fs::read_to_string(sandbox.cwd().join("saved/a.log")).unwrap(), "1\n");
    assert_eq!(fs::read_to_string(sandbox.cwd().join("saved/deep/b.log")).unwrap(), "2\n");
}

#[test]
fn a_wildcard_means_what_the_command_made_and_a_name_means_that_file() {
    let sandbox = Sandbox::new();
    for name in ["in.txt", "changed.txt"] {
        fs::write(sandbox.cwd().join(name), "input").unwrap();
    }
    fs::create_dir(sandbox.cwd().join("out")).unwrap();
    let run = |glob: &str| {
        let script = "echo new > new.txt; echo more >> changed.txt";
        let args = ["exec", "--in", "in.txt", "--in", "changed.txt", "--out", glob];
        sandbox.tmpx(args.into_iter().chain(["--", "sh", "-c", script])).succeeds();
        let saved = names(&sandbox.cwd().join("out"));
        fs::remove_dir_all(sandbox.cwd().join("out")).unwrap();
        saved
    };
    assert_eq!(run("*.txt:out"), ["changed.txt", "new.txt"]);
    assert_eq!(run("in.txt:out/"), ["in.txt"]);
}

#[test]
fn outputs_need_success_and_a_match_unless_always() {
    let sandbox = Sandbox::new();
    let run = |option: &str, script: &str| {
        sandbox.tmpx(["exec", option, "made", "--", "sh", "-c", script]).run()
    };
    let ran = run("--out", "echo > made; exit 3");
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(3), ""));
    assert_eq!(names(&sandbox.cwd()), Vec::<String>::new());
    let ran = run("--out", ":");
    assert_eq!(ran.status, Some(125));
    assert_eq!(
        ran.stderr,
        "tmpx: --out made matches nothing that the command made\n\
         hint: --out-always lets that pass; --keep=on-failure keeps the workspace for a look\n"
    );
    let ran = run("--out-always", "exit 4");
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(4), ""));
    let ran = run("--out-always", "echo > made; kill -9 $$");
    assert_eq!(ran.signal, Some(9));
    assert_eq!(names(&sandbox.cwd()), ["made"]);
}

#[test]
fn a_symlink_is_saved_as_a_link_and_never_as_what_it_points_to() {
    let sandbox = Sandbox::new();
    let script = "ln -s /etc/passwd leak; mkdir d; ln -s /etc d/dir; echo > d/file";
    let args = ["exec", "--out", "leak", "--out", "d/**:d2", "--", "sh", "-c", script];
    sandbox.tmpx(args).gives(0, "", "");
    assert_eq!(fs::read_link(sandbox.cwd().join("leak")).unwrap(), Path::new("/etc/passwd"));
    assert_eq!(fs::read_link(sandbox.cwd().join("d2/dir")).unwrap(), Path::new("/etc"));
    assert_eq!(names(&sandbox.cwd().join("d2")), ["dir", "file"]);
}

#[test]
fn when_one_output_cannot_be_saved_none_is_and_the_only_copy_stays() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.cwd().join("b")).unwrap();
    let script = "echo 1 > a; echo 2 > c";
    let args = ["exec", "--out", "a", "--out", "c:b", "--", "sh", "-c", script];
    let ran = sandbox.tmpx(args).run();
    assert_eq!(ran.status, Some(125));
    assert_eq!(
        ran.stderr,
        "tmpx: could not save $ROOT/cwd/b: it is a directory\n\
         hint: write $ROOT/cwd/b/ to save into it\n\
         tmpx: kept $ROOT/tmp/tmp.RANDOM\n\
         hint: 'tmpx cleanup' takes it with --all or by its path\n"
    );
    assert_eq!(names(&sandbox.cwd()), ["b"], "nothing half done, nothing left over");
    assert_eq!(sandbox.left().len(), 1);
    sandbox.clean_up();
}

#[test]
fn keep_turns_the_workspace_into_a_manual_one_and_says_where_it_is() {
    let sandbox = Sandbox::new();
    let ran = sandbox.tmpx(words("exec --keep -- touch made")).run();
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), KEPT));
    let kept = sandbox.tmp().join(&sandbox.left()[0]);
    assert_eq!(names(&kept), [".tmp", "made"]);
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
    assert!(kept.exists(), "manual");
    sandbox.tmpx(words("cleanup -q --all")).succeeds();
    for (when, command, stays) in
        [("on-failure", "false", 1), ("on-failure", "true", 0), ("always", "true", 1)]
    {
        sandbox.tmpx(["exec", &format!("--keep={when}"), command]).run();
        assert_eq!(sandbox.left().len(), stays, "{when} {command}");
        sandbox.clean_up();
    }
}

#[test]
fn place_and_session_are_those_of_the_makers() {
    let sandbox = Sandbox::new();
    let script = "echo $TMPX_WORKSPACE; stat -c %a $TMPX_WORKSPACE; tmpx list --json --session s";
    let args = words("exec -p . --prefix job- -s -end -m 750 --session s -- sh -c");
    let ran = sandbox.tmpx(args.into_iter().chain([script.into()])).succeeds();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("$ROOT/cwd/job-") && lines[0].ends_with("-end"), "{ran:?}");
    assert_eq!(lines[1], "750");
    assert_eq!(lines.len(), 3);
    assert_eq!(names(&sandbox.cwd()), Vec::<String>::new());
}

/// A command that says that it runs and then waits to be told to go on.
fn running(sandbox: &Sandbox, script: &str) -> std::process::Child {
    let mut child = sandbox.tmpx(["exec", "bash", "-c", script]).spawn();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

#[test]
fn a_signal_reaches_the_command_and_the_workspace_still_goes() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let sandbox = Sandbox::new();
        // The shell waits for a child that the signal does not reach, and then takes the trap.
        let script = "trap 'exit 42' INT TERM HUP QUIT; echo ready; while :; do read x; done";
        let mut child = running(&sandbox, script);
        kill_process(Pid::from_child(&child), signal).unwrap();
        // The read ends when nobody can write to it any more.
        child.stdin.take();
        assert_eq!(child.wait().unwrap().code(), Some(42), "{signal:?}");
    }
}

#[test]
fn a_signal_that_kills_the_command_is_the_death_of_tmpx_too() {
    use std::os::unix::process::ExitStatusExt as _;
    let sandbox = Sandbox::new();
    let mut child = running(&sandbox, "echo ready; read x; sleep 100");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[test]
fn the_command_of_a_killed_tmpx_keeps_its_workspace_until_it_ends() {
    // Once by the lock that it inherited, once by standing in it.
    for close in ["", "exec 100>&-; "] {
        let sandbox = Sandbox::new();
        let script = format!("{close}echo $$ > pid; echo ready; read x; touch still-here");
        let mut child = running(&sandbox, &script);
        child.kill().unwrap();
        let stdin = child.stdin.take();
        child.wait().unwrap();
        sandbox.tmpx(["cleanup", "--all"]).run();
        let workspace: PathBuf = sandbox.tmp().join(&sandbox.left()[0]);
        assert!(workspace.exists(), "{close}");
        let pid: i32 = fs::read_to_string(workspace.join("pid")).unwrap().trim().parse().unwrap();
        let pidfd = rustix::process::pidfd_open(
            Pid::from_raw(pid).unwrap(),
            rustix::process::PidfdFlags::empty(),
        )
        .unwrap();
        stdin.unwrap().write_all(b"\n").unwrap();
        let ended = rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN);
        rustix::event::poll(&mut [ended], None).unwrap();
        sandbox.tmpx(["cleanup", "-q"]).succeeds();
        assert!(!workspace.exists(), "{close}");
    }
}

#[test]
fn inherited_signal_state_reaches_the_command() {
    let sandbox = Sandbox::new();
    let show = "grep -E '^Sig(Blk|Ign)' /proc/self/status";
    for before in ["", "trap '' PIPE; ", "trap '' HUP INT; ", "trap '' CHLD; "] {
        let plain = sandbox.sh(&format!("{before}{show}")).succeeds();
        let inside = sandbox.sh(&format!("{before}tmpx exec {show}")).succeeds();
        assert_eq!(plain.stdout, inside.stdout, "{before}");
    }
}

#[test]
fn descriptors_pass_through_and_closed_ones_stay_closed() {
    let sandbox = Sandbox::new();
    let script = "tmpx exec sh -c 'cat; echo three >&3; echo err >&2' 3>three";
    let ran = sandbox.sh(script).run();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", "err\n"));
    assert_eq!(fs::read_to_string(sandbox.cwd().join("three")).unwrap(), "three\n");
    let inside = sandbox.sh("tmpx exec sh -c 'ls /proc/self/fd | head -1' <&-").succeeds();
    let plain = sandbox.sh("sh -c 'ls /proc/self/fd | head -1' <&-").succeeds();
    assert_eq!(inside.stdout, plain.stdout);
}

#[test]
fn what_is_made_inside_goes_with_the_workspace() {
    let sandbox = Sandbox::new();
    let script = "tmpx file; tmpx dir; mktemp; tmpx exec touch x";
    let ran = sandbox.tmpx(["exec", "sh", "-c", script]).succeeds();
    assert!(ran.stdout.lines().all(|path| path.starts_with("$ROOT/tmp/tmp.RANDOM/.tmp/")));
    assert_eq!(sandbox.left(), Vec::<String>::new());
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
}

#[test]
fn a_workspace_that_the_command_removed_itself_is_no_failure() {
    let sandbox = Sandbox::new();
    sandbox.tmpx(["exec", "sh", "-c", "rm -rf $TMPX_WORKSPACE"]).gives(0, "", "");
}

#[test]
fn a_mode_that_keeps_us_out_does_not_keep_the_workspace() {
    let sandbox = Sandbox::for_nobody();
    let script = "mkdir -p a/b/c; touch a/b/c/d; chmod 000 a/b/c; chmod 555 a/b; chmod 0 a .";
    sandbox.tmpx(["exec", "sh", "-c", script]).by_nobody().gives(0, "", "");
}

#[test]
fn a_command_that_takes_too_long_is_asked_to_end_and_then_made_to() {
    let sandbox = Sandbox::new();
    let run = |args: &str, script: &str| {
        let args = words(&format!("exec {args} -- sh -c"));
        sandbox.tmpx(args.into_iter().chain([script.into()]))
    };
    let asked = "trap 'echo asked; exit 3' TERM; while :; do read x < fifo; done 2>/dev/null";
    let asked = format!("mkfifo fifo; {asked}");
    run("--timeout 1s", &asked).gives(124, "asked\n", "tmpx: timed out after 1s\n");
    let deaf = "trap '' TERM; mkfifo fifo; read x < fifo";
    let killed = "tmpx: timed out after 50ms and was killed\n";
    run("--timeout 50ms --kill-after 50ms", deaf).gives(124, "", killed);
    let ended = "tmpx: timed out after 50ms\n";
    run("--timeout 50ms", "kill -STOP $$").gives(124, "", ended);
    run("--timeout 0", "exit 3").gives(3, "", "");
    run("--timeout 9223372036854775807", "exit 3").gives(3, "", "");
    run("--timeout 1h", "exit 3").gives(3, "", "");
    let saved = "echo partial > log; mkfifo fifo; read x < fifo";
    run("--timeout 50ms --out-always log", saved).gives(124, "", ended);
    assert_eq!(fs::read_to_string(sandbox.cwd().join("log")).unwrap(), "partial\n");
    // What the shell waits for would hold the pipe open, and be waited for by whoever reads it.
    run("--timeout 50ms", "sleep 1000; echo late").gives(124, "", ended);
}

#[test]
fn an_option_that_is_mistyped_is_no_command() {
    let sandbox = Sandbox::new();
    let message =
        "tmpx: unexpected argument '--bogus' found\nhint: tmpx exec -h lists the options\n";
    sandbox.tmpx(words("exec --bogus true")).gives(2, "", message);
    sandbox.tmpx(words("exec echo --bogus -x -- y")).gives(0, "--bogus -x -- y\n", "");
}

#[test]
fn sparse_files_stay_sparse() {
    use std::os::unix::fs::MetadataExt as _;
    let sandbox = Sandbox::new();
    sandbox.sh("truncate -s 50M holes; echo data >> holes; truncate -s 100M holes").succeeds();
    let args = ["exec", "--in", "holes", "--out", "holes:copy", "sh", "-c", "echo >> holes"];
    sandbox.tmpx(args).succeeds();
    let copy = fs::metadata(sandbox.cwd().join("copy")).unwrap();
    assert_eq!(copy.size(), 100 * 1024 * 1024 + 1);
    assert!(copy.blocks() * 512 < 1024 * 1024, "{} blocks", copy.blocks());
}

#[test]
fn a_command_line_in_one_word_is_explained() {
    let sandbox = Sandbox::new();
    sandbox.tmpx(["exec", "ls -la"]).gives(
        127,
        "",
        "tmpx: could not run ls -la: command not found\n\
         hint: each word is an argument of its own; for a shell: sh -c 'ls -la'\n",
    );
    sandbox.tmpx(words("exec --keep on-failure -- true")).gives(
        127,
        "",
        "tmpx: could not run on-failure: command not found\n\
         hint: the value of --keep comes after =, as in --keep=on-failure\n",
    );
}

//! `tmpx replace` while other processes change the file.

use std::fs;
use std::io::Write as _;

use rustix::fs::{FlockOperation, flock};
use rustix::io::ioctl_fionread;

use crate::streams::fixture::{content, with_file};
use crate::support::filter::{Lack, lacking};
use crate::support::sandbox::{Sandbox, has, mode, names};
use crate::support::wait::wait_until;

#[test]
fn append_adds_to_the_present_content_if_the_file_changed_meanwhile() {
    let sandbox = with_file("old\n");
    sandbox
        .tmpx(["replace", "f", "--append", "--", "sh", "-c", "echo other >> f; echo new"])
        .expects(0, "", "");
    assert_eq!(content(&sandbox), "old\nother\nnew\n");
    let script = "echo mine | tmpx replace -a f; echo 'new again'";
    sandbox.tmpx(["replace", "f", "-a", "--", "sh", "-c", script]).expects(0, "", "");
    assert_eq!(content(&sandbox), "old\nother\nnew\nmine\nnew again\n");
    sandbox.tmpx(["replace", "g", "-a", "--", "sh", "-c", "echo 1 >g; echo 2"]).expects(0, "", "");
    sandbox.sh("cat g; rm g").expects(0, "1\n2\n", "");
    assert_eq!(names(&sandbox.cwd()), ["f"]);
}

/// A producer may replace a file of the same directory.
#[test]
fn no_lock_is_held_while_stdin_is_read() {
    let sandbox = with_file("old\n");
    for option in ["--append", "--sync"] {
        let mut child = sandbox.tmpx(["replace", option, "f"]).spawn();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"new\n").unwrap();
        wait_until("tmpx reads its input", || ioctl_fionread(&stdin) == Ok(0));
        let dir = fs::File::open(sandbox.cwd()).unwrap();
        flock(&dir, FlockOperation::NonBlockingLockExclusive).unwrap();
        drop(dir);
        sandbox.sh("echo mine | tmpx replace --append g").expects(0, "", "");
        drop(stdin);
        assert!(child.wait().unwrap().success());
    }
    sandbox.sh("cat f g").expects(0, "new\nmine\nmine\n", "");
}

#[test]
fn two_hundred_appenders_at_once_lose_no_line() {
    let sandbox = Sandbox::in_memory();
    let script = "i=0; while [ $i -lt 200 ]; do echo $i | tmpx replace --append f & \
                  pids=\"$pids $!\"; i=$((i+1)); done; for p in $pids; do wait $p || exit 1; done";
    sandbox.sh(script).expects(0, "", "");
    sandbox.sh("sort -n f > ../sorted; seq 0 199 | cmp - ../sorted").expects(0, "", "");
    assert_eq!(names(&sandbox.cwd()), ["f"]);
}

#[test]
fn appenders_in_a_directory_that_cannot_be_locked_lose_no_line() {
    let sandbox = Sandbox::for_nobody();
    let script = "chmod 300 .; i=0; while [ $i -lt 40 ]; do echo $i | tmpx replace -a f & \
                  pids=\"$pids $!\"; i=$((i+1)); done; for p in $pids; do wait $p || exit 1; done";
    sandbox.sh(script).by_nobody().expects(0, "", "");
    sandbox.sh("chmod 700 .; sort -n f > ../sorted; seq 0 39 | cmp - ../sorted").expects(0, "", "");
    assert_eq!(names(&sandbox.cwd()), ["f"]);
}

#[test]
fn a_shell_that_appends_at_the_same_time_loses_no_line() {
    let sandbox = with_file("");
    let script = "(i=0; while [ $i -lt 2000 ]; do echo shell$i >> f; i=$((i+1)); done) & \
                  i=0; while [ $i -lt 60 ]; do echo tmpx$i | tmpx replace -a f || exit; i=$((i+1)); \
                  done; wait; grep -c shell f; grep -c tmpx f";
    sandbox.sh(script).expects(0, "2000\n60\n", "");
    assert_eq!(names(&sandbox.cwd()), ["f"]);
}

#[test]
fn an_editor_that_replaces_the_file_just_before_tmpx_does_loses_no_edit() {
    if !has("strace") {
        return;
    }
    let sandbox = with_file("first\n");
    // The new file has a hidden name just before it is exchanged.
    let script = "echo tmpx | strace -qq -o /dev/null -e trace=renameat2 \
                  -e inject=renameat2:delay_enter=1000000:when=1 tmpx replace -a f & \
                  until ls -A | grep -q '^[.]'; do :; done; \
                  sed -i '$ased' f; wait $! && cat f";
    sandbox.sh(script).expects(0, "first\nsed\ntmpx\n", "");
    assert_eq!(names(&sandbox.cwd()), ["f"]);
}

/// The path of the only hidden file in the working directory.
fn hidden(sandbox: &Sandbox) -> std::path::PathBuf {
    let hidden: Vec<String> =
        names(&sandbox.cwd()).into_iter().filter(|name| name.starts_with('.')).collect();
    assert_eq!(hidden.len(), 1, "{hidden:?}");
    sandbox.cwd().join(&hidden[0])
}

#[test]
fn what_an_editor_wrote_is_kept_if_tmpx_is_killed_between_the_two_exchanges() {
    if !has("strace") {
        return;
    }
    let sandbox = with_file("first\n");
    // tmpx looks at the old file four times, and asks last whether it may write to it.
    let script = "echo tmpx | strace -qq -o ../trace -e trace=faccessat2,renameat2 \
                  -e inject=faccessat2:delay_exit=1000000:when=4 \
                  -e inject=renameat2:signal=KILL:when=2 tmpx replace -a f & \
                  until [ \"$(grep -cs faccessat2 ../trace)\" = 4 ]; do :; done; \
                  sed -i '$ased' f; { wait $!; } 2>/dev/null; echo $?";
    sandbox.sh(script).expects(0, "137\n", "");
    let left = hidden(&sandbox);
    let name = left.file_name().unwrap().to_str().unwrap();
    let message = format!(
        "tmpx: kept $ROOT/cwd/{name}: no longer the file tmpx created \
         (rewritten by sed -i or mv?); remove it with rm\n"
    );
    let ran = sandbox.tmpx(["cleanup", "-q"]).run();
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr), (Some(0), "", message));
    assert_eq!(fs::read_to_string(&left).unwrap(), "first\nsed\n");
    assert_eq!(content(&sandbox), "first\ntmpx\n");
}

#[test]
fn where_no_call_refuses_to_replace_tmpx_looks_once_more_at_what_it_replaces() {
    if !["strace", "python3"].into_iter().all(has) {
        return;
    }
    for before in ["", "first\n"] {
        let sandbox = if before.is_empty() { Sandbox::new() } else { with_file(before) };
        // The new content is complete when tmpx waits for the disk.
        let script = "echo tmpx | strace -qq -o /dev/null -e trace=fsync \
                      -e inject=fsync:delay_enter=1000000:when=1 tmpx replace --append --sync f & \
                      until grep -qs tmpx .tmpx.*; do :; done; echo editor >>f; wait $! && cat f";
        let mut command = lacking(Lack::Fat, "sh");
        command.args(["-c", script]);
        sandbox.command(command).expects(0, &format!("{before}editor\ntmpx\n"), "");
        assert_eq!(names(&sandbox.cwd()), ["f"]);
    }
}

#[test]
fn the_old_file_is_removed_if_tmpx_is_killed_just_after_the_exchange() {
    if !has("strace") {
        return;
    }
    let sandbox = with_file("old\n");
    for (call, left) in [("renameat2", "old\n"), ("unlinkat", "old\nnew\n")] {
        let script = format!(
            "echo new | strace -qq -o /dev/null -e trace={call} \
             -e inject={call}:signal=KILL:when=1 tmpx replace -a f"
        );
        assert_eq!(sandbox.sh(&script).run().status, Some(137), "{call}");
        assert!(hidden(&sandbox).exists());
        sandbox.tmpx(["cleanup", "-q"]).expects(0, "", "");
        assert_eq!((content(&sandbox).as_str(), names(&sandbox.cwd())), (left, vec!["f".into()]));
    }
}

#[test]
fn replace_from_a_pipe_waits_while_another_process_exchanges_files() {
    if !has("strace") {
        return;
    }
    let sandbox = with_file("old\n");
    let script = "echo new | strace -o trace tmpx replace f; \
                  grep -oE '^(flock|renameat)' trace; rm trace";
    sandbox.sh(script).expects(0, "flock\nrenameat\n", "");
}

#[test]
fn replace_from_a_pipe_works_under_a_lock_that_a_script_holds() {
    if !has("flock") {
        return;
    }
    let sandbox = with_file("old\n");
    sandbox.sh("echo new | flock . tmpx replace f; cat f").expects(0, "new\n", "");
}

#[test]
fn a_file_that_can_be_neither_locked_nor_exchanged_is_not_replaced_unless_that_loses_nothing() {
    if !has("strace") {
        return;
    }
    let sandbox = with_file("old\n");
    let run = "run() { strace -qq -o /dev/null -e trace=flock,renameat2 \
               -e inject=flock:error=EBADF -e inject=renameat2:error=EINVAL tmpx \"$@\"; }";
    let message = "tmpx: could not replace f: other processes may change it: \
                   it can be neither locked nor exchanged\n";
    sandbox.sh(&format!("{run}; echo new | run replace -a f")).expects(1, "", message);
    sandbox.sh(&format!("{run}; run replace f -- echo new")).expects(125, "", message);
    assert_eq!(content(&sandbox), "old\n");
    sandbox.sh(&format!("{run}; echo new | run replace f")).expects(0, "", "");
    assert_eq!(content(&sandbox), "new\n");
    assert_eq!(names(&sandbox.cwd()), ["f"]);
}

#[test]
fn where_only_files_open_for_writing_can_be_locked_the_file_is_locked() {
    if !has("strace") {
        return;
    }
    let sandbox = with_file("old\n");
    // The first lock is that of the directory, the second one that of the file.
    let script = "echo new | strace -qq -o trace -e trace=openat,flock,renameat2 \
                  -e inject=flock:error=EBADF:when=1..2 -e inject=renameat2:error=EINVAL \
                  tmpx replace -a f; grep -cE '\"f\", O_RDWR.*O_NOFOLLOW' trace; rm trace; cat f";
    sandbox.sh(script).expects(0, "1\nold\nnew\n", "");
}

#[test]
fn a_lock_that_a_script_holds_on_the_directory_does_not_block_tmpx_for_ever() {
    if !has("flock") {
        return;
    }
    let sandbox = with_file("old\n");
    sandbox.sh("echo new | flock . tmpx replace -a f; cat f").expects(0, "old\nnew\n", "");
}

#[test]
fn a_filesystem_that_cannot_exchange_files_is_no_obstacle() {
    if !has("strace") {
        return;
    }
    let sandbox = with_file("old\n");
    let script = "run() { strace -o /dev/null -e inject=renameat2:error=EINVAL tmpx \"$@\"; }; \
                  echo new | run replace -a f; echo new | run replace -a g; cat f g; rm g";
    sandbox.sh(script).expects(0, "old\nnew\nnew\n", "");
    assert_eq!(names(&sandbox.cwd()), ["f"]);
}

#[test]
fn append_fails_while_a_process_has_the_file_open_for_writing() {
    let sandbox = with_file("old\n");
    let message = "tmpx: could not replace f: another process has it open for writing\n\
                   hint: '>>' appends to it\n";
    let script = "exec 3>>f; echo new | tmpx replace -a f; echo $?; echo late >&3; cat f";
    sandbox.sh(script).expects(0, "1\nold\nlate\n", message);
    // After a command, too.
    let message = "tmpx: could not replace f: another process has it open for writing\n";
    let script = "exec 3>>f; tmpx replace f -- echo new; echo $?; echo later >&3; cat f";
    sandbox.sh(script).expects(0, "125\nold\nlate\nlater\n", message);
    // A pipe replaces it all the same, as '>' does.
    sandbox.sh("exec 3>>f; echo new | tmpx replace f; cat f").expects(0, "new\n", "");
}

#[test]
fn producers_in_one_directory_do_not_wait_for_each_other() {
    let sandbox = with_file("old\n");
    let script = "tmpx replace g -- sh -c 'echo inner | tmpx replace -a h; cat h'; cat g h";
    sandbox.sh(script).expects(0, "inner\ninner\n", "");
}

#[test]
fn a_producer_that_changes_the_file_itself_is_an_error() {
    let message = "tmpx: could not replace f: it changed while the command ran\n\
                   hint: the command must leave the file alone and write to stdout: no -i, no -o\n";
    for (command, left) in [
        ("sed -i s/b/c/ f", "c\na\n"),
        ("sort -o f f", "a\nb\n"),
        ("sh -c 'rm f; echo new'", ""),
        ("sh -c 'mv f g; cp g f; rm g'", "b\na\n"),
        // The size stays, and the time is set back.
        ("sh -c 'touch -r f ../time; sort -o f f; touch -r ../time f'", "a\nb\n"),
        // Another change explains the time that cannot be set back.
        ("sh -c 'touch -r f ../time; sort -o f f; touch -r ../time f; chmod 600 f'", "a\nb\n"),
        ("sh -c 'touch -r f ../time; sort -o f f; touch -r ../time f; ln f ../link'", "a\nb\n"),
        ("chmod 600 f", "b\na\n"),
    ] {
        let sandbox = with_file("b\na\n");
        sandbox.sh(&format!("tmpx replace f -- {command}")).expects(125, "", message);
        let text = fs::read_to_string(sandbox.cwd().join("f")).unwrap_or_default();
        assert_eq!(text, left, "{command}");
        assert!(names(&sandbox.cwd()).iter().all(|name| name == "f"), "{command}");
    }
    let sandbox = with_file("old\n");
    sandbox.sh("echo 1 | tmpx replace f -- tee f").expects(125, "", message);
    assert_eq!(content(&sandbox), "1\n");
    // A file that did not exist has changed, too.
    sandbox.sh("tmpx replace g -- sh -c 'echo 1 > g; echo 2'; rm g").expects(
        0,
        "",
        &message.replace(" f:", " g:"),
    );
    // What is appended depends on no content, so the present one is read again.
    let script = "touch -r f ../time; echo 2 >f; touch -r ../time f; chmod 600 f; echo 3";
    sandbox.tmpx(["replace", "-a", "f", "--", "sh", "-c", script]).expects(0, "", "");
    assert_eq!((content(&sandbox).as_str(), mode(sandbox.cwd().join("f"))), ("2\n3\n", 0o600));
}

#[test]
fn a_producer_that_replaces_a_symlink_to_the_file_is_an_error() {
    let message = "tmpx: could not replace link: it changed while the command ran\n\
                   hint: the command must leave the file alone and write to stdout: no -i, no -o\n";
    for command in [
        "sed -i s/b/c/ link",
        "sed -i s/b/c/ d/link",
        "sh -c 'echo c >new; mv new link'",
        "ln -sf g link",
        "rm d/link",
    ] {
        let sandbox = with_file("b\na\n");
        sandbox.sh("mkdir d; ln -s ../f d/link; ln -s d/link link").succeeds();
        sandbox.sh(&format!("tmpx replace link -- {command}")).expects(125, "", message);
        assert_eq!(content(&sandbox), "b\na\n", "{command}");
    }
    // One that leads to the same path as before loses nothing.
    let sandbox = with_file("old\n");
    sandbox.sh("ln -s f link; tmpx replace link -- sh -c 'ln -sf f link; echo new'").succeeds();
    assert_eq!((content(&sandbox).as_str(), names(&sandbox.cwd()).len()), ("new\n", 2));
    // What is appended goes where the path led at the beginning, as with '>>'.
    let script = "tmpx replace -a link -- sh -c 'echo other >g; ln -sf g link; echo more'; cat f g";
    sandbox.sh(script).expects(0, "new\nmore\nother\n", "");
}

#[test]
fn a_producer_gets_a_read_only_copy_of_the_file_in_place_of_braces() {
    let sandbox = with_file("b\na\n");
    sandbox.sh("tmpx replace f -- sort {}").expects(0, "", "");
    assert_eq!(content(&sandbox), "a\nb\n");
    // It has the name of the file.
    sandbox.sh("cp f f.c; tmpx replace f.c -- sh -c 'basename $1; stat -c %a $1' sh {}").succeeds();
    sandbox.sh("cat f.c; rm f.c").expects(0, "f.c\n400\n", "");
    sandbox.sh("echo 1 > f; tmpx replace -a f -- cat {} {}; cat f").expects(0, "1\n1\n1\n", "");
    sandbox.sh("tmpx replace f -I @ -- sh -c 'echo $2; cat $1' sh @ {}").expects(0, "", "");
    assert_eq!(content(&sandbox), "{}\n1\n1\n1\n");
    sandbox.sh("tmpx replace f -- echo x{}; cat f").expects(0, "x{}\n", "");
    let message = "tmpx: could not copy new: it does not exist\n\
                   hint: without {}, the output of COMMAND becomes the new file\n";
    sandbox.sh("tmpx replace new -- cat {}").expects(125, "", message);
    assert_eq!(names(&sandbox.cwd()), ["f"]);
}

#[test]
fn a_producer_that_edits_the_copy_is_an_error() {
    let message = "tmpx: could not replace f: the copy of it changed while the command ran\n\
                   hint: the command must leave the file alone and write to stdout: no -i, no -o\n";
    for command in [
        "sed -i s/b/c/ {}",
        "--no-empty -- sed -i s/b/c/ {}",
        "-a -- sed -i s/b/c/ {}",
        "gzip -f {}",
        // The size stays, and the time is set back.
        "sh -c 'chmod 600 $1; touch -r $1 t; sort -o $1 $1; touch -r t $1; rm t' sh {}",
    ] {
        let sandbox = with_file("b\na\n");
        let options = if command.contains("-- ") { "" } else { "--" };
        let script = format!("tmpx replace f {options} {command}");
        sandbox.sh(&script).expects(125, "", message);
        assert_eq!(content(&sandbox), "b\na\n", "{command}");
        assert_eq!(names(&sandbox.cwd()), ["f"], "{command}");
    }
    // If the command fails, its status says enough.
    let sandbox = with_file("b\na\n");
    let script = "tmpx replace f -- sh -c 'sed -i s/b/c/ $1; exit 3' sh {}";
    sandbox.sh(script).expects(3, "", "");
}

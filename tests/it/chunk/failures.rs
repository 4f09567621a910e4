//! A command that fails ends the run; so do a signal and a reader that has gone.

use std::fs;
use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::sandbox::Sandbox;
use crate::support::wait::wait_until;

#[test]
fn the_lowest_chunk_that_fails_decides_and_those_before_it_run_to_their_end() {
    let sandbox = Sandbox::new();
    let command = "case $TMPX_CHUNK in 0) sleep 0.4; echo zero;; 1) sleep 0.2; echo one; exit 3;; \
        2) exit 4;; *) sleep 60;; esac";
    let script = format!(
        "seq 9 > in.txt; echo old > out; tmpx chunk -j 4 --rows 1 in.txt -- sh -c '{command}'"
    );
    let message = "tmpx: chunk 1 (rows 2 to 2, in.txt from byte 3, 2 bytes) exited with status 3\n";
    sandbox.sh(&script).expects(3, "zero\n", message);
    let script = format!("tmpx chunk -j 4 --rows 1 -o out in.txt -- sh -c '{command}'; cat out");
    let ran = sandbox.sh(&script).run();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("old\n", message));
}

#[test]
fn a_process_that_ignores_the_request_to_end_is_killed_be_it_a_command_or_started_by_one() {
    let sandbox = Sandbox::new();
    let command = "case $TMPX_CHUNK in
        0) until [ -e 1 ] && [ -e 2 ]; do sleep 0.01; done; exit 5;;
        1) trap '' TERM; echo $$ > 1.new; mv 1.new 1; sleep 60;;
        2) sh -c 'trap \"\" TERM; echo $$ > 2.new; mv 2.new 2; exec sleep 60'; :;; esac";
    fs::write(sandbox.cwd().join("in.txt"), "1\n2\n3\n").unwrap();
    let args = ["chunk", "-j", "3", "--rows", "1", "in.txt", "--", "sh", "-c", command];
    let began = Instant::now();
    let ran = sandbox.tmpx(args).run();
    assert_eq!(ran.status, Some(5), "{ran:?}");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    for name in ["1", "2"] {
        let pid = fs::read_to_string(sandbox.cwd().join(name)).unwrap();
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim_end()));
        assert!(stat.as_ref().map_or(true, |stat| stat.contains(") Z ")), "{name}: {stat:?}");
    }
}

#[test]
fn a_command_that_a_signal_ends_ends_tmpx_with_it() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("in.txt"), "1\n").unwrap();
    let ran = sandbox.tmpx(["chunk", "in.txt", "--", "sh", "-c", "kill -KILL $$"]).run();
    assert_eq!((ran.status, ran.signal), (None, Some(9)));
    let message =
        "tmpx: chunk 0 (rows 1 to 1, in.txt from byte 1, 2 bytes) was ended by signal 9\n";
    assert_eq!(ran.stderr, message);
}

#[test]
fn a_chunk_without_rows_is_named_as_one() {
    let sandbox = Sandbox::new();
    let script = "echo a > in.csv; tmpx chunk in.csv -- false";
    sandbox.sh(script).expects(1, "", "tmpx: chunk 0 (no rows, in.csv) exited with status 1\n");
    let script = "echo '[]' | tmpx chunk --format json -- false";
    let message = "tmpx: chunk 0 (no rows, standard input) exited with status 1\n";
    sandbox.sh(script).expects(1, "", message);
}

#[test]
fn a_command_that_cannot_be_started_fails_the_first_chunk() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("in.txt"), "1\n2\n").unwrap();
    let ran = sandbox.tmpx(["chunk", "--rows", "1", "in.txt", "--", "nosuch"]).run();
    assert_eq!(ran.status, Some(127));
    let message = "tmpx: chunk 0 (rows 1 to 1, in.txt from byte 1, 2 bytes) failed: \
                   could not run nosuch: command not found\n";
    assert_eq!(ran.stderr, message);
    let ran = sandbox.tmpx(["chunk", "in.txt", "--", "./in.txt"]).run();
    assert_eq!(ran.status, Some(126));
}

#[test]
fn a_reader_that_has_gone_ends_tmpx_as_it_ends_every_filter() {
    let sandbox = Sandbox::new();
    let began = Instant::now();
    let script = "seq 100000 > in.txt
        { tmpx chunk --rows 1000 in.txt -- sh -c 'cat; sleep 0.1'; echo $? >&2; } | head -n 1";
    sandbox.sh(script).expects(0, "1\n", "141\n");
    // Also while there is nothing to write.
    let script = "{ tmpx chunk in.txt -- sleep 60; echo $? >&2; } | true";
    sandbox.sh(script).expects(0, "", "141\n");
    assert!(began.elapsed() < Duration::from_secs(30));
    let script = "trap '' PIPE; { tmpx chunk in.txt -- cat; echo $? >&2; } | true";
    let ran = sandbox.sh(script).run();
    assert_eq!(ran.stderr, "tmpx: could not write to stdout: Broken pipe\n125\n");
}

#[test]
fn a_socket_as_standard_output_keeps_no_signal_waiting_and_its_reader_can_go() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("in.txt"), "1\n".repeat(1 << 20)).unwrap();
    for reader_goes in [false, true] {
        let (mut reader, socket) = std::os::unix::net::UnixStream::pair().unwrap();
        let command = if reader_goes { "echo began >&2; sleep 60" } else { "cat" };
        let run = sandbox.tmpx(["chunk", "in.txt", "--", "sh", "-c", command]);
        let mut command = run.prepared();
        let stdout = std::os::fd::OwnedFd::from(socket);
        let mut chunk = command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        drop(command);
        let signal = if reader_goes {
            // While there is nothing to write.
            chunk.stderr.take().unwrap().read_exact(&mut [0]).unwrap();
            drop(reader);
            rustix::process::Signal::PIPE
        } else {
            // While the reader reads nothing.
            reader.read_exact(&mut [0]).unwrap();
            let pid = rustix::process::Pid::from_child(&chunk);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
            rustix::process::Signal::TERM
        };
        let stat = format!("/proc/{}/stat", chunk.id());
        wait_until("it ends", || fs::read_to_string(&stat).unwrap().contains(") Z "));
        let found = std::os::unix::process::ExitStatusExt::signal(&chunk.wait().unwrap());
        assert_eq!(found, Some(signal.as_raw()));
    }
}

#[test]
fn a_signal_reaches_all_commands_and_ends_tmpx() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("in.txt"), "1\n2\n3\n").unwrap();
    fs::write(sandbox.cwd().join("out"), "old\n").unwrap();
    let script = "trap 'echo ended >> log; exit 0' TERM; echo x >> began; sleep 60 & wait; kill $!";
    let args = ["chunk", "-j", "2", "--rows", "1", "-o", "out", "in.txt", "--", "sh", "-c", script];
    let mut command = sandbox.tmpx(args).prepared();
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    let began = sandbox.cwd().join("began");
    wait_until("both begin", || fs::read_to_string(&began).is_ok_and(|text| text.len() == 4));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    assert_eq!(fs::read_to_string(sandbox.cwd().join("log")).unwrap(), "ended\nended\n");
    assert_eq!(fs::read_to_string(sandbox.cwd().join("out")).unwrap(), "old\n");
}

#[test]
fn a_signal_does_not_end_tmpx_if_every_chunk_has_a_command_that_survives_it() {
    let sandbox = Sandbox::new();
    let both_get_it = "trap 'got=1' USR1
        if [ $TMPX_CHUNK = 0 ]; then until [ -e began ]; do sleep 0.01; done; kill -USR1 $PPID
        else : > began; fi
        until [ $got ]; do sleep 0.01; done; rm -f began; cat; ";
    let chunk = |input: &str, end: &str| {
        fs::write(sandbox.cwd().join("in.txt"), input).unwrap();
        let command = format!("{both_get_it}{end}");
        let words = ["chunk", "-j", "2", "--rows", "1", "in.txt", "--", "sh", "-c", &command];
        let ran = sandbox.tmpx(words).run();
        (ran.status, ran.signal, ran.stdout, ran.stderr)
    };
    assert_eq!(chunk("1\n2\n", "true"), (Some(0), None, "1\n2\n".into(), String::new()));
    let message = "tmpx: chunk 1 (rows 2 to 2, in.txt from byte 3, 2 bytes) exited with status 1\n";
    let found = chunk("1\n2\n", "exit $TMPX_CHUNK");
    assert_eq!(found, (Some(1), None, "1\n".into(), message.into()));
    // Otherwise it does: a command dies of it, or a chunk has none yet.
    let usr1 = rustix::process::Signal::USR1.as_raw();
    let dies = "[ $TMPX_CHUNK = 0 ] || { trap - USR1; kill -USR1 $$; }";
    for (input, end) in [("1\n2\n", dies), ("1\n2\n3\n", "true")] {
        let (status, signal, _, stderr) = chunk(input, end);
        assert_eq!((status, signal, stderr), (None, Some(usr1), String::new()), "{end}");
    }
}

#[test]
fn a_stream_that_is_malformed_late_fails_after_the_outputs_before_it() {
    let sandbox = Sandbox::new();
    let script = "{ echo a; seq 4; sleep 1; echo '\"'; } | \
        tmpx chunk --format csv --rows 2 -- tail -n 1; echo $?";
    let ran = sandbox.sh(script).run();
    assert_eq!(ran.stdout, "2\n4\n125\n");
    let message = "tmpx: standard input: line 6, byte 11: this quote is never closed\n";
    assert_eq!(ran.stderr, message);
}

#[test]
fn chunk_files_are_written_and_removed_in_the_directory_that_tmpx_has_created() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.root().join("other")).unwrap();
    fs::write(sandbox.root().join("other/chunk-000000.txt"), "other\n").unwrap();
    // The first command puts a symlink in the place of the directory, and the second undoes that.
    let command = "cd ../tmp; case $TMPX_CHUNK in \
        0) mv tmp.* moved; ln -s ../other ${1%/*};; \
        *) rm ${1%/*}; mv moved ${1%/*}; cat $1;; esac";
    let script = format!(
        "seq 2 > in.txt; tmpx chunk -j 1 --rows 1 in.txt -- sh -c '{command}' sh {{}}; ls ../other"
    );
    sandbox.sh(&script).expects(0, "2\nchunk-000000.txt\n", "");
}

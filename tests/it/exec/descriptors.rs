//! The descriptors that a command of `tmpx exec` gets.

use std::fs;

use crate::support::sandbox::{Sandbox, has, words};

#[test]
fn anon_fd_opens_an_unnamed_file_for_reading_and_writing_on_that_number() {
    let sandbox = Sandbox::new();
    let script = "echo one >&9; echo two >&9; cat /proc/self/fd/9; stat -Lc '%a %h %F' /proc/self/fd/9; \
                  wc -c < /proc/self/fd/4; grep flags /proc/self/fdinfo/4; ls -A";
    let args = ["exec", "--anon-fd", "9", "--anon-fd", "4", "--", "bash", "-c", script];
    if !has("bash") {
        return;
    }
    // 02 is O_RDWR, 020000000 O_TMPFILE, 0100000 O_LARGEFILE.
    let expected = "one\ntwo\n600 0 regular file\n0\nflags:\t022500002\n.tmp\n";
    let ran = sandbox.tmpx(args).succeeds();
    let lines = |text: &str| {
        text.lines()
            .filter(|line| !line.starts_with("flags"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(lines(&ran.stdout), lines(expected));
    let flags = ran.stdout.lines().find_map(|line| line.strip_prefix("flags:\t")).unwrap();
    assert_eq!(i32::from_str_radix(flags, 8).unwrap() & 0o3, 0o2, "open for reading and writing");
}

#[test]
fn anon_fd_collides_with_no_descriptor_of_tmpx() {
    let sandbox = Sandbox::new();
    // Includes each number that tmpx might use, also that of the lock.
    let numbers: Vec<String> = (3..=12).chain([100]).map(|n| format!("--anon-fd={n}")).collect();
    let script = "cd /proc/self/fd; for fd in 3 4 5 6 7 8 9 10 11 12 100; do \
                  [ -s $fd ] || stat -Lc %h $fd; done | sort | uniq -c | tr -s ' '; \
                  readlink 101 | grep -c leases";
    let args = ["exec"].into_iter().map(str::to_owned).chain(numbers);
    let args = args.chain(["sh", "-c", script].map(str::to_owned));
    sandbox.tmpx(args).expects(0, " 11 0\n1\n", "");
    let message =
        "tmpx: 99999999 is beyond the limit on open files\nhint: 'ulimit -n' prints the limit\n";
    sandbox.tmpx(words("exec --anon-fd 99999999 true")).expects(2, "", message);
}

#[test]
fn open_descriptors_are_inherited_and_closed_ones_stay_closed() {
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
fn a_command_cannot_write_to_the_lease_that_it_inherits() {
    let sandbox = Sandbox::new();
    let script = "echo nonsense >&100; echo went on";
    let ran = sandbox.tmpx(["exec", "bash", "-c", script]).run();
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "went on\n"), "{ran:?}");
}

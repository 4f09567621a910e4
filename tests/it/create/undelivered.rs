//! If the caller cannot get the paths, the resources are removed.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;

use crate::support::sandbox::{Sandbox, words};

const CREATORS: [&str; 5] =
    ["file", "dir", "file --name a.b", "file --count 700", "workspace --mkdir a"];

#[test]
fn if_stdout_is_full_the_resource_is_removed() {
    for args in CREATORS {
        let sandbox = Sandbox::new();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let ran = sandbox.tmpx(words(args)).stdout(full).run_to_its_stdout();
        assert_eq!(ran.status, Some(1), "{args}");
        assert_eq!(ran.stderr, "tmpx: could not write to stdout: No space left on device\n");
    }
}

#[test]
fn if_stdout_is_closed_the_resource_is_removed() {
    for args in CREATORS {
        let sandbox = Sandbox::new();
        let message = "tmpx: could not write to stdout: Bad file descriptor\n";
        sandbox.sh(&format!("tmpx {args} >&-")).expects(1, "", message);
    }
}

#[test]
fn new_files_never_receive_output_for_closed_descriptors() {
    let sandbox = Sandbox::new();
    let ran = sandbox.sh("exec tmpx file <&- >&- 2>&-").run();
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(1), ""));
    sandbox.sh("tmpx file <&- 2>&-").path();
    sandbox.clean_up();
}

#[test]
fn if_the_reader_has_exited_the_resource_is_removed() {
    for args in CREATORS {
        let sandbox = Sandbox::new();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = sandbox.tmpx(words(args)).stdout(Stdio::from(writer)).run_to_its_stdout();
        assert_eq!(ran.status, Some(1), "{args}");
        assert_eq!(ran.stderr, "tmpx: could not write to stdout: Broken pipe\n");
    }
}

#[test]
fn help_and_version_fail_if_stdout_fails() {
    for args in ["--help", "--version", "file --help", "gettempdir"] {
        let sandbox = Sandbox::new();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let ran = sandbox.tmpx(words(args)).stdout(full).run_to_its_stdout();
        assert_eq!(ran.status, Some(1), "{args}");
    }
}

#[test]
fn a_full_non_blocking_pipe_is_waited_for() {
    let sandbox = Sandbox::new();
    let (mut reader, writer) = std::io::pipe().unwrap();
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
    // The paths are longer than a pipe's buffer, so tmpx meets a full pipe unless it is read very
    // fast.
    let run = sandbox.tmpx(words("file --count 8000")).stdout(Stdio::from(writer));
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text.lines().count())
    });
    let ran = run.run_to_its_stdout();
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(reading.join().unwrap().unwrap(), 8000);
    sandbox.tmpx(words("cleanup --all -q")).succeeds();
}

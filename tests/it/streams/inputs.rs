//! Standard input that cannot be read.

use crate::support::sandbox::Sandbox;

/// The command lines that read standard input, and the statuses of their failures.
const READERS: [(&str, i32); 10] = [
    ("file --from -", 1),
    ("spool", 1),
    ("spool -- true", 125),
    ("replace new", 1),
    ("replace --append new", 1),
    ("chunk --rows 1 --format csv", 1),
    ("chunk --rows 1 --format csv -- true", 125),
    ("chunk --rows 1 --format csv -", 1),
    ("cache set key", 1),
    ("cache run --key-stdin -- true", 125),
];

#[test]
fn no_command_reads_standard_input_that_is_closed_or_open_for_writing_only() {
    let sandbox = Sandbox::new();
    let reads = |redirection: &str, why: &str| {
        let message = format!("tmpx: could not read standard input: {why}\n");
        for (reader, status) in READERS {
            sandbox.sh(&format!("tmpx {reader} {redirection}")).expects(status, "", &message);
        }
    };
    reads("<&-", "Bad file descriptor");
    reads("0>> ../only-written", "it is open for writing only");
    reads("0> /dev/null", "it is open for writing only");
    reads("< .", "Is a directory");
    assert_eq!(std::fs::read_dir(sandbox.cwd()).unwrap().count(), 0, "nothing was replaced");
}

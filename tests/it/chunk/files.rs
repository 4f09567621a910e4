//! Chunk files: without a command, each chunk becomes a file with a lifetime.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use crate::support::sandbox::{Sandbox, mode};
use crate::support::wait::wait_until;

#[test]
fn chunk_files_are_printed_in_order_and_have_a_lifetime() {
    let sandbox = Sandbox::new();
    let make = "{ echo n; seq 2500; } > in.csv";
    let script = format!("{make}; tmpx chunk --rows 1000 --session s --report r in.csv; cat r >&2");
    let ran = sandbox.sh(&script).run();
    let paths: Vec<&str> = ran.raw.lines().collect();
    assert_eq!(ran.stderr, "{\"chunks\":3,\"records\":2500,\"bytes\":11393,\"exit\":0}\n");
    assert_eq!(ran.stdout, "$ROOT/tmp/tmp.RANDOM.csv\n".repeat(3));
    let texts: Vec<String> = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let starts: Vec<_> = texts.iter().map(|text| text.lines().nth(1).unwrap()).collect();
    assert_eq!(starts, ["1", "1001", "2001"]);
    assert!(texts.iter().all(|text| text.starts_with("n\n")));
    assert_eq!(mode(paths[0]), 0o600);
    sandbox.tmpx(["cleanup", "-q", "--session", "s"]).succeeds();
    assert_eq!(sandbox.left(), [""; 0]);
}

#[test]
fn a_pipe_gives_the_same_files_and_json_lists_them() {
    let sandbox = Sandbox::new();
    let script =
        "seq 1200 | tmpx chunk --format lines --rows 1 -p . | xargs cat | cksum; seq 1200 | cksum";
    let ran = sandbox.sh(script).succeeds();
    let sums: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(sums[0], sums[1]);
    let script = "seq 3 | tmpx chunk --format lines --rows 2 --json --to ndjson; \
        seq 3 | tmpx chunk --format ndjson --rows 2 --json --to json | wc -l";
    let ran = sandbox.sh(script).run();
    assert_eq!(ran.stdout, "2\n");
    assert!(ran.stderr.contains("have no names for their fields"), "{ran:?}");
    sandbox.clean_up();
}

#[test]
fn standard_input_that_does_not_block_is_waited_for() {
    let sandbox = Sandbox::new();
    let (reader, mut writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&reader, true).unwrap();
    let pipe = reader.try_clone().unwrap();
    let run = sandbox.tmpx(["chunk", "--format", "lines", "--rows", "1"]);
    let chunk = run.prepared().stdin(reader).stdout(Stdio::piped()).spawn().unwrap();
    writer.write_all(b"1\n2\n").unwrap();
    wait_until("the input is read", || rustix::io::ioctl_fionread(&pipe).unwrap() == 0);
    let stat = format!("/proc/{}/stat", chunk.id());
    wait_until("it sleeps", || fs::read_to_string(&stat).unwrap().contains(") S "));
    drop(writer);
    let output = chunk.wait_with_output().unwrap();
    let paths = String::from_utf8(output.stdout).unwrap();
    let files = paths.lines().map(|path| fs::read_to_string(path).unwrap());
    assert_eq!(files.collect::<Vec<_>>(), ["1\n", "2\n"]);
    sandbox.clean_up();
}

#[test]
fn a_malformed_stream_leaves_no_chunk_file() {
    let sandbox = Sandbox::new();
    let script = "echo old > r; { echo a; seq 9; echo '\"'; } |
        tmpx chunk --format csv --rows 2 --report r; echo $?; cat r";
    let message = "tmpx: standard input: line 11, byte 21: this quote is never closed\n";
    let printed = "$ROOT/tmp/tmp.RANDOM.csv\n".repeat(4);
    sandbox.sh(script).expects(0, &format!("{printed}1\nold\n"), message);
    assert_eq!(sandbox.left(), [""; 0]);
}

#[test]
fn without_records_there_is_no_file() {
    let sandbox = Sandbox::new();
    sandbox.sh("tmpx chunk --format csv < /dev/null").expects(0, "", "");
    sandbox.sh("echo a | tmpx chunk --format csv | wc -l").expects(0, "1\n", "");
    sandbox.clean_up();
}

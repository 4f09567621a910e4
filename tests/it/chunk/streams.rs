//! Standard input and FIFOs are cut as they arrive.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::sandbox::{Sandbox, words};

#[test]
fn outputs_appear_before_the_input_ends() {
    let sandbox = Sandbox::new();
    let script = "yes x | tmpx chunk --format lines --rows 1000 -- tail -n 1 | head -n 3";
    let began = Instant::now();
    sandbox.sh(script).expects(0, "x\nx\nx\n", "");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_quote_within_a_field_of_the_header_does_not_make_a_stream_wait() {
    let sandbox = Sandbox::new();
    for options in ["--format csv", "--format csv --delimiter ,", "--format tsv"] {
        let delimiter = if options.ends_with("tsv") { "\t" } else { "," };
        // The input ends once the command has read the first chunk.
        let script = format!(
            "rm -f gate; mkfifo gate
            {{ printf '5\" x{delimiter}b\\n1\\n2\\n'; timeout 20 cat gate || echo late; }} |
                tmpx chunk {options} --rows 1 --merge -- sh -c '[ $TMPX_CHUNK = 1 ] || timeout 20 sh -c \": > gate\"; cat'"
        );
        sandbox.sh(&script).expects(0, &format!("5\" x{delimiter}b\n1\n2\n"), "");
    }
}

#[test]
fn a_fifo_is_read_like_standard_input_and_mixes_with_files() {
    let sandbox = Sandbox::new();
    let script = "mkfifo f.csv; printf 'a\n1' > 1.csv; printf 'a\n2\n3\n' > f.csv & \
        tmpx chunk --rows 2 1.csv f.csv -- cat; wait";
    let hint = "hint: each output begins with the same line; --merge prints it once\n";
    sandbox.sh(script).expects(0, "a\n1\n2\na\n3\n", hint);
}

#[test]
fn fifos_may_get_their_writers_one_after_the_other() {
    let sandbox = Sandbox::new();
    sandbox.sh("mkfifo 1.txt 2.txt; seq 50000 > in; cat in in > all").succeeds();
    for read in ["tmpx chunk 1.txt 2.txt -- cat", "cat $(tmpx chunk --rows 40000 1.txt 2.txt)"] {
        let script = format!("{{ cat in > 1.txt; cat in > 2.txt; }} & {read} | cmp - all");
        sandbox.sh(&script).expects(0, "", "");
    }
    sandbox.clean_up();
}

#[test]
fn a_file_as_standard_input_is_read_from_its_offset() {
    let sandbox = Sandbox::new();
    let script = "printf 'junk\na\n1\n2\n' > in; \
        { read line; tmpx chunk --format csv --rows 1 --merge -- cat; } < in";
    // dash reads a line byte by byte, so the offset is exact.
    sandbox.sh(script).expects(0, "a\n1\n2\n", "");
    // Places count from there, as in a pipe.
    for (text, options, message) in [
        ("\\351\n1\n", "csv --to json", "line 1, byte 1: not UTF-8"),
        ("a\n1\n\\351\n", "csv --to json --report r", "line 3, byte 5: not UTF-8"),
        ("a\n1\n\"2\n", "csv", "line 3, byte 5: this quote is never closed"),
        ("a,a\n", "csv --to json", "line 1, byte 1: duplicate column a"),
        ("[1,\n2,]", "json", "line 2, byte 6: trailing comma"),
    ] {
        let chunk = format!("tmpx chunk --rows 1 --format {options} -- cat > out");
        let ran = sandbox
            .sh(&format!("printf 'junk\n{text}' > in; {{ read line; {chunk}; }} < in"))
            .run();
        assert_eq!(ran.status, Some(125), "{text}: {ran:?}");
        assert!(ran.stderr.contains(&format!("standard input: {message}\n")), "{text}: {ran:?}");
        let piped = sandbox.sh(&format!("tail -n +2 in | {chunk}")).run();
        assert_eq!(piped.stderr, ran.stderr, "{text}");
    }
    let report = fs::read_to_string(sandbox.cwd().join("r")).unwrap();
    assert!(report.contains(r#""failed":{"chunk":1,"offset":4,"rows":1,"#), "{report}");
    let ran = sandbox.sh("tmpx chunk --format lines -- cat < /proc/version").succeeds();
    assert!(ran.stdout.starts_with("Linux version"), "{ran:?}");
}

#[test]
fn at_most_two_outputs_a_job_wait_for_a_slow_first_one() {
    let sandbox = Sandbox::new();
    let command = "echo x >> started; [ $TMPX_CHUNK = 0 ] && { sleep 1; wc -l < started; }; true";
    let script = format!(
        "seq 100 > in.txt; tmpx chunk -j 2 --rows 1 in.txt -- sh -c '{command}' | head -n 1"
    );
    sandbox.sh(&script).expects(0, "4\n", "");
}

#[test]
fn memory_stays_small_for_endless_input() {
    let sandbox = Sandbox::new();
    let script = "ulimit -v 400000; yes 0123456789012345678901234567890123456789 | head -c 300M | \
        tmpx chunk -j 2 --bytes 4M --format lines -- wc -c | awk '{ n += $1 } END { print n }'";
    sandbox.sh(script).expects(0, "314572800\n", "");
}

#[test]
fn files_that_the_kernel_generates_are_streams() {
    let sandbox = Sandbox::new();
    for file in ["/sys/kernel/uevent_seqnum", "/proc/sys/kernel/ostype"] {
        let Ok(content) = fs::read_to_string(file) else { continue };
        let line = format!("chunk --format lines --rows 1 {file} -- cat");
        sandbox.tmpx(words(&line)).expects(0, &content, "");
    }
}

//! Commands on chunks: what they get, and how their outputs are joined.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::support::sandbox::{NOBODY, Sandbox, has, is_root, mode};

const NUMBERS: &str = "{ echo n; seq 10; } > in.csv";

#[test]
fn few_descriptors_mean_few_commands_at_once() {
    let sandbox = Sandbox::new();
    for limit in [16, 24, 32, 64, 100] {
        let script = format!(
            "seq 300000 > in.txt; ulimit -n {limit}; \
             tmpx chunk -j 40 --bytes 70K in.txt -- cat | cmp - in.txt"
        );
        sandbox.sh(&script).expects(0, "", "");
    }
}

#[test]
fn the_soft_limit_on_open_files_bounds_neither_inputs_nor_commands_and_commands_find_it() {
    let sandbox = Sandbox::new();
    let script = "mkdir in; for n in $(seq 100); do printf 'n\\n%s\\n' $n > in/$n.csv; done; ulimit -Sn 20; \
                  tmpx chunk --merge --rows 1 -j 20 in/*.csv -- cat | sort -n | tail -n 1; \
                  tmpx chunk in/1.csv -- sh -c 'ulimit -Sn'";
    sandbox.sh(script).expects(0, "100\n20\n", "");
}

#[test]
fn outputs_come_in_order_whatever_the_commands_take() {
    let sandbox = Sandbox::new();
    let script = "seq 40 > in.txt; tmpx chunk -j 8 --rows 1 in.txt -- \
        sh -c 'read n; sleep 0.0$(( (n * 7) % 9 )); echo $TMPX_CHUNK $n'";
    let expected: Vec<String> = (0..40).map(|n| format!("{n} {}\n", n + 1)).collect();
    let expected = expected.concat();
    sandbox.sh(script).expects(0, &expected, "");
    let script = "cat in.txt | tmpx chunk -j 8 --rows 1 --format lines -- \
        sh -c 'read n; sleep 0.0$(( (n * 5) % 9 )); echo $TMPX_CHUNK $n'";
    sandbox.sh(script).expects(0, &expected, "");
}

#[test]
fn many_small_chunks_do_not_stall() {
    let sandbox = Sandbox::new();
    let script = "seq 500 > in.txt; tmpx chunk -j 2 --rows 1 in.txt -- true; \
        tmpx chunk -j 2 --rows 1 in.txt -- cat | cmp - in.txt";
    sandbox.sh(script).expects(0, "", "");
}

#[test]
fn large_outputs_are_passed_on_whole() {
    let sandbox = Sandbox::new();
    let script = "{ echo n; seq 1000000; } > in.csv; \
        tmpx chunk --merge --bytes 1M in.csv -- cat | cmp - in.csv; \
        tmpx chunk --merge --bytes 1M in.csv -- cat > out; cmp out in.csv; \
        tmpx chunk --merge --bytes 1M in.csv -- cat >> out; tail -c 6888898 out | cmp - in.csv; \
        cat in.csv | tmpx chunk --format csv --merge --bytes 1M -o out -- cat; cmp out in.csv";
    sandbox.sh(script).expects(0, "", "");
}

#[test]
fn merge_prints_the_header_once_and_a_hint_says_so() {
    let sandbox = Sandbox::new();
    let hint = "hint: each output begins with the same line; --merge prints it once\n";
    let script = format!("{NUMBERS}; tmpx chunk --rows 6 in.csv -- cat");
    let all = "n\n1\n2\n3\n4\n5\n6\nn\n7\n8\n9\n10\n";
    sandbox.sh(&script).expects(0, all, hint);
    sandbox.sh("tmpx chunk --rows 6 --merge in.csv -- cat").expects(
        0,
        &all.replacen("\nn", "", 1),
        "",
    );
    sandbox.sh("tmpx chunk --rows 5 in.csv -- wc -l").expects(0, "6\n6\n", "");
    let script = "tmpx chunk --rows 5 --merge in.csv -- sh -c 'echo $TMPX_CHUNK; cat'";
    let ran = sandbox.sh(script).run();
    assert_eq!(ran.status, Some(125), "{ran:?}");
    assert!(
        ran.stderr.ends_with("the output of chunk 1 has another header than those before it\n")
    );
    let script = "tmpx chunk --rows 4 --merge=json in.csv -- \
        python3 -c 'import csv, json, sys; print(json.dumps([r for r in csv.DictReader(sys.stdin) if r[\"n\"] > \"5\"]))'";
    let out = sandbox.sh(script).succeeds().stdout;
    assert_eq!(out, r#"[{"n": "6"}, {"n": "7"}, {"n": "8"},{"n": "9"}]"#.to_owned() + "\n");
    sandbox.sh("tmpx chunk --rows 4 --merge=json in.csv -- echo '[]'").expects(0, "[]\n", "");
    let script = "tmpx chunk --rows 4 --merge=lines in.csv -- printf x";
    sandbox.sh(script).expects(0, "x\nx\nx\n", "");
}

#[test]
fn merge_adds_nothing_for_an_output_that_is_only_the_header() {
    let sandbox = Sandbox::new();
    sandbox.sh("printf 'n\\n1\\n2\\n3\\n' > in.csv").succeeds();
    for (header, rest) in [("n\\n", "1\\n"), ("n", "\\n1\\n"), ("\\357\\273\\277n", "\\n1\\n")] {
        let command = format!("printf \"{header}\"; [ $TMPX_CHUNK = 1 ] || printf \"{rest}\"");
        let script = format!("tmpx chunk --rows 1 --merge in.csv -- sh -c '{command}'");
        let merged = sandbox.sh(&script).succeeds().stdout;
        assert_eq!(merged.trim_start_matches('\u{feff}'), "n\n1\n1\n", "{header}");
    }
    // A header that is held in a file.
    let script = "{ seq -s, 20000; seq -s, 20000; seq -s, 20000; } > in.csv; wc -c < in.csv
        for to in '' '-o out'; do tmpx chunk --rows 1 --merge $to in.csv -- \
            sh -c 'if [ $TMPX_CHUNK = 0 ]; then cat; else head -n 1; fi' > stdout
            cat stdout out 2>/dev/null | wc -c; done";
    sandbox.sh(script).expects(0, "326682\n217788\n217788\n", "");
    // Lines have no header, but a byte order mark.
    let script = "tmpx chunk --rows 1 --merge=lines in.csv -- printf '\\357\\273\\277' | wc -c";
    sandbox.sh(script).expects(0, "4\n", "");
}

#[test]
fn merge_reads_the_outputs_with_the_delimiter_of_the_chunks() {
    let sandbox = Sandbox::new();
    for header in ["a:\"x\ny\"", "a:b,\"c"] {
        let all = format!("{header}\n1:2\n3:4\n");
        fs::write(sandbox.cwd().join("in.csv"), &all).unwrap();
        let script = "tmpx chunk --rows 1 --delimiter : --merge in.csv -- cat";
        sandbox.sh(script).expects(0, &all, "");
        let script = "tmpx chunk --rows 1 --delimiter : --merge=tsv in.csv -- tr : '\t'";
        sandbox.sh(script).expects(0, &all.replace(':', "\t"), "");
    }
}

#[test]
fn merge_refuses_what_is_not_of_its_format() {
    let sandbox = Sandbox::new();
    sandbox.sh(&format!("{NUMBERS}; echo old > out")).succeeds();
    for (options, command, message) in [
        ("--merge=json", "echo '[1'", "json: byte 4: the array is cut off"),
        ("--merge=json", "echo '[]'; echo x", "json: byte 4: text after the array"),
        ("--merge=json", "echo 1", "json: byte 1: expected an array, found a number"),
        ("--merge", "gzip", "csv"),
        ("--merge=lines", "gzip", "lines"),
        ("--merge", "printf '\"a\\n'", "csv: byte 1: this quote is never closed"),
    ] {
        let script = format!(
            "tmpx chunk --rows 10 {options} -o out in.csv -- sh -c \"$1\"; echo $?; cat out"
        );
        let mut run = sandbox.sh(&script).prepared();
        run.args(["sh", command]);
        let ran = sandbox.command(run).run();
        assert_eq!(ran.stdout, "125\nold\n", "{command}: {ran:?}");
        let expected = format!(
            "tmpx: chunk 0 (rows 1 to 10, in.csv from byte 3, 21 bytes) failed: the output of chunk 0 is no {message}\n"
        );
        assert_eq!(ran.stderr, expected, "{command}");
    }
}

#[test]
fn a_placeholder_is_the_path_of_the_chunk_and_standard_input_is_empty() {
    let sandbox = Sandbox::new();
    let script = format!(
        "{NUMBERS}; tmpx chunk --rows 6 in.csv -- sh -c 'cat; wc -l < $1; echo ${{1##*.}}' sh {{}}"
    );
    sandbox.sh(&script).expects(0, "7\ncsv\n5\ncsv\n", "");
    let script = "tmpx chunk --to json in.csv -- sh -c 'echo ${1##*.}' sh {}";
    sandbox.sh(script).expects(0, "json\n", "");
    let script =
        "mkdir there; tmpx chunk -p there in.csv -- sh -c 'echo ${1%/*/*}' sh {}; ls there";
    sandbox.sh(script).expects(0, "$ROOT/cwd/there\n", "");
    // What a command leaves beside its chunk is removed too.
    let script = "tmpx chunk in.csv -- sh -c 'touch $1.more' sh {}";
    sandbox.sh(script).expects(0, "", "");
}

#[test]
fn a_command_that_stops_reading_has_not_failed() {
    let sandbox = Sandbox::new();
    let script = "{ echo n; seq 300000; } > in.csv; tmpx chunk --rows 100000 in.csv -- head -n 2";
    let hint = "hint: each output begins with the same line; --merge prints it once\n";
    sandbox.sh(script).expects(0, "n\n1\nn\n100001\nn\n200001\n", hint);
    sandbox.sh("tmpx chunk --rows 100000 in.csv -- true").expects(0, "", "");
}

#[test]
fn the_output_file_is_replaced_whole_and_may_be_an_input() {
    let sandbox = Sandbox::new();
    let owner = if is_root() { NOBODY } else { fs::metadata(sandbox.cwd()).unwrap().uid() };
    let script = format!(
        "{NUMBERS}; chmod 640 in.csv; ln -s in.csv link; chown {owner} in.csv; \
        tmpx chunk --rows 3 --merge -o link in.csv -- sed s/1/one/; cat in.csv"
    );
    let expected = "n\none\n2\n3\n4\n5\n6\n7\n8\n9\none0\n";
    sandbox.sh(&script).expects(0, expected, "");
    assert_eq!(mode(sandbox.cwd().join("in.csv")), 0o640);
    assert_eq!(fs::metadata(sandbox.cwd().join("in.csv")).unwrap().uid(), owner);
    assert!(fs::symlink_metadata(sandbox.cwd().join("link")).unwrap().is_symlink());
    let script =
        "tmpx chunk --to json --rows 4 --merge -o all.json in.csv -- cat; wc -l < all.json";
    sandbox.sh(script).expects(0, "8\n", "");
    sandbox.sh("tmpx chunk --format csv -o new -- cat < /dev/null; cat new").expects(0, "", "");
}

#[test]
fn a_process_that_is_left_behind_is_waited_for_at_most_a_second() {
    let sandbox = Sandbox::new();
    let script = format!(
        "{NUMBERS}; tmpx chunk in.csv -- sh -c 'sleep 30 & echo $! > pid; echo done'; kill $(cat pid)"
    );
    let began = std::time::Instant::now();
    sandbox.sh(&script).expects(0, "done\n", "");
    assert!(began.elapsed().as_secs() < 15);
}

#[test]
fn what_a_command_has_written_is_read_also_if_tmpx_gets_to_it_late() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    // tmpx is stopped until the command has ended. Then it takes over a second to learn that.
    let command = "kill -STOP $PPID; seq 100000
        sh -c 'until grep -qs \") Z\" /proc/$1/stat; do sleep 0.01; done; kill -CONT $2' \
            sh $$ $PPID >/dev/null 2>&1 &";
    let strace = "strace -qq -o /dev/null -e inject=wait4,waitid:delay_exit=1100000";
    let script = format!(
        "seq 100000 > in.txt; {strace} tmpx chunk in.txt -- sh -c \"$1\" > out; echo $?; cmp out in.txt"
    );
    let mut run = sandbox.sh(&script).prepared();
    run.args(["sh", command]);
    sandbox.command(run).expects(0, "0\n", "");
}

#[test]
fn a_report_counts_chunks_records_and_bytes() {
    let sandbox = Sandbox::new();
    let script = format!("{NUMBERS}; tmpx chunk --rows 4 --report r in.csv -- true; cat r");
    let report = "{\"chunks\":3,\"records\":10,\"bytes\":21,\"exit\":0}\n";
    sandbox.sh(&script).expects(0, report, "");
    let script = "tmpx chunk -j1 --rows 4 --report r in.csv -- sh -c 'cat >/dev/null; exit $((TMPX_CHUNK * 3))'; cat r";
    let ran = sandbox.sh(script).run();
    let failed = "{\"chunks\":1,\"records\":4,\"bytes\":8,\"exit\":3,\
                  \"failed\":{\"chunk\":1,\"offset\":10,\"rows\":4,\"status\":3}}\n";
    assert_eq!(ran.stdout, failed);
    let script =
        "tmpx chunk -j1 --rows 4 --report r --merge in.csv -- sh -c 'echo $TMPX_CHUNK; cat'; cat r";
    let ran = sandbox.sh(script).run();
    let failed = failed.replace("3,\"f", "125,\"f").replace("3}", "125}");
    assert_eq!(ran.stdout, format!("0\nn\n1\n2\n3\n4\n{failed}"));
    let script =
        "tmpx chunk --report r in.csv -- sh -c 'kill -TERM $PPID; exec sleep 60'; echo $?; cat r";
    let ran = sandbox.sh(script).run();
    assert_eq!(ran.stdout, "143\n{\"chunks\":0,\"records\":0,\"bytes\":0,\"exit\":143}\n");
}

#[test]
fn a_report_is_written_also_where_tmpx_fails_after_the_first_command() {
    let sandbox = Sandbox::new();
    let chunks = |chunks: u32, records: u32| {
        let bytes = 2 * records;
        format!("{{\"chunks\":{chunks},\"records\":{records},\"bytes\":{bytes},\"exit\":125}}\n")
    };
    // A stream that is malformed at its end.
    let script = "echo old > r; printf 'a\\n1\\n2\\n\"' |
        tmpx chunk --format csv --rows 1 --report r -- tail -n 1; cat r";
    let message = "tmpx: standard input: line 4, byte 7: this quote is never closed\n";
    sandbox.sh(script).expects(0, &format!("1\n2\n{}", chunks(2, 2)), message);
    // A full disk.
    let script =
        "echo old > r; seq 4 > in.txt; tmpx chunk --report r in.txt -- cat >/dev/full; cat r";
    let message = "tmpx: could not write to stdout: No space left on device\n";
    sandbox.sh(script).expects(0, &chunks(1, 4), message);
    // A reader that has gone.
    let script =
        "echo old > r; { trap '' PIPE; tmpx chunk --report r in.txt -- sleep 60; } | true; cat r";
    let message = "tmpx: could not write to stdout: Broken pipe\n";
    sandbox.sh(script).expects(0, &chunks(0, 0), message);
    // An output that cannot be put in its place.
    let script = "echo old > r; mkdir d; tmpx chunk -o d/o --report r in.txt -- rm -r d; cat r";
    let ran = sandbox.sh(script).run();
    assert_eq!(ran.stdout, chunks(1, 4), "{ran:?}");
    // Where nothing has run, there is nothing to report.
    let script = "echo old > r; printf '\"' > in.csv; tmpx chunk --report r in.csv -- cat; cat r";
    let message = "tmpx: in.csv: line 1, byte 1: this quote is never closed\n";
    sandbox.sh(script).expects(0, "old\n", message);
}

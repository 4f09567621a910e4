//! Where records begin and end, by the fixtures that every chunker must pass.

use std::fs;

use crate::support::sandbox::Sandbox;

/// Cuts a file into chunks of this many records, and returns each as JSON would print it.
fn chunks(name: &str, text: &[u8], options: &str) -> Vec<String> {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join(name), text).unwrap();
    let show = "-- python3 -c 'import sys; print(repr(sys.stdin.buffer.read()))'";
    let ran = sandbox.sh(&format!("tmpx chunk {options} {name} {show}")).succeeds();
    // A pipe is cut like a file.
    let format = match name.rsplit_once('.').unwrap().1 {
        "txt" => "lines",
        extension => extension,
    };
    let piped = format!("cat {name} | tmpx chunk --format {format} {options} {show}");
    assert_eq!(sandbox.sh(&piped).succeeds().stdout, ran.stdout, "{options}");
    ran.stdout.lines().map(|line| line[2..line.len() - 1].to_owned()).collect()
}

fn rows(text: &str) -> Vec<String> {
    chunks("in.csv", text.as_bytes(), "--rows 1")
}

#[test]
fn each_chunk_of_csv_has_the_header_and_whole_records() {
    assert_eq!(rows("a,b\n1,2\n3,4\n"), [r"a,b\n1,2\n", r"a,b\n3,4\n"]);
    assert_eq!(rows("a,b\n1,\"x\ny\"\n3,4\n"), [r#"a,b\n1,"x\ny"\n"#, r"a,b\n3,4\n"]);
    assert_eq!(rows("a,b\n1,\"x\"\"\ny\"\n3,4"), [r#"a,b\n1,"x""\ny"\n"#, r"a,b\n3,4"]);
    assert_eq!(rows("\"a\nb\",c\n1,2\n3,4\n"), [r#""a\nb",c\n1,2\n"#, r#""a\nb",c\n3,4\n"#]);
    assert_eq!(rows("a\r\n1\r\n\"2\r\n\"\r\n"), [r"a\r\n1\r\n", r#"a\r\n"2\r\n"\r\n"#]);
}

#[test]
fn ragged_rows_and_quotes_within_a_field_are_data() {
    assert_eq!(rows("a,b\n1\n1,2,3\n"), [r"a,b\n1\n", r"a,b\n1,2,3\n"]);
    assert_eq!(rows("a,b\n5\" pipe,1\n6\" pipe,2\n").len(), 2);
    assert_eq!(rows("a,b\n\"x\"y\"z,1\n2,3\n").len(), 2);
    assert_eq!(rows("a,b\n1\r2,3\n4,5\n"), [r"a,b\n1\r2,3\n", r"a,b\n4,5\n"]);
}

#[test]
fn a_byte_order_mark_is_dropped_and_a_quote_after_it_opens() {
    assert_eq!(rows("\u{feff}\"a\nb\",c\n1,2\n"), [r#""a\nb",c\n1,2\n"#]);
}

#[test]
fn a_blank_line_belongs_to_the_record_before_it_and_is_not_counted() {
    assert_eq!(rows("\n\na\n1\n\n\n2\n"), [r"\n\na\n1\n\n\n", r"\n\na\n2\n"]);
    assert_eq!(rows("a\n\r\n1\n\r\n2\n"), [r"a\n\r\n1\n\r\n", r"a\n\r\n2\n"]);
}

#[test]
fn without_bytes_there_is_no_chunk_and_a_header_alone_is_one() {
    assert_eq!(rows(""), [""; 0]);
    assert_eq!(rows("a,b\n"), [r"a,b\n"]);
    assert_eq!(rows("a,b"), ["a,b"]);
    assert_eq!(chunks("in.json", b"[ ]", "--rows 1"), ["[]"]);
    assert_eq!(chunks("in.json", b"", "--rows 1"), [""; 0]);
    assert_eq!(chunks("in.txt", b"", "--rows 1"), [""; 0]);
}

#[test]
fn an_empty_input_before_the_first_record_takes_no_header_away() {
    let sandbox = Sandbox::new();
    let files = r"printf 'a,b\n1,2\n' > 1.csv; printf 'a,b\n3,4' > 2.csv; : > 0.csv";
    sandbox.sh(&format!(r"{files}; printf '\357\273\277' > bom.csv")).succeeds();
    for inputs in ["0.csv 1.csv 0.csv 2.csv", "bom.csv 1.csv bom.csv 2.csv", "1.csv 2.csv 0.csv"] {
        let expected = "a,b\n1,2\n3,4";
        let script = format!("tmpx chunk --rows 9 {inputs} -- cat");
        let found = sandbox.sh(&script).succeeds().stdout;
        assert_eq!(found.trim_end(), expected, "{inputs}");
        let streams = inputs.replacen("1.csv", "-", 1);
        let script = format!("cat 1.csv | tmpx chunk --format csv {streams} -- cat");
        let found = sandbox.sh(&script).succeeds().stdout;
        assert_eq!(found.trim_end(), expected, "{streams}");
    }
    for input in ["0.csv", "bom.csv"] {
        sandbox.sh(&format!("tmpx chunk {input} -- echo ran")).expects(0, "", "");
        let script = format!("cat {input} | tmpx chunk --format csv -- echo ran");
        sandbox.sh(&script).expects(0, "", "");
    }
}

#[test]
fn a_chunk_has_at_most_the_bytes_that_fit_unless_one_record_has_more() {
    let text = b"a\n11\n22\n3333333333\n44\n55\n";
    let expected = [r"a\n11\n22\n", r"a\n3333333333\n", r"a\n44\n55\n"];
    assert_eq!(chunks("in.csv", text, "--bytes 6"), expected);
    assert_eq!(chunks("in.csv", text, "--bytes 1G").len(), 1);
}

#[test]
fn the_delimiter_is_the_most_frequent_one_in_the_header_outside_quotes() {
    // A quote opens after the delimiter only.
    assert_eq!(rows("a;\",,,\";c\n1;\"x\ny\";2\n3;4;5\n").len(), 2);
    assert_eq!(rows("a|b\n1|\"x\ny\"\n").len(), 1);
    assert_eq!(chunks("in.tsv", b"a\tb\n1\t\"x\ny\"\n2\t3\n", "--rows 1").len(), 2);
    assert_eq!(chunks("in.csv", b"a:b\n1:\"x\ny\"\n", "--rows 1 --delimiter :").len(), 1);
    // All records of the header count, and blank lines are none.
    let text = b"# made by x, y\n\n\r\nid;text;\"m,o\nr,e\"\n1;\"x\ny\";2\n3;4;5\n";
    assert_eq!(chunks("in.csv", text, "--rows 1 --header 2").len(), 2);
    assert_eq!(chunks("in.csv", text, "--rows 9 --header 1").len(), 1);
    assert_eq!(chunks("in.csv", b"a;b\n1;\"x\ny\"\n2,3,4\n", "--rows 1 --header 0").len(), 3);
    let error = "tmpx: in.csv: line 1, byte 4: lines end with a carriage return and no line feed\n\
                 hint: tr '\\r' '\\n' <in.csv | tmpx chunk --format csv …\n";
    let script = "printf 'a,b\\r1,2\\r' > in.csv; tmpx chunk --header 2 in.csv";
    Sandbox::new().sh(script).expects(1, "", error);
}

#[test]
fn a_quote_within_a_field_of_the_header_does_not_open() {
    let expected = [r#"5" x;b\n1;"a\nb"\n"#, r#"5" x;b\n2;c\n"#];
    assert_eq!(rows("5\" x;b\n1;\"a\nb\"\n2;c\n"), expected);
    // One quote that opens behind one that does not.
    assert_eq!(rows("5\" x|\"a\"\"\n|b\"|c\n1|\"\n\"|2\n3|4|5\n").len(), 2);
    // No quote can open behind a delimiter that another one was given for.
    let text = b"a,\"b:c\n1:2\n";
    assert_eq!(chunks("in.csv", text, "--rows 1 --delimiter :"), [r#"a,"b:c\n1:2\n"#]);
}

#[test]
fn header_n_repeats_so_many_records() {
    let text = b"# made\na\n1\n2\n";
    let two = [r"# made\na\n1\n", r"# made\na\n2\n"];
    assert_eq!(chunks("in.csv", text, "--rows 1 --header 2"), two);
    let none = [r"# made\na\n", r"1\n2\n"];
    assert_eq!(chunks("in.csv", text, "--rows 2 --header 0"), none);
    assert_eq!(chunks("in.txt", b"h\n1\n2\n", "--rows 1 --header 1"), [r"h\n1\n", r"h\n2\n"]);
}

#[test]
fn lines_and_ndjson_are_a_record_each() {
    assert_eq!(chunks("in.txt", b"1\n\n\"2\n3", "--rows 2"), [r"1\n\n", r#""2\n3"#]);
    let text = b"{\"a\":\"[,\"}\n[1,\n";
    assert_eq!(chunks("in.ndjson", text, "--rows 1"), [r#"{"a":"[,"}\n"#, r"[1,\n"]);
}

#[test]
fn elements_of_an_array_stay_whole_and_each_chunk_is_an_array() {
    let text = br#" [{"a":"],\"["}, [1,2] ,null,"x"]"#;
    let expected = [r#" [{"a":"],\\"["}, [1,2] ]"#, r#"[null,"x"]"#];
    assert_eq!(chunks("in.json", text, "--rows 2"), expected);
    let nested = format!("[{}{}]", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(chunks("in.json", nested.as_bytes(), "--rows 1").len(), 1);
}

#[test]
fn several_inputs_are_one_stream_and_chunks_are_filled_across_them() {
    let sandbox = Sandbox::new();
    // A byte order mark is dropped in every input.
    let files = r#"printf 'a,b\n1,2' > 1.csv; printf '\357\273\277"a",b\r\n3,4\n5,6\n' > 2.csv"#;
    sandbox.sh(files).succeeds();
    let script = "tmpx chunk --rows 2 1.csv 2.csv -- sh -c 'echo $TMPX_CHUNK_ROWS; cat'";
    sandbox.sh(script).expects(0, "2\na,b\n1,2\n3,4\n1\na,b\n5,6\n", "");
    let differ = "tmpx: the headers of 1.csv and 3.csv differ\n\
                  hint: --to ndjson makes each record an object by its own header\n";
    let script = "printf 'a;b\n1;2\n' > 3.csv; tmpx chunk 1.csv 3.csv -- cat";
    sandbox.sh(script).expects(125, "", differ);
    let files =
        r"printf '[1,2]' > 1.json; printf '[]' > 2.json; printf '\357\273\277 [3]\n' > 3.json";
    sandbox.sh(files).succeeds();
    let script = "tmpx chunk --rows 2 1.json 2.json 3.json -- cat";
    sandbox.sh(script).expects(0, "[1,2][3]\n", "");
    let script = "tmpx chunk --rows 9 1.json 2.json 3.json -- cat";
    sandbox.sh(script).expects(0, "[1,2,3]\n", "");
    let files = r"printf '1\n2' > 1.ndjson; printf '\357\273\277[3]\n' > 2.ndjson";
    let script = format!("{files}; tmpx chunk --rows 2 1.ndjson 2.ndjson -- sh -c 'cat; echo .'");
    sandbox.sh(&script).expects(0, "1\n2\n.\n[3]\n.\n", "");
    let differ = "tmpx: 1.csv and 1.json differ in format\n\
                  hint: --to ndjson or --to json gives them one format\n";
    sandbox.sh("tmpx chunk 1.csv 1.json -- cat").expects(125, "", differ);
    // Also if there is nothing in one of them, or if it is a stream.
    let empty = differ.replace("1.csv", "0.json").replace("1.json", "1.csv");
    sandbox.sh(": > 0.json; tmpx chunk --merge 0.json 1.csv -- cat").expects(125, "", &empty);
    sandbox.sh("tmpx chunk 0.json 1.csv").expects(1, "", &empty);
    // tmpx may refuse them before the other program has opened the FIFO.
    let script = "mkfifo f.csv; cat 1.csv > f.csv & tmpx chunk f.csv 1.json -- touch ran; \
                  kill $! 2>/dev/null; wait; ls ran";
    let ran = sandbox.sh(script).run();
    assert!(ran.stderr.starts_with(&differ.replace("1.csv", "f.csv")), "{ran:?}");
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
    // That an input is empty is no fault.
    sandbox.sh("tmpx chunk --to ndjson 0.json 1.csv -- cat").expects(
        0,
        "{\"a\":\"1\",\"b\":\"2\"}\n",
        "",
    );
}

#[test]
fn records_become_json_by_the_header_of_their_own_input() {
    let sandbox = Sandbox::new();
    sandbox
        .sh("printf 'a,b\n1,\"x\n\"\"y\"\n' > 1.csv; printf 'b;c\n2\n3;4;5\n' > 2.csv")
        .succeeds();
    sandbox
        .sh("printf '[{\"a\":\n[1, 2]}, 7]' > 3.json; printf '{\"d\":1}\n\n[]' > 4.ndjson")
        .succeeds();
    let all = "1.csv 2.csv 3.json 4.ndjson";
    let expected = "{\"a\":\"1\",\"b\":\"x\\n\\\"y\"}\n{\"b\":\"2\",\"c\":null}\n\
                    {\"b\":\"3\",\"c\":\"4\",\"3\":\"5\"}\n{\"a\":[1, 2]}\n7\n{\"d\":1}\n[]\n";
    for options in ["--rows 2", "--rows 100", "--bytes 1"] {
        let script = format!("tmpx chunk --to ndjson {options} {all} -- cat");
        sandbox.sh(&script).expects(0, expected, "");
        let script = format!("cat 1.csv | tmpx chunk --format csv --to ndjson {options} -- cat");
        assert!(expected.starts_with(&sandbox.sh(&script).succeeds().stdout));
        let script = format!("tmpx chunk --to json --merge {options} {all} -- cat");
        let merged: serde_json::Value =
            serde_json::from_str(&sandbox.sh(&script).succeeds().stdout).unwrap();
        let lines = expected.lines().map(|line| serde_json::from_str(line).unwrap());
        assert_eq!(merged, serde_json::Value::Array(lines.collect()));
    }
    let duplicate = "printf 'a,b,a\n1,2,3\n' > d.csv; tmpx chunk --to json d.csv -- cat";
    sandbox.sh(duplicate).expects(125, "", "tmpx: d.csv: line 1, byte 1: duplicate column a\n");
    let script = "tmpx chunk --to json --format lines 1.csv -- cat";
    let message = "tmpx: --to: the records of 1.csv have no names for their fields\n";
    sandbox.sh(script).expects(2, "", message);
}

#[test]
fn records_that_become_json_have_a_header_only_where_they_have_fields() {
    let sandbox = Sandbox::new();
    let files = r#"printf '# made\na\n1\n' > 1.csv; printf '{"a":2}\n{"a":3}\n' > 2.ndjson;
        printf '[{"a":4}]' > 3.json"#;
    sandbox.sh(files).succeeds();
    let script = "tmpx chunk --header 2 --to ndjson 1.csv 2.ndjson 3.json -- cat";
    let expected = "{\"a\":\"1\"}\n{\"a\":2}\n{\"a\":3}\n{\"a\":4}\n";
    sandbox.sh(script).expects(0, expected, "");
    let script = "tmpx chunk --format ndjson --header 1 --to json -- cat < 2.ndjson";
    sandbox.sh(script).expects(0, "[{\"a\":2},\n{\"a\":3}]\n", "");
    // As they are, the first ones are repeated.
    let script = "tmpx chunk --header 1 --rows 1 2.ndjson -- sed 1d";
    sandbox.sh(script).expects(0, "{\"a\":3}\n", "");
}

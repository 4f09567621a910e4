//! What cannot be cut is refused before anything runs, with its place and a remedy.

use std::fs;

use crate::support::sandbox::{Sandbox, has, names, words};

/// Expects a refusal with and without a command, as a file and on standard input.
fn refused(name: &str, text: &[u8], message: &str, hint: Option<&str>) {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join(name), text).unwrap();
    let hint = hint.map_or(String::new(), |hint| format!("hint: {hint}\n"));
    let expected = format!("tmpx: {name}: {message}\n{hint}");
    fs::write(sandbox.cwd().join("out"), "old").unwrap();
    sandbox.tmpx(words(&format!("chunk {name}"))).expects(1, "", &expected);
    let script = format!("tmpx chunk -o out {name} -- touch ran; s=$?; ls; cat out; exit $s");
    let found = sandbox.sh(&script).run();
    assert_eq!((found.status, found.stderr.as_str()), (Some(125), expected.as_str()));
    assert!(!found.stdout.contains("ran") && found.stdout.ends_with("old"), "{found:?}");
    let format = name.rsplit_once('.').unwrap().1;
    let piped =
        format!("cat {name} | tmpx chunk --format {format} -o out -- cat; echo $?; cat out");
    let found = sandbox.sh(&piped).run();
    assert!(found.stderr.starts_with(&format!("tmpx: standard input: {message}\n")), "{found:?}");
    assert_eq!(found.stdout, "125\nold");
}

#[test]
fn a_quote_that_is_never_closed_is_named_where_it_opens() {
    let message = "line 3, byte 11: this quote is never closed";
    refused("in.csv", b"a,b\n1,2\n3,\"4\n5,\"\"6\n", message, None);
    // Also where the parity of quotes is even.
    refused(
        "in.csv",
        b"a,b\n1\",2\n3,\"4\n5,6\n",
        "line 3, byte 12: this quote is never closed",
        None,
    );
    refused("in.csv", b"a,\"b\n", "line 1, byte 3: this quote is never closed", None);
    let large = [b"a,b\n".as_slice(), &b"1,2\n".repeat(100_000), b"3,\"4\n"].concat();
    let message = "line 100002, byte 400007: this quote is never closed";
    refused("in.csv", &large, message, None);
}

#[test]
fn nothing_runs_if_only_the_last_chunk_is_malformed() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("in.csv"), "a\n1\n2\n\"3\n").unwrap();
    let message = "tmpx: in.csv: line 4, byte 7: this quote is never closed\n";
    for args in ["chunk --rows 1 in.csv -- touch ran", "chunk --rows 1 in.csv"] {
        let ran = sandbox.tmpx(words(args)).run();
        assert_eq!((ran.stdout, ran.stderr.as_str()), (String::new(), message), "{args}");
        assert_eq!(
            (names(&sandbox.cwd()), sandbox.left().len()),
            (vec!["in.csv".into()], 0),
            "{args}"
        );
    }
}

#[test]
fn json_that_is_no_array_is_refused_for_what_it_is() {
    let jq = "jq -c '.results[]' in.json | tmpx chunk --format ndjson …";
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("in.json"), "{\"results\":[1]}").unwrap();
    let expected =
        format!("tmpx: in.json: line 1, byte 1: expected an array, found an object\nhint: {jq}\n");
    sandbox.tmpx(["chunk", "in.json"]).expects(1, "", &expected);
    for (text, message) in [
        ("\n \"x\"", "line 2, byte 3: expected an array, found a string"),
        ("12", "line 1, byte 1: expected an array, found a number"),
        ("nul", "line 1, byte 1: expected an array, found text"),
        (" \n", "line 2, byte 3: expected an array, found nothing"),
        ("[1,\n2", "line 2, byte 6: the array is cut off"),
        ("[{\"a\":\"]", "line 1, byte 9: the array is cut off"),
        ("[1,\n2,\n]", "line 2, byte 6: trailing comma"),
        ("[1,,2]", "line 1, byte 4: no element before this comma"),
        ("[,1]", "line 1, byte 2: no element before this comma"),
        ("[{} {}]", "line 1, byte 5: no comma before this element"),
        ("[1]\n[2]", "line 2, byte 5: text after the array"),
        ("[1}", "line 1, byte 3: this bracket does not close the array"),
    ] {
        refused("in.json", text.as_bytes(), message, None);
    }
}

#[test]
fn lines_that_end_with_carriage_returns_are_refused() {
    let hint = "tr '\\\\r' '\\\\n' <in.csv | tmpx chunk --format csv …";
    let hint = hint.replace("\\\\", "\\");
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("in.csv"), "a,b\r1,2\r").unwrap();
    let ran = sandbox.tmpx(["chunk", "in.csv"]).run();
    let message = "line 1, byte 4: lines end with a carriage return and no line feed";
    assert_eq!(ran.stderr, format!("tmpx: in.csv: {message}\nhint: {hint}\n"));
    // Standard input, be it a file or a pipe.
    let hint = "… | tr '\\r' '\\n' | tmpx chunk --format csv …";
    let expected = format!("tmpx: standard input: {message}\nhint: {hint}\n");
    for script in ["< in.csv tmpx chunk --format csv", "cat in.csv | tmpx chunk --format csv"] {
        sandbox.sh(script).expects(1, "", &expected);
        sandbox.sh(&format!("{script} -- cat")).expects(125, "", &expected);
    }
}

#[test]
fn packed_inputs_are_named_with_the_pipe_that_unpacks_them() {
    let sandbox = Sandbox::new();
    for (magic, name, is, unpack) in [
        (&b"\x1f\x8b\x08\0abcd"[..], "a.csv.gz", "gzip", "gzip -dc a.csv.gz"),
        (b"\x28\xb5\x2f\xfdabcd", "a.json.zst", "zstd", "zstd -dc a.json.zst"),
        (b"\xfd7zXZ\0abcd", "a.csv", "xz", "xz -dc a.csv"),
        (b"BZh91AY&SYabcd", "a.csv.bz2", "bzip2", "bzip2 -dc a.csv.bz2"),
        (b"BZh9\x17rE8P\x90", "a.csv", "bzip2", "bzip2 -dc a.csv"),
        (b"\xff\xfea\0b\0c\0", "a.csv", "UTF-16", "iconv -f UTF-16 -t UTF-8 a.csv"),
        (b"a\0,\0b\0\n\0", "a.csv", "UTF-16", "iconv -f UTF-16LE -t UTF-8 a.csv"),
        (b"\0a\0,\0b\0\n", "a.csv", "UTF-16", "iconv -f UTF-16BE -t UTF-8 a.csv"),
        (b"\x1f\x8b\x08\0abcd", "a b.csv.gz", "gzip", "gzip -dc 'a b.csv.gz'"),
    ] {
        fs::write(sandbox.cwd().join(name), magic).unwrap();
        let format = if name.contains("json") { "json" } else { "csv" };
        let expected = format!(
            "tmpx: {name}: this is {is}\nhint: {unpack} | tmpx chunk --format {format} …\n"
        );
        sandbox.tmpx(["chunk", name]).expects(1, "", &expected);
        let command = unpack.split_once(if name.contains(' ') { " 'a" } else { " a." }).unwrap().0;
        let expected = format!(
            "tmpx: standard input: this is {is}\nhint: … | {command} | tmpx chunk --format csv …\n"
        );
        sandbox.sh(&format!("tmpx chunk --format csv < '{name}'")).expects(1, "", &expected);
        sandbox.sh(&format!("cat '{name}' | tmpx chunk --format csv")).expects(1, "", &expected);
    }
    fs::write(sandbox.cwd().join("a.parquet"), "PAR1\x15\x04\x15\x0cPAR1").unwrap();
    let expected = "tmpx: a.parquet: this is Parquet\n\
                    hint: duckdb -csv -c \"FROM 'a.parquet'\" | tmpx chunk --format csv …\n";
    sandbox.tmpx(["chunk", "a.parquet"]).expects(1, "", expected);
}

#[test]
fn text_that_begins_like_a_packed_file_is_text() {
    let sandbox = Sandbox::new();
    for text in ["PAR1,PAR2\n1,2\n", "PAR1\n", "BZh\n", "BZh9,BZh8\n1,2\n", "BZh9:1A\n"] {
        fs::write(sandbox.cwd().join("in.csv"), text).unwrap();
        for run in ["in.csv", "--merge in.csv", "--format lines < in.csv", "--merge=lines in.csv"] {
            let script = format!("tmpx chunk {run} -- cat");
            sandbox.sh(&script).expects(0, text, "");
        }
    }
}

#[test]
fn inputs_that_cannot_be_read_are_refused_before_anything_runs() {
    let sandbox = Sandbox::for_nobody();
    sandbox
        .sh("mkdir d.csv; echo a > good.csv; echo a > secret.csv; chmod 0 secret.csv")
        .succeeds();
    for (name, why) in [("d.csv", "Is a directory"), ("no.csv", "No such file or directory")] {
        let expected = format!("tmpx: could not read {name}: {why}\n");
        sandbox
            .tmpx(words(&format!("chunk good.csv {name} -- touch ran")))
            .expects(125, "", &expected);
    }
    let expected = "tmpx: could not read secret.csv: Permission denied\n";
    sandbox.tmpx(["chunk", "secret.csv"]).by_nobody().expects(1, "", expected);
    fs::write(sandbox.cwd().join("data"), "a\n").unwrap();
    let expected = "tmpx: data: unknown format\n\
                    hint: name it: --format csv, tsv, ndjson, json or lines\n";
    sandbox.tmpx(["chunk", "good.csv", "data"]).expects(1, "", expected);
    assert!(!sandbox.cwd().join("ran").exists());
}

#[test]
fn command_lines_without_sense_are_usage_errors() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("in.csv"), "a\n1\n").unwrap();
    for (args, message) in [
        ("in.csv --rows 0", "not a positive number"),
        ("in.csv --bytes 0", "not a positive size"),
        ("in.csv --rows 1 --bytes 1", "give --rows or --bytes, not both"),
        ("in.csv -j 2", "--jobs: only with a command"),
        ("in.csv -o x", "--output: only with a command"),
        ("in.csv --ttl 5m -- cat", "--ttl: only for chunk files, without a command"),
        ("in.csv --to csv", "hint: for CSV use mlr or duckdb on the result of --to ndjson"),
        ("in.csv -n 5", "hint: --rows N counts records, --bytes SIZE bytes"),
        ("in.csv --chunk-size 5", "hint: --rows N counts records, --bytes SIZE bytes"),
        ("in.csv --block 5M", "hint: --rows N counts records, --bytes SIZE bytes"),
        ("in.csv --resume", "has not succeeded: … -- tmpx cache run --key-stdin -- COMMAND"),
        ("in.csv --retries 3", "has not succeeded: … -- tmpx cache run --key-stdin -- COMMAND"),
        ("in.csv --column year", "of a column use mlr: mlr --csv split -g COLUMN FILE"),
        ("in.csv --parallel 4", "hint: did you mean --jobs?"),
        ("in.csv -f csv", "hint: did you mean --format?"),
        ("in.csv --no-header", "hint: did you mean --header 0?"),
        ("in.csv --delimiter ab", "expected one ASCII character, or tab"),
        ("in.csv -o x --report x -- cat", "--report: FILE and the report are the same file"),
    ] {
        let ran = sandbox.tmpx(words(&format!("chunk {args}"))).run();
        assert_eq!(ran.status, Some(2), "{args}: {ran:?}");
        assert!(ran.stderr.contains(message), "{args}: {ran:?}");
    }
    for name in ["split", "batch"] {
        let ran = sandbox.tmpx([name, "in.csv"]).run();
        assert!(ran.stderr.ends_with("hint: did you mean tmpx chunk?\n"), "{ran:?}");
    }
}

#[test]
fn an_input_that_changes_during_the_run_fails_it() {
    let sandbox = Sandbox::new();
    for change in
        [": > in.csv", "echo 1 >> in.csv", "printf 9 | dd conv=notrunc of=in.csv status=none"]
    {
        let script = format!(
            "{{ echo a; seq 200000; }} > in.csv; touch -d '1 hour ago' in.csv; echo old > out
            tmpx chunk -j1 --rows 10000 -o out in.csv -- sh -c 'cat >/dev/null; {change}'
            echo $?; cat out"
        );
        let ran = sandbox.sh(&script).run();
        assert_eq!(ran.stdout, "125\nold\n", "{change}");
        assert!(ran.stderr.ends_with(": in.csv changed while it was read\n"), "{change}: {ran:?}");
    }
}

#[test]
fn an_input_that_gets_another_name_or_mode_during_the_run_does_not_fail_it() {
    let sandbox = Sandbox::new();
    for act in
        ["chmod 600 in.txt", "ln in.txt link", "mv in.txt moved; echo new > in.txt", "rm in.txt"]
    {
        let script = format!(
            "seq 200000 > in.txt; touch -d '1 hour ago' in.txt; cp in.txt copy
            tmpx chunk -j1 --rows 100000 in.txt -- \
                sh -c 'cat; [ $TMPX_CHUNK = 1 ] || {{ {act}; }}' | cmp - copy"
        );
        sandbox.sh(&script).expects(0, "", "");
    }
}

#[test]
fn an_input_that_changes_between_the_writing_and_the_reading_of_a_pipe_fails_the_run() {
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    // The command changes the input once tmpx has closed the pipe, which holds all of it.
    let script = "seq 120000 > in.txt; touch -d '1 hour ago' in.txt; echo old > out
        wait='import select; closed = select.poll(); closed.register(0, 0); closed.poll()'
        tmpx chunk -o out in.txt -- sh -c 'python3 -c \"$1\"; \
            printf X | dd of=in.txt conv=notrunc bs=1 seek=500000 status=none; cat' sh \"$wait\"
        echo $?; cat out";
    let message = "tmpx: chunk 0 (rows 1 to 120000, in.txt from byte 1, 728895 bytes) failed: \
                   in.txt changed while it was read\n";
    sandbox.sh(script).expects(0, "125\nold\n", message);
}

#[test]
fn an_input_that_changes_while_chunk_files_are_written_leaves_none() {
    if !has("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    // tmpx stops where it has written the first file.
    let script = "seq 9 > in.txt; touch -d '1 hour ago' in.txt
        strace -o ../trace -e trace=sendfile -e inject=sendfile:signal=SIGSTOP:when=1 \
            sh -c 'echo $$ > ../pid; exec tmpx chunk --rows 3 in.txt' &
        until grep -qs 'stopped by SIGSTOP' ../trace; do sleep 0.01; done
        echo 10 >> in.txt; kill -CONT $(cat ../pid); wait $!";
    let message = "tmpx: could not create file in $ROOT/tmp: in.txt changed while it was read\n";
    sandbox.sh(script).expects(1, "", message);
    assert_eq!(sandbox.left(), [""; 0]);
}

#[test]
fn text_that_is_not_utf_8_does_not_become_json() {
    let sandbox = Sandbox::new();
    for (text, place) in [("a\n1\n\\351\n", "line 3, byte 5"), ("\\351\n1\n", "line 1, byte 1")] {
        let script = format!("printf '{text}' > in.csv; tmpx chunk --to json in.csv -- cat");
        let ran = sandbox.sh(&script).run();
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(125), ""), "{ran:?}");
        let expected = format!(
            "in.csv: {place}: not UTF-8\n\
             hint: iconv -f LATIN1 -t UTF-8 in.csv | tmpx chunk --format csv …\n"
        );
        assert!(ran.stderr.ends_with(&expected), "{ran:?}");
    }
}

#[test]
fn a_header_that_does_not_end_is_not_read_for_ever() {
    let message = "line 1, byte 1: the header has more than 8 MiB";
    let header = b"a".repeat((8 << 20) + 100_000);
    refused("in.csv", &header, message, None);
    refused("in.csv", &[&header[..], b"\n1\n"].concat(), message, None);
    refused("in.json", &[&b" ".repeat((8 << 20) + 1)[..], b"[1]"].concat(), message, None);
    let sandbox = Sandbox::new();
    let script = "yes a | tr -d '\\n' | tmpx chunk --format lines --header 1 -- cat";
    let expected = format!("tmpx: standard input: {message}\n");
    sandbox.sh(script).expects(125, "", &expected);
}

//! What makes two runs the same.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

use super::fixture::{COUNT, HEADER, count, entry, files, printed, runs};
use crate::support::sandbox::Sandbox;

#[test]
fn arguments_are_compared_as_they_are_and_never_joined() {
    let sandbox = Sandbox::new();
    let lines: [&[&[u8]]; 6] =
        [&[b"a", b"b"], &[b"a b"], &[b"ab"], &[b"a", b"b", b""], &[b"\xff"], &[b"\xfe"]];
    for _ in 0..2 {
        for words in lines {
            let script =
                ["cache", "run", "--", "sh", "-c", "echo x >> runs; printf '%s,' \"$@\"", "sh"];
            let script = script.iter().map(OsStr::new);
            let ran = sandbox
                .tmpx(script.chain(words.iter().map(|word| OsStr::from_bytes(word))))
                .succeeds();
            let expected: Vec<u8> =
                words.iter().flat_map(|word| [word, &b","[..]].concat()).collect();
            assert_eq!(ran.raw, String::from_utf8_lossy(&expected));
        }
    }
    assert_eq!(runs(&sandbox), lines.len());
}

#[test]
fn the_working_directory_counts_unless_it_is_ignored() {
    let sandbox = Sandbox::new();
    for dir in ["a", "b"] {
        fs::create_dir(sandbox.cwd().join(dir)).unwrap();
    }
    let run = |dir: &str, options: &[&str]| {
        let args = [&["cache", "run"], options, &["--", "pwd"]].concat();
        sandbox.tmpx(args).cwd(sandbox.cwd().join(dir)).succeeds().stdout
    };
    assert_eq!((run("a", &[]), run("b", &[])), ("$ROOT/cwd/a\n".into(), "$ROOT/cwd/b\n".into()));
    assert_eq!(run("a", &["--ignore-cwd"]), "$ROOT/cwd/a\n");
    assert_eq!(run("b", &["--ignore-cwd"]), "$ROOT/cwd/a\n");
}

#[test]
fn an_upgrade_of_the_program_is_a_miss() {
    let sandbox = Sandbox::new();
    let tool = sandbox.cwd().join("tool");
    let install = |version: &str| {
        let new = sandbox.cwd().join("new");
        fs::write(&new, format!("#!/bin/sh\necho {version}\n")).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(new, &tool).unwrap();
    };
    let run = || sandbox.tmpx(["cache", "run", "./tool"]).succeeds().stdout;
    install("v1");
    let time = fs::metadata(&tool).unwrap().modified().unwrap();
    assert_eq!((run(), run()), ("v1\n".into(), "v1\n".into()));
    install("v2");
    // The size and the time are the same, but it is another file.
    fs::File::options().write(true).open(&tool).unwrap().set_modified(time).unwrap();
    assert_eq!(run(), "v2\n");
    // Here it is the same file with another size, and then with another time.
    let rewrite = |version: &str, later: u64| {
        fs::write(&tool, format!("#!/bin/sh\necho {version}\n")).unwrap();
        let time = time + std::time::Duration::from_secs(later);
        fs::File::options().write(true).open(&tool).unwrap().set_modified(time).unwrap();
    };
    rewrite("v2.1", 0);
    assert_eq!(run(), "v2.1\n");
    rewrite("v2.2", 1);
    assert_eq!(run(), "v2.2\n");
    // Another one that comes first in PATH is another program.
    fs::create_dir(sandbox.cwd().join("bin")).unwrap();
    let script = "PATH=$PWD/bin:$PATH; export PATH; tmpx cache run date > one; \
        printf '#!/bin/sh\\necho mine\\n' > bin/date; chmod +x bin/date; tmpx cache run date";
    sandbox.sh(script).expects(0, "mine\n", "");
}

#[test]
fn keys_and_variables_count() {
    let sandbox = Sandbox::new();
    let run = |options: &str, value: Option<&str>| {
        let run = count(&sandbox, options);
        let run = match value {
            Some(value) => run.env("WHO", value),
            None => run.without("WHO"),
        };
        run.succeeds().stdout
    };
    assert_eq!(run("", None), "run 1\n");
    assert_eq!(run("--key a", None), "run 2\n");
    assert_eq!(run("--key b", None), "run 3\n");
    assert_eq!(run("--key a --key b", None), "run 4\n");
    assert_eq!(run("--key a", None), "run 2\n");
    assert_eq!(run("--key-env WHO", None), "run 5\n");
    assert_eq!(run("--key-env WHO", Some("")), "run 6\n", "unset and empty differ");
    assert_eq!(run("--key-env WHO", Some("me")), "run 7\n");
    assert_eq!(run("--key-env WHO", None), "run 5\n");
    assert_eq!(run("", Some("me")), "run 1\n", "other variables do not count");
    let home = sandbox.home();
    let home = home.to_str().unwrap();
    assert_eq!(run("--key-env WHO", Some(home)), "run 8\n");
    assert_eq!(run("--key-env HOME", Some(home)), "run 9\n", "the names count too");
}

#[test]
fn the_content_of_a_key_file_counts_and_not_its_time() {
    let sandbox = Sandbox::new();
    let file = sandbox.cwd().join("file");
    let run = || count(&sandbox, "--key-file file").succeeds().stdout;
    assert_eq!(run(), "run 1\n", "a missing file is a state");
    fs::write(&file, "aaa").unwrap();
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    assert_eq!((run(), run()), ("run 2\n".into(), "run 2\n".into()));
    fs::write(&file, "bbb").unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    assert_eq!(run(), "run 3\n");
    fs::write(&file, "").unwrap();
    assert_eq!(run(), "run 4\n", "missing and empty differ");
    fs::write(&file, "aaa").unwrap();
    assert_eq!(run(), "run 2\n");
    fs::remove_file(&file).unwrap();
    assert_eq!(run(), "run 1\n");
}

#[test]
fn a_key_file_that_cannot_be_read_only_prevents_keeping() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.cwd().join("dir")).unwrap();
    sandbox.sh("mkfifo fifo").succeeds();
    for (file, n) in [("dir", 1), ("fifo", 2), ("/dev/null", 3)] {
        let message = format!("tmpx: {file} is not a regular file\n");
        count(&sandbox, &format!("--key-file {file}")).expects(0, &format!("run {n}\n"), &message);
    }
    assert_eq!(files(&sandbox), [""; 0]);
}

#[test]
fn an_output_is_not_kept_if_its_key_changed_during_the_run() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("file"), "one").unwrap();
    let script = "cat file; echo two > file";
    let args = ["cache", "run", "--key-file", "file", "--report", "report", "sh", "-c", script];
    sandbox.tmpx(args).expects(0, "one", "");
    let why = "the program or a --key-file changed during the run";
    assert_eq!(super::fixture::read_report(&sandbox)["why"], why);
    assert_eq!(files(&sandbox), [""; 0]);
}

#[test]
fn standard_input_counts_with_key_stdin_and_reaches_the_command() {
    let sandbox = Sandbox::new();
    let script = "echo x >> runs; cat; wc -l < runs";
    let run = |input: &[u8]| {
        let args = ["cache", "run", "--key-stdin", "--", "sh", "-c", script];
        sandbox.tmpx(args).input(input).succeeds().raw
    };
    assert_eq!(run(b"one\n"), "one\n1\n");
    assert_eq!(run(b"two\n"), "two\n2\n");
    assert_eq!(run(b""), "3\n");
    assert_eq!((run(b"one\n"), run(b"")), ("one\n1\n".into(), "3\n".into()));
    let large = "x".repeat(5_000_000) + "\n";
    assert_eq!(run(large.as_bytes()), large.clone() + "4\n");
    assert_eq!(run(large.as_bytes()), large + "4\n");
    // A file from its offset on.
    let script = format!(
        "printf '12\\none\\n' > in; {{ read n; tmpx cache run --key-stdin -- sh -c '{script}'; }} < in"
    );
    assert_eq!(sandbox.sh(&script).succeeds().stdout, "one\n1\n");
}

#[test]
fn the_stdin_of_a_loop_is_left_alone() {
    let sandbox = Sandbox::new();
    let script =
        "printf '1\\n2\\n3\\n' | while read n; do tmpx cache run -- sh -c 'cat; echo x'; done";
    sandbox.sh(script).expects(0, "x\nx\nx\n", "");
}

#[test]
fn a_filter_on_chunks_runs_once_for_each_content() {
    let sandbox = Sandbox::new();
    let filter = "#!/bin/sh\necho x >> runs\nsed s/^/row/\n";
    fs::write(sandbox.cwd().join("process.sh"), filter).unwrap();
    let script = "chmod +x process.sh; seq 100 > in.txt; \
        tmpx chunk --rows 30 in.txt -- tmpx cache run --key-stdin -- ./process.sh > one; \
        seq 90 > in.txt; echo other >> in.txt; \
        tmpx chunk --rows 30 in.txt -- tmpx cache run --key-stdin -- ./process.sh > two; \
        head -n 90 one | cmp - two -n $(head -n 90 one | wc -c); tail -n 1 two; wc -l < one";
    sandbox.sh(script).expects(0, "rowother\n100\n", "");
    assert_eq!(runs(&sandbox), 5, "only the last chunk is new");
}

#[test]
fn the_full_key_is_compared() {
    let sandbox = Sandbox::new();
    count(&sandbox, "--key a").succeeds();
    // An entry under the name of another key, as if both had one hash.
    let path = entry(&sandbox);
    super::fixture::edit(&path, |bytes| {
        let at = bytes.windows(6).position(|bytes| bytes == b"k\x01\0\0\0a").unwrap();
        bytes[at + 5] = b'b';
    });
    printed(&count(&sandbox, "--key a").run(), "run 2\n");
    printed(
        &sandbox.tmpx(["cache", "run", "--key", "a", "--", "sh", "-c", COUNT]).run(),
        "run 2\n",
    );
    assert_eq!(files(&sandbox).len(), 1, "it was replaced");
}

#[test]
fn the_stored_key_has_all_words_in_full_and_hashes_of_stdin_and_key_files_only() {
    let sandbox = Sandbox::new();
    let (file, input) = ("the content of the file", "the content of stdin");
    fs::write(sandbox.cwd().join("file"), file).unwrap();
    let word = "a long word ".repeat(1000);
    let options = "--key-stdin --key-file file --key-env WHO --key";
    let args = ["cache", "run"].into_iter().chain(options.split(' '));
    let args = args.chain(["a key", "--", "sh", "-c", "cat >/dev/null", "sh", &word]);
    sandbox.tmpx(args).env("WHO", "a value").input(input).succeeds();
    let stored = fs::read(entry(&sandbox)).unwrap();
    let length = u32::from_le_bytes(*stored[40..].first_chunk().unwrap());
    let key = &stored[HEADER..][..usize::try_from(length).unwrap()];
    let has = |part: &[u8]| key.windows(part.len()).any(|bytes| bytes == part);
    let dir = sandbox.cwd();
    let program = "/bin/sh";
    for part in ["cat >/dev/null", &word, "WHO", "a value", "a key", dir.to_str().unwrap(), program]
    {
        assert!(has(part.as_bytes()), "{part}");
    }
    for content in [file, input] {
        let hash = blake3::hash(content.as_bytes());
        assert!(has(hash.as_bytes()) && !has(content.as_bytes()), "{content}");
    }
}

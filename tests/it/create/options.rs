//! `tmpx file` and `tmpx dir`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use predicates::prelude::*;

use crate::support::sandbox::{Sandbox, mode, words};

#[test]
fn a_file_is_private_and_in_tmpdir_with_an_unguessable_name() {
    let sandbox = Sandbox::new();
    let path = sandbox.file();
    assert_eq!(path.parent().unwrap(), sandbox.tmp());
    let name = path.file_name().unwrap().to_str().unwrap();
    let pattern = predicate::str::is_match("^tmp\\.[0-9A-Za-z]{10}$").unwrap();
    assert!(pattern.eval(name), "{name}");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(fs::read(&path).unwrap(), b"");
    assert_eq!(sandbox.leases().len(), 1);
    sandbox.clean_up();
}

#[test]
fn a_directory_is_private_too() {
    let sandbox = Sandbox::new();
    let path = sandbox.dir();
    assert!(path.is_dir());
    assert_eq!(mode(&path), 0o700);
    sandbox.clean_up();
}

#[test]
fn the_umask_removes_permissions_and_mode_sets_them_exactly() {
    let sandbox = Sandbox::new();
    for (umask, file, dir) in [("277", 0o400, 0o500), ("077", 0o600, 0o700), ("777", 0, 0)] {
        let created = sandbox.sh(&format!("umask {umask}; tmpx file; tmpx dir")).succeeds();
        let modes: Vec<u32> = created.raw.lines().map(mode).collect();
        assert_eq!(modes, [file, dir], "umask {umask}");
    }
    let created = sandbox.sh("umask 077; tmpx file -m 644; tmpx dir --mode 1777").succeeds();
    assert_eq!(created.raw.lines().map(mode).collect::<Vec<_>>(), [0o644, 0o1777]);
    sandbox.clean_up();
}

#[test]
fn prefix_suffix_and_dir_determine_the_path() {
    let sandbox = Sandbox::new();
    let there = sandbox.cwd().join("there");
    fs::create_dir(&there).unwrap();
    let path = sandbox.tmpx(words("file -p there --prefix conf_ -s _end")).path();
    assert_eq!(path.parent().unwrap(), there, "absolute, whatever the option");
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("conf_") && name.ends_with("_end"), "{name}");
    let same = sandbox.tmpx(words("dir --tmpdir there --suffix=-x")).path();
    assert!(same.to_str().unwrap().ends_with("-x"));
    sandbox.clean_up();
    assert_eq!(crate::support::sandbox::names(&there), Vec::<String>::new());
}

#[test]
fn a_template_with_a_slash_is_relative_and_one_without_is_in_the_temp_dir() {
    let sandbox = Sandbox::new();
    let here = sandbox.tmpx(["file", "./a.XXXXXXXXXX.txt"]).path();
    assert_eq!(here.parent().unwrap(), sandbox.cwd());
    let there = sandbox.tmpx(["file", "b.XXXXXXXXXX"]).path();
    assert_eq!(there.parent().unwrap(), sandbox.tmp());
    assert_eq!(there.file_name().unwrap().len(), 12);
    fs::create_dir_all(sandbox.cwd().join("d/sub")).unwrap();
    for subcommand in ["file", "dir", "workspace"] {
        let below = sandbox.tmpx([subcommand, "-p", "d", "sub/a.XXXXXX"]).path();
        assert_eq!(below.parent().unwrap(), sandbox.cwd().join("d/sub"));
        let refused = "tmpx: --dir: TEMPLATE is an absolute path\n";
        sandbox.tmpx([subcommand, "-p", "d", "/tmp/a.XXXXXX"]).expects(2, "", refused);
    }
    let short = sandbox.tmpx(["file", "c.XXX", "-s-d"]).path();
    let name = short.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(name.starts_with("c.") && name.ends_with("-d") && name.len() == 7, "{name}");
    sandbox.clean_up();
    assert_eq!(crate::support::sandbox::names(&sandbox.cwd()), ["d"]);
}

#[test]
fn an_existing_name_gets_a_number_and_its_file_is_untouched() {
    let sandbox = Sandbox::new();
    let existing = sandbox.tmp().join("report.csv");
    fs::write(&existing, "precious").unwrap();
    for expected in ["report_1.csv", "report_2.csv"] {
        let path = sandbox.tmpx(["file", "--name", "report.csv"]).path();
        assert_eq!(path, sandbox.tmp().join(expected));
    }
    let dir = sandbox.tmpx(["dir", "--name", "report.csv"]).path();
    assert_eq!(dir, sandbox.tmp().join("report_3.csv"));
    sandbox.clean_up();
    assert_eq!(fs::read(&existing).unwrap(), b"precious");
    fs::remove_file(existing).unwrap();
}

#[test]
fn fifty_runs_at_once_with_one_name_get_fifty_files() {
    let sandbox = Sandbox::new();
    let script = "for n in $(seq 50); do tmpx file --name same.txt & done; wait";
    let created = sandbox.sh(script).succeeds();
    let mut paths: Vec<&str> = created.raw.lines().collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), 50);
    assert_eq!(sandbox.left().len(), 50);
    sandbox.clean_up();
}

#[test]
fn count_creates_many_under_one_lease() {
    let sandbox = Sandbox::new();
    let created = sandbox.tmpx(words("file --count 1500")).succeeds();
    assert_eq!(created.raw.lines().count(), 1500);
    assert!(created.raw.lines().all(|path| Path::new(path).is_file()));
    assert_eq!(sandbox.leases().len(), 1);
    sandbox.tmpx(words("cleanup --all -q")).succeeds();
}

#[test]
fn count_with_a_name_numbers_them() {
    let sandbox = Sandbox::new();
    let created = sandbox.tmpx(words("file --name a.b --count 3")).succeeds();
    assert_eq!(created.stdout, "$ROOT/tmp/a.b\n$ROOT/tmp/a_1.b\n$ROOT/tmp/a_2.b\n");
    sandbox.clean_up();
}

#[test]
fn from_copies_a_file_or_stdin() {
    let sandbox = Sandbox::new();
    let source = sandbox.cwd().join("source");
    fs::write(&source, "a\nb\n").unwrap();
    for args in ["file --from source", "file --from source --name x", "file --from source -m 400"] {
        let path = sandbox.tmpx(words(args)).path();
        assert_eq!(fs::read(&path).unwrap(), b"a\nb\n", "{args}");
    }
    let path = sandbox.tmpx(words("file --from -")).input("from a pipe").path();
    assert_eq!(fs::read(&path).unwrap(), b"from a pipe");
    sandbox.clean_up();
}

#[test]
fn from_fills_each_of_several_new_files() {
    let sandbox = Sandbox::new();
    let big = vec![b'x'; 300_000];
    let created = sandbox.tmpx(words("file --from - --count 3")).input(big.clone()).succeeds();
    assert_eq!(created.raw.lines().count(), 3);
    for path in created.raw.lines() {
        assert_eq!(fs::read(path).unwrap(), big, "{path}");
    }
    sandbox.clean_up();
}

#[test]
fn from_stdin_begins_at_the_current_offset() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("source"), "skipped\nrest\n").unwrap();
    let created = sandbox.sh("{ read line; tmpx file --from -; } < source").succeeds();
    assert_eq!(fs::read(created.raw.trim_end()).unwrap(), b"rest\n");
    sandbox.clean_up();
}

#[test]
fn json_has_the_path_the_lease_and_its_lifetime() {
    let sandbox = Sandbox::new();
    let created = sandbox.tmpx(words("dir --json --session ci")).succeeds().json();
    assert_eq!(created.len(), 1);
    assert!(Path::new(created[0]["path"].as_str().unwrap()).is_dir());
    assert_eq!(created[0]["kind"], "dir");
    assert_eq!(created[0]["lifetime"], "manual");
    assert_eq!(created[0]["session"], "ci");
    assert_eq!(sandbox.leases(), [created[0]["lease"].as_str().unwrap()]);
    sandbox.clean_up();
}

#[test]
fn null_ends_each_path_with_nul() {
    let sandbox = Sandbox::new();
    let created = sandbox.tmpx(words("file -0 --count 2")).succeeds();
    assert_eq!(created.stdout, "$ROOT/tmp/tmp.RANDOM\0$ROOT/tmp/tmp.RANDOM\0");
    sandbox.clean_up();
}

#[test]
fn a_name_that_is_not_utf_8_is_printed_raw_and_is_base64_in_json() {
    let sandbox = Sandbox::new();
    let name = OsStr::from_bytes(b"caf\xe9");
    let run = |extra: &[&str]| {
        let mut args = vec![OsStr::new("file"), OsStr::new("--name"), name];
        args.extend(extra.iter().map(OsStr::new));
        sandbox.tmpx(args).succeeds()
    };
    run(&[]);
    assert!(sandbox.tmp().join(name).is_file());
    let json = run(&["--json"]).json();
    assert_eq!(json[0]["path"], serde_json::Value::Null);
    assert!(json[0]["path_b64"].is_string());
    assert_eq!(sandbox.left().len(), 2);
    sandbox.tmpx(words("cleanup --all -q")).succeeds();
}

#[test]
fn an_unusable_tmpdir_is_skipped_with_a_note() {
    let sandbox = Sandbox::new();
    let ran = sandbox.tmpx(["file"]).env("TMPDIR", "/nodir").env("TEMP", sandbox.tmp()).run();
    assert_eq!(ran.status, Some(0));
    assert_eq!(ran.stdout, "$ROOT/tmp/tmp.RANDOM\n");
    assert_eq!(ran.stderr, "tmpx: ignoring TMPDIR=/nodir: No such file or directory\n");
    sandbox.clean_up();
}

#[test]
fn an_empty_tmpdir_counts_as_unset() {
    let sandbox = Sandbox::new();
    let path = sandbox.tmpx(["file"]).env("TMPDIR", "").env("TMP", sandbox.tmp()).path();
    assert_eq!(path.parent().unwrap(), sandbox.tmp());
    sandbox.clean_up();
}

#[test]
fn scripts_that_remove_their_own_files_leave_few_leases() {
    let sandbox = Sandbox::new();
    let script = "n=0; while [ $n -lt 1500 ]; do f=$(tmpx file); rm \"$f\"; n=$((n+1)); done";
    sandbox.sh(script).succeeds();
    let leases = sandbox.leases().len();
    // One creation in 64 prunes. This fails by bad luck once in 10,000 runs of the test.
    assert!(leases <= 700, "{leases} leases");
    sandbox.tmpx(["cleanup"]).expects(0, "", "tmpx: removed 0\n");
}

#[test]
fn the_lease_is_written_before_the_file_is_created() {
    let sandbox = Sandbox::new();
    if !crate::support::sandbox::has("strace") {
        return;
    }
    let script = "strace -f -s 999 -o trace -e trace=openat,write,pwrite64 tmpx file";
    sandbox.sh(script).succeeds();
    let trace = fs::read_to_string(sandbox.cwd().join("trace")).unwrap();
    let at = |what: &str| trace.find(what).unwrap_or_else(|| panic!("no {what} in\n{trace}"));
    let (intent, create) = (at("\\\"intent\\\""), at(", \"tmp."));
    let (identity, print, commit) = (at("\\\"made\\\""), at("write(1,"), at("pwrite64("));
    assert!(intent < create, "{trace}");
    assert!(create < identity && identity < print && print < commit, "{trace}");
    sandbox.clean_up();
}

#[test]
fn every_umask_works() {
    let sandbox = Sandbox::for_nobody();
    for umask in ["000", "077", "177", "277", "777"] {
        let state = format!("state-{umask}");
        let script = format!(
            "umask {umask}; export TMPX_STATE_DIR=$PWD/{state}/made; tmpx file; tmpx workspace; \
             tmpx exec touch x; tmpx cleanup --all -q; stat -c %a {state} {state}/made"
        );
        let ran = sandbox.sh(&script).by_nobody().run();
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{umask}: {ran:?}");
        assert!(ran.stdout.ends_with("700\n700\n"), "{umask}: {ran:?}");
    }
}

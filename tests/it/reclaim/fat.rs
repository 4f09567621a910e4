//! exFAT, which knows neither links nor modes nor attributes.

use crate::support::filesystems::{EXFAT, EXFAT_TOOLS};
use crate::support::namespaces::mounting;
use crate::support::sandbox::{Ran, Sandbox, has};

/// Runs a script with such a filesystem at `m`.
fn run(sandbox: &Sandbox, script: &str) -> Option<Ran> {
    mounting(sandbox, EXFAT, EXFAT_TOOLS, script)
}

/// The note about a chosen name.
fn note(name: &str) -> String {
    let why = "its filesystem lets nothing prove later that tmpx created it";
    format!("tmpx: cleanups will keep $ROOT/cwd/m/{name}: {why}\n")
}

#[test]
fn a_named_file_is_created_in_the_temp_dir_with_its_content_and_a_taken_name_gets_a_number() {
    let script = "export TMPDIR=$PWD/m; echo mine >m/data.csv; echo old >text; \
                  tmpx file --name data.csv --from text; tmpx file --name data.csv; tmpx file ab.XXX; \
                  cat m/data.csv m/data_1.csv; find m -type f -size 0 | wc -l; tmpx cleanup -q --force m/data_* m/ab*; ls -A m";
    let sandbox = Sandbox::new();
    let Some(ran) = run(&sandbox, script) else { return };
    let (printed, rest) = ran.stdout.split_once("mine\n").unwrap();
    assert!(printed.starts_with("$ROOT/cwd/m/data_1.csv\n$ROOT/cwd/m/data_2.csv\n"), "{ran:?}");
    assert_eq!(rest, "old\n2\ndata.csv\n", "{ran:?}");
    let notes: Vec<&str> = ran.stderr.split_inclusive('\n').collect();
    assert_eq!(notes[..2], [note("data_1.csv"), note("data_2.csv")], "{ran:?}");
    assert_eq!(notes.len(), 3, "{ran:?}");
}

#[test]
fn everything_but_chosen_names_is_removed_after_a_remount() {
    let script = "tmpx file -p m --name report.csv 2>/dev/null; tmpx file -p m; touch $(tmpx dir -p m)/f; \
                  tmpx workspace -p m --mkdir a/b; tmpx mktemp -p m --suffix .c | sed 's/p\\..*/p/'; \
                  tmpx exec -p m -- sh -c 'echo a >b; mkdir c; echo d >c/d'; ls m | wc -l; again; \
                  tmpx cleanup --all; rm m/*.c; ls m; again; tmpx cleanup -q --all; ls m";
    let sandbox = Sandbox::new();
    let Some(ran) = run(&sandbox, script) else { return };
    let random = "$ROOT/cwd/m/tmp.RANDOM\n";
    let printed = format!("$ROOT/cwd/m/report.csv\n{random}{random}m/tmp\n5\n");
    let removed = random.repeat(3);
    let kept = "report.csv\n".repeat(2);
    assert_eq!(ran.stdout, format!("{printed}{removed}{kept}"), "{ran:?}");
    let why =
        "tmpx: kept $ROOT/cwd/m/report.csv: nothing proves that it is the file tmpx created\n";
    let (before, after) = ran.stderr.split_once(" (").unwrap();
    let (_, after) = after.split_once(')').unwrap();
    let summary = format!("{before}{after}");
    let expected = format!(
        "{why}tmpx: removed 3, kept 1 unproven\nhint: tmpx cleanup --force $ROOT/cwd/m/report.csv removes it all the same\n{why}"
    );
    assert_eq!(summary, expected);
    sandbox.tmpx(["cleanup", "-q", "--forget"]).run();
}

#[test]
fn a_file_that_the_user_puts_in_the_place_stays_and_streams_and_private_temp_dirs_work() {
    let script = "f=$(tmpx file -p m --name report.csv 2>/dev/null); echo thesis >m/new; mv m/new $f; tmpx cleanup -q --all; \
                  cat $f; for n in 1 2; do echo $n | tmpx replace m/text; echo $n | tmpx replace --append m/log; done; \
                  cat m/text m/log; echo 3 | tmpx replace m/made -- sed s/3/4/; cat m/made; \
                  tmpx exec -p m --out r:m/saved --report m/report -- sh -c 'echo saved >r'; cat m/saved; \
                  tmpx exec --private-tmp -p m -- sh -c 'echo a >/tmp/a; cat /tmp/a; ls -A'; \
                  export TMPDIR=$PWD/m; echo spooled | tmpx spool --max-size 1 -- cat {}; ls -A m";
    let sandbox = Sandbox::new();
    let Some(ran) = run(&sandbox, script) else { return };
    let streams = "thesis\n2\n1\n2\n4\nsaved\na\n.tmp\n.tmp-var\nspooled\n";
    let left = "log\nmade\nreport\nreport.csv\nsaved\ntext\n";
    assert_eq!(ran.stdout, format!("{streams}{left}"), "{ran:?}");
    let kept =
        "tmpx: kept $ROOT/cwd/m/report.csv: nothing proves that it is the file tmpx created\n";
    assert_eq!(ran.stderr, kept);
    sandbox.tmpx(["cleanup", "-q", "--forget"]).run();
}

#[test]
fn a_kill_between_the_two_steps_leaves_an_empty_file_that_is_reported_until_the_user_insists() {
    if !has("strace") {
        return;
    }
    // Between the two steps, an empty file has the name, which nothing proves to be ours.
    let script = "strace -qq -o trace -e inject=renameat:signal=KILL tmpx file -p m --name data.csv --from /etc/passwd; \
                  find m -type f -size 0; tmpx cleanup; ls -A m; tmpx cleanup -q --force m/data.csv; ls -A m; tmpx list";
    let sandbox = Sandbox::new();
    let Some(ran) = run(&sandbox, script) else { return };
    let data = "$ROOT/cwd/m/data.csv";
    let (before, hidden) = ran.stdout.split_once("$ROOT/cwd/m/.tmpx.").unwrap();
    assert_eq!((before, &hidden[10..]), ("m/data.csv\n", "\ndata.csv\n"), "{ran:?}");
    let kept = format!("tmpx: kept {data}: nothing proves that it is the file tmpx created\n");
    let hint = format!("hint: tmpx cleanup --force {data} removes it all the same\n");
    let removed = "tmpx: removed 1 (4.0 KiB), kept 1 unproven\n";
    assert_eq!(ran.stderr.replace("Killed\n", ""), format!("{kept}{removed}{hint}"));
}

#[test]
fn of_many_creators_of_one_name_each_gets_a_file_of_its_own() {
    let sandbox = Sandbox::new();
    let script = "for n in 1 2 3 4 5 6 7 8 9; do { echo $n | tmpx file -p m --name r.csv --from - 2>/dev/null; } & done; \
                  wait; cat m/* | sort; ls m; tmpx cleanup -q --force m/*";
    let Some(ran) = run(&sandbox, script) else { return };
    let numbers: Vec<String> = (1..=9).map(|n| format!("{n}\n")).collect();
    assert!(ran.stdout.contains(&numbers.concat()), "{ran:?}");
    assert_eq!(ran.stdout.matches("$ROOT/cwd/m/r").count(), 9, "{ran:?}");
}

/// Before the file gets its name, an empty one has it for a moment, in which other programs may act.
#[test]
fn if_the_rename_fails_only_an_empty_file_of_tmpx_itself_is_removed() {
    if !has("strace") {
        return;
    }
    let script = "create() { strace -qq -o trace -e trace=renameat \
                      -e inject=renameat:error=EIO:delay_enter=300000 tmpx file -p m --name data.csv 2>/dev/null; }; \
                  for meanwhile in ':' ': >m/new; mv m/new m/data.csv' 'echo theirs >>m/data.csv' 'rm m/data.csv'; do \
                      create & until grep -qs renameat trace; do :; done; eval \"$meanwhile\"; wait $!; \
                      echo $?; ls -A m; cat m/* 2>/dev/null; rm -f m/* trace; tmpx list; done";
    let sandbox = Sandbox::new();
    let Some(ran) = run(&sandbox, script) else { return };
    assert_eq!(ran.stdout, "1\n1\ndata.csv\n1\ndata.csv\ntheirs\n1\n", "{ran:?}");
    sandbox.tmpx(["cleanup", "-q", "--forget"]).run();
}

/// FUSE gives a file that is removed while it is open another name, until it is closed.
#[test]
fn no_file_has_another_name_while_a_new_one_gets_the_chosen_name() {
    if !has("strace") {
        return;
    }
    let script = "strace -qq -o trace -e trace=renameat -e inject=renameat:delay_enter=200000:delay_exit=500000 \
                      tmpx file -p m --name data.csv --from /etc/passwd 2>/dev/null & \
                  until [ -s m/data.csv ]; do :; done; ls -A m; wait $!; tmpx cleanup -q --force m/data.csv";
    let sandbox = Sandbox::new();
    let Some(ran) = run(&sandbox, script) else { return };
    assert_eq!(ran.stdout, "data.csv\n$ROOT/cwd/m/data.csv\n", "{ran:?}");
}

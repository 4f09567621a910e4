//! What users do to their files, and what a cleanup then removes, by the table in README.md.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;

use crate::support::sandbox::{Sandbox, names, words};
use crate::support::wait::wait_until;

/// Runs a script in a directory of this mode, and then a cleanup of everything there. Returns the
/// number of entries that are left, and what the cleanup printed on stderr without its totals.
fn cleaned(mode: u32, script: &str) -> (usize, String) {
    let sandbox = Sandbox::new();
    let place = sandbox.cwd().join("place");
    fs::create_dir(&place).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
    let ran = sandbox.sh(script).cwd(&place).run();
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{script}");
    let ran = sandbox.tmpx(words("cleanup --all")).run();
    let lines = ran.stderr.split_inclusive('\n');
    let said: String = lines.filter(|line| line.starts_with("tmpx: kept")).collect();
    let left = names(&place).len();
    fs::remove_dir_all(&place).unwrap();
    fs::create_dir(&place).unwrap();
    sandbox.tmpx(words("cleanup --all --forget -q")).run();
    (left, said)
}

const PRIVATE: u32 = 0o755;
const STICKY: u32 = 0o1777;
const SHARED: u32 = 0o775;

#[test]
fn a_file_with_six_random_characters_is_removed_whatever_was_done_to_it() {
    let edits = [
        "echo a > $f; sed -i s/a/b/ $f",
        "echo a > new; mv new $f",
        "rm $f; echo again > $f",
        "cp /etc/passwd $f",
        "echo a | tmpx replace $f",
        "tmpx replace $f -- echo a",
        "mv $f other; mv other $f",
    ];
    for create in ["f=$(tmpx file -p . x.XXXXXX.txt)", "f=$(TMPX_TTL=1h tmpx mktemp ./x.XXXXXX)"] {
        for mode in [PRIVATE, STICKY, SHARED] {
            for edit in edits {
                let done = cleaned(mode, &format!("{create}; {edit}"));
                assert_eq!(done, (0, String::new()), "{mode:o} {create} {edit}");
            }
        }
    }
}

#[test]
fn a_directory_that_took_the_place_of_ours_is_removed_where_nobody_else_could_have_moved_it_there()
{
    let again = "d=$(tmpx dir -p . x.XXXXXX); rm -r $d; mkdir $d";
    let kept = (
        1,
        "tmpx: kept $ROOT/cwd/place/NAME: no longer the directory tmpx created; remove it with rm -r\n",
    );
    let gone = (0, "");
    for (mode, script, (left, said)) in [
        (PRIVATE, "touch $d/a", gone),
        (PRIVATE, "touch $d/a; chmod 775 $d", gone),
        (STICKY, "touch $d/a", gone),
        (STICKY, "chmod 775 $d", kept),
        (SHARED, "true", gone),
        (SHARED, "touch $d/a", kept),
    ] {
        let script = format!("umask 022; {again}; {script}; echo $d >../name");
        let (still, line) = cleaned(mode, &script);
        let said_without_name = match line.split_once("/place/") {
            Some((before, after)) => {
                format!("{before}/place/NAME:{}", after.split_once(':').unwrap().1)
            }
            None => line,
        };
        assert_eq!((still, said_without_name.as_str()), (left, said), "{mode:o} {script}");
    }
}

#[test]
fn a_file_under_a_chosen_name_is_removed_only_while_it_is_the_one_that_tmpx_created() {
    let kept = "tmpx: kept $ROOT/cwd/place/report.csv: no longer the file tmpx created \
                (rewritten by sed -i or mv?); remove it with rm\n";
    for mode in [PRIVATE, STICKY, SHARED] {
        for (edit, expected) in [
            ("echo a > $f", (0, "")),
            ("ln $f other; rm other", (0, "")),
            ("echo a > $f; sed -i s/a/b/ $f", (1, kept)),
            ("echo a > new; mv new $f", (1, kept)),
            ("echo a | tmpx replace $f", (1, kept)),
        ] {
            let (left, said) =
                cleaned(mode, &format!("f=$(tmpx file -p . --name report.csv); {edit}"));
            assert_eq!((left, said.as_str()), expected, "{mode:o} {edit}");
        }
    }
}

#[test]
fn a_name_with_six_random_characters_needs_no_hidden_one() {
    let sandbox = Sandbox::new();
    sandbox.tmpx(words("file x.XXXXXX -p .")).path();
    sandbox.tmpx(words("file x.XXXXX -p .")).path();
    let leases = sandbox.leases();
    let text = |n: usize| fs::read_to_string(sandbox.leases_dir().join(&leases[n])).unwrap();
    assert_eq!([text(0), text(1)].map(|text| text.contains("publish")), [false, true]);
    sandbox.clean_up();
}

#[test]
fn the_reaper_leaves_it_to_a_cleanup_to_report_what_is_replaced() {
    let sandbox = Sandbox::new();
    let script = "f=$(tmpx file --name report.csv --ttl 1ms); rm $f; echo mine > $f; \
                  TMPX_REAPER=1 tmpx file --ttl 2ms";
    let last = sandbox.sh(script).succeeds().raw;
    let last = std::path::Path::new(last.trim_end());
    wait_until("the reaper removes the last file", || !last.exists());
    let ran = sandbox.tmpx(["cleanup"]).run();
    assert!(ran.stderr.contains("report.csv: no longer the file tmpx created"), "{ran:?}");
    fs::remove_file(sandbox.tmp().join("report.csv")).unwrap();
}

#[test]
fn the_hint_at_force_names_what_force_removes_and_not_what_was_replaced() {
    let sandbox = Sandbox::new();
    sandbox.sh("f=$(tmpx file -p . --name x); echo new > y; mv y $f").expects(0, "", "");
    // When it prints the path, the first tmpx has ended, and its lease is committed.
    let live = "f=$(tmpx file --until-exit=$$); echo $f; read wait; :";
    let mut script = sandbox.sh(live).spawn();
    let mut path = String::new();
    BufReader::new(script.stdout.as_mut().unwrap()).read_line(&mut path).unwrap();
    let expected = format!(
        "tmpx: kept $ROOT/cwd/x: no longer the file tmpx created (rewritten by sed -i or mv?); \
         remove it with rm\n\
         tmpx: kept $ROOT/tmp/tmp.RANDOM: live until sh ({}) exits\n\
         tmpx: removed 0, kept 1 live, 1 replaced\n\
         hint: tmpx cleanup --force --all removes what is live too\n",
        script.id()
    );
    sandbox.tmpx(words("cleanup --all")).expects(0, "", &expected);
    drop(script.stdin.take());
    script.wait().unwrap();
    sandbox.tmpx(words("cleanup -q")).succeeds();
    fs::remove_file(sandbox.cwd().join("x")).unwrap();
}

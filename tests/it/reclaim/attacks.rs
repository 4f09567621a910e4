//! What an attacker, or bad luck, tries: each of these has worked once.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use crate::support::sandbox::{KEPT, NOBODY, Sandbox, has, is_root, names, skip_unless, words};

#[test]
fn results_that_are_there_are_kept_when_the_outputs_make_no_sense() {
    let commands = [
        ("--out good --out tpyo", "echo 1 > good"),
        ("--out a/r:res/ --out b/r:res/", "mkdir a b; echo > a/r; echo > b/r"),
    ];
    for (outs, script) in commands {
        let sandbox = Sandbox::new();
        let args = words(&format!("exec {outs} -- sh -c"));
        let ran = sandbox.tmpx(args.into_iter().chain([script.into()])).run();
        assert_eq!(ran.status, Some(125), "{ran:?}");
        assert!(ran.stderr.ends_with(KEPT), "{ran:?}");
        sandbox.clean_up();
    }
}

#[test]
fn a_directory_that_cannot_be_read_does_not_cost_the_other_results() {
    let sandbox = Sandbox::for_nobody();
    let script = "echo 1 > good; mkdir -m 000 locked";
    let run =
        |out: &str| sandbox.tmpx(["exec", "--out", out, "sh", "-c", script]).by_nobody().run();
    let ran = run("good");
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(names(&sandbox.cwd()), ["good"]);
    // It is ours, and opened up.
    let ran = run("locked");
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(names(&sandbox.cwd()), ["good", "locked"]);
}

#[test]
fn a_directory_that_others_could_have_moved_in_is_not_taken_for_a_replacement() {
    let sandbox = Sandbox::new();
    let sticky = sandbox.cwd().join("sticky");
    fs::create_dir(&sticky).unwrap();
    fs::set_permissions(&sticky, fs::Permissions::from_mode(0o1777)).unwrap();
    for (mode, stays) in [(0o755, false), (0o775, true)] {
        let dir = sandbox.tmpx(words("dir -p sticky --ttl 0")).path();
        fs::remove_dir(&dir).unwrap();
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
        sandbox.tmpx(["cleanup"]).run();
        assert_eq!(dir.exists(), stays, "{mode:o}");
    }
    fs::remove_dir_all(&sticky).unwrap();
    sandbox.clean_up();
}

#[test]
fn a_directory_with_a_running_workspace_inside_is_kept() {
    let sandbox = Sandbox::new();
    let script = "d=$(tmpx dir); mkfifo go; TMPDIR=$d tmpx exec sh -c 'echo > ../../../cwd/go; \
                  read x < ../../../cwd/go; echo data > result && cat result' & read x < go; \
                  tmpx cleanup $d; echo > go; wait; tmpx cleanup -q $d";
    let ran = sandbox.sh(script).run();
    assert_eq!(ran.stdout, "data\n", "{ran:?}");
    assert!(ran.stderr.contains("kept $ROOT/tmp/tmp.RANDOM: in use\n"), "{ran:?}");
}

#[test]
fn inputs_do_not_lead_out_through_links_that_were_copied_before() {
    let sandbox = Sandbox::new();
    let outside = sandbox.cwd().join("outside");
    for dir in ["outside", "a", "b/sub"] {
        fs::create_dir_all(sandbox.cwd().join(dir)).unwrap();
    }
    symlink(&outside, sandbox.cwd().join("a/sub")).unwrap();
    fs::write(sandbox.cwd().join("b/sub/evil"), "evil").unwrap();
    for ins in
        ["--in a/. --in b/.", "--in a:t --in b/sub:t/sub", "--in a:t --in b/sub/evil:t/sub/x/evil"]
    {
        let ran = sandbox.tmpx(words(&format!("exec {ins} true"))).run();
        assert_eq!(ran.status, Some(125), "{ins}: {ran:?}");
        assert_eq!(names(&outside), Vec::<String>::new(), "{ins}");
    }
}

#[test]
fn a_directory_is_not_copied_into_itself() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.tmp().join("file"), "").unwrap();
    let run = sandbox.tmpx(words("exec --in . find . -name file")).cwd(sandbox.tmp());
    run.gives(0, "./file\n", "");
    fs::remove_file(sandbox.tmp().join("file")).unwrap();
}

#[test]
fn a_command_cannot_write_into_the_lease_that_it_inherits() {
    let sandbox = Sandbox::new();
    let script = "echo nonsense >&100; echo went on";
    let ran = sandbox.tmpx(["exec", "bash", "-c", script]).run();
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "went on\n"), "{ran:?}");
}

#[test]
fn a_name_that_somebody_else_has_by_now_ends_the_lease() {
    let sandbox = Sandbox::new();
    let script = "f=$(tmpx file --name report.csv --ttl 0); echo mine > new; mv new $f; \
                  tmpx cleanup; tmpx cleanup; cat $f; rm $f";
    let ran = sandbox.sh(script).run();
    assert_eq!(ran.stdout, "mine\n", "{ran:?}");
    assert_eq!(ran.stderr.matches("something else is in its place").count(), 1, "{ran:?}");
}

#[test]
fn a_tree_both_wide_and_deep_goes_at_once() {
    let sandbox = Sandbox::in_memory();
    let top = sandbox.dir();
    for n in 0..6000 {
        let deep = if n % 40 == 0 { "/d".repeat(30) } else { String::new() };
        fs::create_dir_all(top.join(format!("x/{n}{deep}"))).unwrap();
    }
    let listed = sandbox.tmpx(words("list --json")).succeeds().json();
    let removed = sandbox.tmpx(words("cleanup --all -q --json")).succeeds().json();
    assert_eq!(removed[0]["entries"], 2 + 6000 + 150 * 30);
    assert_eq!(listed[0]["entries"], removed[0]["entries"]);
}

#[test]
fn root_without_its_capabilities_opens_its_trees_up_too() {
    if !skip_unless(is_root(), "root") || !has("setpriv") {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "d=$(tmpx dir); mkdir -p $d/a/b; touch $d/a/b/c; chmod 000 $d/a/b; chmod 555 $d/a; \
                  setpriv --bounding-set=-all --inh-caps=-all tmpx cleanup --all -q";
    sandbox.sh(script).succeeds();
}

#[test]
fn no_umask_breaks_anything() {
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

#[test]
fn a_signal_during_the_preparations_ends_them() {
    use rustix::process::{Pid, Signal, kill_process};
    use std::os::unix::process::ExitStatusExt as _;
    let sandbox = Sandbox::new();
    sandbox.sh("mkfifo slow").succeeds();
    let mut child = sandbox.tmpx(words("exec --in slow:data touch ran")).spawn();
    // It has come to the copying when the pipe has a reader.
    let writer = fs::File::options().write(true).open(sandbox.cwd().join("slow")).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(2));
    drop(writer);
    // And one that nobody ever writes to: the workspace is there before the wait begins.
    let mut child = sandbox.tmpx(words("exec --in slow:data touch ran")).spawn();
    while sandbox.left().is_empty() {
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    assert!(!sandbox.cwd().join("ran").exists());
}

#[test]
fn few_descriptors_are_enough_for_many_outputs() {
    let sandbox = Sandbox::new();
    let script = "ulimit -n 64; tmpx exec --out '*.txt' -- sh -c 'for n in $(seq 200); do echo > $n.txt; done'";
    sandbox.sh(script).succeeds();
    assert_eq!(names(&sandbox.cwd()).len(), 200);
}

#[test]
fn what_was_told_can_be_cleaned_up_at_once() {
    let sandbox = Sandbox::new();
    let script = "n=0; while [ $n -lt 60 ]; do tmpx file | { read f; tmpx cleanup -q $f; } || exit 1; \
                  n=$((n+1)); done";
    sandbox.sh(script).succeeds();
}

#[test]
fn cleanups_at_once_do_not_complain_of_each_other() {
    let sandbox = Sandbox::new();
    sandbox.sh("for n in $(seq 60); do tmpx file --ttl 0; done").succeeds();
    let ran = sandbox.sh("tmpx cleanup & tmpx cleanup & wait").run();
    assert!(!ran.stderr.contains("in use"), "{ran:?}");
    let path = sandbox.dir();
    let both = format!("tmpx cleanup -q {0} & tmpx cleanup -q {0} && wait $!", path.display());
    let ran = sandbox.sh(&both).run();
    // Whoever comes when all is over finds nothing; nobody is told that it was not ours.
    assert!(ran.status == Some(0) || ran.stderr.ends_with(": there is no such thing\n"), "{ran:?}");
}

#[test]
fn what_others_put_where_a_store_may_be_is_no_concern() {
    if !skip_unless(is_root(), "root") || !has("unshare") || !has("setpriv") {
        return;
    }
    let sandbox = Sandbox::for_nobody();
    let as_nobody = format!("setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups");
    for plant in ["mkdir -m 700", "touch", "ln -s /etc"] {
        let script = format!(
            "unset TMPX_STATE_DIR; mount -t tmpfs -o mode=1777 tmpfs /var/tmp; \
             {plant} /var/tmp/.tmpx-{NOBODY}; f=$({as_nobody} tmpx file) && ls $f && \
             {as_nobody} tmpx list && {as_nobody} tmpx cleanup -q $f && {as_nobody} tmpx cleanup -q"
        );
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script]);
        let ran = sandbox.command(command).run();
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{plant}: {ran:?}");
    }
}

#[test]
fn a_name_does_not_speak_to_the_terminal() {
    let sandbox = Sandbox::new();
    let ran = sandbox.tmpx(["cleanup", "\u{1b}[31mred\n"]).run();
    assert!(ran.stderr.starts_with("tmpx: could not remove \\u{1b}[31mred\\n: "), "{ran:?}");
    let listed = sandbox.tmpx(["file", "--name", "\u{1b}[31m", "--ttl", "0"]).run();
    assert_eq!(listed.status, Some(0));
    sandbox.tmpx(["cleanup", "-q"]).succeeds();
}

#[test]
fn a_lease_from_the_end_of_time_is_listed() {
    let sandbox = Sandbox::new();
    sandbox.file();
    let lease = sandbox.state().join("leases").join(&sandbox.leases()[0]);
    let record = fs::read_to_string(&lease).unwrap();
    let (before, rest) = record.split_once("\"wall_ms\":").unwrap();
    let (_, after) = rest.split_once(',').unwrap();
    fs::write(&lease, format!("{before}\"wall_ms\":9999999999999999,{after}")).unwrap();
    let listed = sandbox.tmpx(words("list --json")).succeeds().json();
    assert_eq!(listed[0]["created"], "9999-12-31T23:59:59.999Z");
    sandbox.clean_up();
}

//! `tmpx exec --report`, `--anon-fd`, `--private-tmp`, and what is told of commands that leave others
//! running.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::sandbox::{KEPT, Sandbox, has, is_root, names, skip_unless, words};

fn report(sandbox: &Sandbox) -> Value {
    serde_json::from_slice(&fs::read(sandbox.cwd().join("report")).unwrap()).unwrap()
}

#[test]
fn a_report_tells_all_of_a_run() {
    let sandbox = Sandbox::new();
    let script =
        "echo a > a; echo b > b; head -c 50000000 /dev/zero | tail -c 50000000 > /dev/null";
    let args = ["exec", "--report", "report", "--out", "?", "--", "sh", "-c", script];
    sandbox.tmpx(args).gives(0, "", "");
    let report = report(&sandbox);
    let keys: Vec<&String> = report.as_object().unwrap().keys().collect();
    let expected = [
        "command",
        "exit",
        "kept",
        "outputs",
        "peak_memory_bytes",
        "signal",
        "status",
        "system_ms",
        "timed_out",
        "user_ms",
        "wall_ms",
        "workspace",
    ];
    assert_eq!(keys, expected);
    assert_eq!(report["command"], serde_json::json!(["sh", "-c", script]));
    assert_eq!(sandbox.plain(report["workspace"].as_str().unwrap()), "$ROOT/tmp/tmp.RANDOM");
    assert_eq!((&report["status"], &report["signal"]), (&0.into(), &Value::Null));
    assert_eq!((&report["kept"], &report["timed_out"]), (&false.into(), &false.into()));
    let outputs = report["outputs"].as_array().unwrap();
    let outputs: Vec<_> =
        outputs.iter().map(|one| sandbox.plain(one["path"].as_str().unwrap())).collect();
    assert_eq!(outputs, ["$ROOT/cwd/a", "$ROOT/cwd/b"]);
    // tail(1) holds what it is to print.
    assert!(report["peak_memory_bytes"].as_u64().unwrap() > 50_000_000, "{report}");
    let used = report["user_ms"].as_u64().unwrap() + report["system_ms"].as_u64().unwrap();
    assert!(used > 0 && report["wall_ms"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(names(&sandbox.cwd()), ["a", "b", "report"]);
}

#[test]
fn a_report_tells_how_the_command_failed_and_where_the_workspace_stays() {
    let sandbox = Sandbox::new();
    let ran = sandbox
        .tmpx(
            words("exec --report report --keep=on-failure -- sh -c")
                .into_iter()
                .chain(["exit 7".into()]),
        )
        .run();
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(7), KEPT));
    let told = report(&sandbox);
    assert_eq!((&told["status"], &told["kept"]), (&7.into(), &true.into()));
    assert!(Path::new(told["workspace"].as_str().unwrap()).is_dir());
    sandbox.clean_up();

    sandbox.tmpx(["exec", "--report", "report", "--", "sh", "-c", "kill -9 $$"]).run();
    let told = report(&sandbox);
    assert_eq!((&told["status"], &told["signal"]), (&Value::Null, &9.into()));

    sandbox.tmpx(words("exec --report report --timeout 10ms -- sleep 100")).gives(
        124,
        "",
        "tmpx: timed out after 10ms\n",
    );
    let told = report(&sandbox);
    assert_eq!((&told["timed_out"], &told["signal"]), (&true.into(), &15.into()));

    sandbox.tmpx(words("exec --report report nosuch")).run();
    let told = report(&sandbox);
    assert_eq!(
        (&told["status"], &told["signal"], &told["exit"]),
        (&Value::Null, &Value::Null, &127.into())
    );
}

#[test]
fn a_report_replaces_the_old_one_whole_and_is_asked_for_before_anything_runs() {
    let sandbox = Sandbox::new();
    let path = sandbox.cwd().join("report");
    fs::write(&path, "old").unwrap();
    let before = fs::metadata(&path).unwrap().ino();
    sandbox.tmpx(words("exec --report report -- cat ../../cwd/report")).gives(0, "old", "");
    assert_ne!(fs::metadata(&path).unwrap().ino(), before);
    let message = "tmpx: could not replace no/report: No such file or directory\n";
    sandbox.tmpx(words("exec --report no/report --here touch ran")).gives(125, "", message);
    assert_eq!(names(&sandbox.cwd()), ["report"]);
}

#[test]
fn an_unnamed_file_is_open_for_both_under_the_number_that_was_asked_for() {
    let sandbox = Sandbox::new();
    let script = "echo one >&9; echo two >&9; cat /proc/self/fd/9; stat -Lc '%a %h %F' /proc/self/fd/9; \
                  wc -c < /proc/self/fd/4; grep flags /proc/self/fdinfo/4; ls -A";
    let args = ["exec", "--anon-fd", "9", "--anon-fd", "4", "--", "bash", "-c", script];
    if !has("bash") {
        return;
    }
    // 02 is O_RDWR, 020000000 O_TMPFILE, 0100000 O_LARGEFILE.
    let expected = "one\ntwo\n600 0 regular file\n0\nflags:\t022500002\n.tmp\n";
    let ran = sandbox.tmpx(args).succeeds();
    let lines = |text: &str| {
        text.lines()
            .filter(|line| !line.starts_with("flags"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(lines(&ran.stdout), lines(expected));
    let flags = ran.stdout.lines().find_map(|line| line.strip_prefix("flags:\t")).unwrap();
    assert_eq!(i32::from_str_radix(flags, 8).unwrap() & 0o3, 0o2, "open for reading and writing");
}

#[test]
fn an_unnamed_file_takes_no_descriptor_of_tmpxs_own() {
    let sandbox = Sandbox::new();
    // Every number on which tmpx might have had something, the lock's included.
    let numbers: Vec<String> = (3..=12).chain([100]).map(|n| format!("--anon-fd={n}")).collect();
    let script = "cd /proc/self/fd; for fd in 3 4 5 6 7 8 9 10 11 12 100; do \
                  [ -s $fd ] || stat -Lc %h $fd; done | sort | uniq -c | tr -s ' '; \
                  readlink 101 | grep -c leases";
    let args = ["exec"].into_iter().map(str::to_owned).chain(numbers);
    let args = args.chain(["sh", "-c", script].map(str::to_owned));
    sandbox.tmpx(args).gives(0, " 11 0\n1\n", "");
    let message = "tmpx: 99999999 is beyond the limit on open files\nhint: 'ulimit -n' shows it\n";
    sandbox.tmpx(words("exec --anon-fd 99999999 true")).gives(2, "", message);
}

/// Whether a command may have mounts of its own here.
fn can_mount(sandbox: &Sandbox) -> bool {
    let mut command = Command::new("unshare");
    command.args(if is_root() { &["-m", "true"][..] } else { &["-Urm", "true"] });
    has("unshare") && skip_unless(sandbox.command(command).run().status == Some(0), "namespaces")
}

const IN_PRIVATE: &str = "touch /tmp/in-tmp /var/tmp/in-var; ls /var/tmp; stat -c %a /tmp /var/tmp; \
                          echo $TMPDIR; mktemp -u; pwd; ls -A; cd \"$TMPX_WORKSPACE\" && pwd";

#[test]
fn a_private_tmp_is_empty_open_to_all_and_gone_afterwards() {
    let sandbox = Sandbox::new();
    if !can_mount(&sandbox) {
        return;
    }
    let workspace = "$ROOT/tmp/tmp.RANDOM";
    let expected = format!(
        "in-var\n1777\n1777\n/tmp\n/tmp/tmp.RANDOM\n{workspace}\n.tmp\n.tmp-var\n{workspace}\n"
    );
    sandbox.tmpx(["exec", "--private-tmp", "--", "sh", "-c", IN_PRIVATE]).gives(0, &expected, "");
    for path in ["/tmp/in-tmp", "/var/tmp/in-var"] {
        assert!(!Path::new(path).exists(), "{path}");
    }
    // Nothing of it is seen outside, and what is outside is not seen in it.
    let script = "ls /tmp; grep -c ' /tmp ' /proc/self/mounts";
    let ran = sandbox.tmpx(["exec", "--private-tmp", "--", "sh", "-c", script]).succeeds();
    assert_eq!(ran.stdout.lines().count(), 2, "{ran:?}");
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(sandbox.root().to_str().unwrap()), "{mounts}");
}

#[test]
fn a_workspace_is_seen_beside_a_private_tmp_wherever_it_is() {
    let sandbox = Sandbox::new();
    if !can_mount(&sandbox) {
        return;
    }
    std::os::unix::fs::symlink(sandbox.tmp(), sandbox.root().join("link")).unwrap();
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let script = "pwd -P; ls -A; touch \"$TMPX_WORKSPACE/seen\"; ls";
    for dir in [&sandbox.root().join("link"), elsewhere.path()] {
        let run =
            sandbox.tmpx(["exec", "--private-tmp", "--", "sh", "-c", script]).env("TMPDIR", dir);
        let ran = run.succeeds();
        let lines: Vec<&str> = ran.raw.lines().collect();
        let real = fs::canonicalize(dir).unwrap();
        assert_eq!(Path::new(lines[0]).parent().unwrap(), real, "{ran:?}");
        assert_eq!(&lines[1..], [".tmp", ".tmp-var", "seen"], "{ran:?}");
    }
    assert_eq!(names(elsewhere.path()), Vec::<String>::new());
}

#[test]
fn whoever_is_not_root_gets_a_private_tmp_too_where_that_is_allowed() {
    let sandbox = Sandbox::for_nobody();
    let mut probe = Command::new("unshare");
    probe.args(["-Um", "true"]);
    let allowed = has("unshare") && sandbox.command(probe).by_nobody().run().status == Some(0);
    if !skip_unless(allowed, "user namespaces") {
        return;
    }
    let script = "touch /tmp/mine; ls /tmp | grep mine; id -u; grep CapEff /proc/self/status";
    let run = sandbox.tmpx(["exec", "--private-tmp", "--", "sh", "-c", script]).by_nobody();
    let ran = run.succeeds();
    let user = if is_root() { "65534" } else { &rustix::process::geteuid().as_raw().to_string() };
    let expected = format!("mine\n{user}\nCapEff:\t0000000000000000\n");
    assert_eq!(ran.stdout, expected);
}

#[test]
fn a_private_tmp_that_the_system_forbids_is_told_with_a_hint() {
    let sandbox = Sandbox::new();
    if !skip_unless(is_root(), "root") || !has("unshare") {
        return;
    }
    // A limit on user namespaces holds in the user namespace in which it is set.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces; echo 0 > /proc/sys/user/max_mnt_namespaces; \
                  tmpx exec --private-tmp -- touch ran; echo $?; ls $TMPDIR";
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", script]);
    let ran = sandbox.command(command).run();
    let message = "tmpx: could not give the command a /tmp of its own: No space left on device\n\
                   hint: that takes root or user namespaces, which this system or a container may forbid\n";
    if !skip_unless(!ran.stderr.contains("unshare:"), "user namespaces") {
        return;
    }
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("125\n", message));
}

#[test]
fn what_a_private_tmp_would_hide_is_refused_before_anything_runs() {
    let sandbox = Sandbox::new();
    if !skip_unless(sandbox.root().starts_with("/tmp"), "tests that run in /tmp") {
        return;
    }
    let message = "tmpx: --here: with --private-tmp this directory is not seen\n";
    sandbox.tmpx(words("exec --private-tmp --here true")).gives(2, "", message);
    let message = "tmpx: ./tool: with --private-tmp its directory is not seen\n\
                   hint: a shell in the workspace finds a copy: --in ./tool -- sh -c …\n";
    sandbox.tmpx(words("exec --private-tmp ./tool")).gives(2, "", message);
}

#[test]
fn what_runs_on_is_told_by_number_and_name() {
    let sandbox = Sandbox::new();
    // Also what has a session of its own and closed all that it inherited, as a daemon does.
    let left = |shell: &str| {
        format!(
            "{shell} 'exec 3>&- 100>&-; exec sleep 1000' </dev/null >/dev/null 2>&1 & echo $!; \
             until [ \"$(cat /proc/$!/comm)\" = sleep ]; do :; done"
        )
    };
    for shell in ["bash -c", "setsid bash -c"] {
        if !has("bash") || !has("setsid") {
            return;
        }
        let ran = sandbox.tmpx(["exec", "sh", "-c", &left(shell)]).run();
        let pid: i32 = ran.raw.trim().parse().unwrap();
        let message = format!("tmpx: still running: sleep (process {pid})\n");
        assert_eq!((ran.status, &ran.stderr), (Some(0), &message));
        assert_eq!(sandbox.left(), Vec::<String>::new());
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }
}

#[test]
fn what_was_left_running_and_has_ended_is_not_told() {
    let sandbox = Sandbox::new();
    // Its number is free only when its parent, which tmpx has become, has waited for it.
    let script = "(sh -c 'echo $$ >pid' &); until [ -s pid ] && ! kill -0 $(cat pid) 2>/dev/null; do :; done";
    sandbox.tmpx(["exec", "sh", "-c", script]).gives(0, "", "");
}

#[test]
fn a_command_is_found_through_a_relative_directory_of_path() {
    let sandbox = Sandbox::new();
    let tool = sandbox.cwd().join("tools/hello");
    fs::create_dir(sandbox.cwd().join("tools")).unwrap();
    fs::write(&tool, "#!/bin/sh\necho hello from $0\n").unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let run = sandbox.tmpx(words("exec hello")).env("PATH", "tools:/usr/bin:/bin");
    run.gives(0, "hello from $ROOT/cwd/tools/hello\n", "");
}

#[test]
fn a_script_without_a_first_line_goes_to_the_shell_and_one_with_a_wrong_one_is_told() {
    let sandbox = Sandbox::new();
    let write = |name: &str, text: &str| {
        let path = sandbox.cwd().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    write("plain", "echo plain $# $1\n");
    sandbox.tmpx(["exec", "./plain", "a b"]).gives(0, "plain 1 a b\n", "");
    write("wrong", "#!/no/such/interpreter\n");
    let message = "tmpx: could not run ./wrong: No such file or directory\n\
                   hint: what its first line (#!) names, or its loader, is not there\n";
    sandbox.tmpx(["exec", "./wrong"]).gives(127, "", message);
}

#[test]
fn a_save_that_fails_takes_back_the_directories_that_it_made() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.cwd().join("taken")).unwrap();
    let script = "mkdir -p a/b; echo x > a/b/x; echo y > y";
    let args = ["exec", "--out", "a/b/x:new/deep/", "--out", "y:taken", "--", "sh", "-c", script];
    let ran = sandbox.tmpx(args).run();
    assert_eq!(ran.status, Some(125), "{ran:?}");
    assert_eq!(names(&sandbox.cwd()), ["taken"]);
    sandbox.clean_up();
}

#[test]
fn a_program_that_cannot_be_run_gets_a_hint_at_what_was_meant() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("test.sh"), "").unwrap();
    fs::write(sandbox.cwd().join("b.c"), "").unwrap();
    let cases = [
        ("test.sh", 127, "for the one in this directory: ./test.sh"),
        ("cd", 127, "that is the shell's own: sh -c 'cd …'"),
        ("A=b", 127, "for a variable: env A=b …"),
        (
            "--in test.sh b.c x",
            127,
            "--in takes one file, and is given again for each: --in A --in B",
        ),
        (
            "--in test.sh:bin/ bin/test.sh",
            127,
            "it is looked for where you are; for the one in the workspace: sh -c bin/test.sh",
        ),
    ];
    for (args, status, hint) in cases {
        let ran = sandbox.tmpx(words(&format!("exec {args}"))).run();
        assert_eq!(
            (ran.status, ran.stderr.lines().nth(1)),
            (Some(status), Some(&*format!("hint: {hint}")))
        );
    }
    let message = "tmpx: there is no command after --\n";
    sandbox.tmpx(words("exec --")).gives(2, "", message);
    let message = "tmpx: --report: stdout is the command's own; name a file\n";
    sandbox.tmpx(words("exec --report - true")).gives(2, "", message);
    let message =
        "tmpx: --in *.c: No such file or directory\nhint: --in takes a name, no pattern\n";
    sandbox.tmpx(words("exec --in *.c true")).gives(125, "", message);
    sandbox.tmpx(["exec", "--out", "", "touch", "/x"]).gives(
        2,
        "",
        "tmpx: --out : the pattern is empty\n",
    );
}

#[test]
fn leases_of_what_went_with_a_private_tmp_go_too() {
    let sandbox = Sandbox::new();
    if !can_mount(&sandbox) {
        return;
    }
    // The store and tmpx itself are in /tmp as the sandbox is, and have to be elsewhere.
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let script = "cp $(command -v tmpx) $E/tmpx; PATH=$E:$PATH TMPX_STATE_DIR=$E/state; \
                  export PATH TMPX_STATE_DIR; tmpx exec --private-tmp -- sh -c \
                  'tmpx file; tmpx dir --until-exit=$$; tmpx file -p $E'; ls $E/state/leases | wc -l";
    let ran = sandbox.sh(script).env("E", elsewhere.path()).succeeds();
    let lines: Vec<&str> = ran.raw.lines().collect();
    assert_eq!((lines.len(), lines[3]), (4, "1"), "{ran:?}");
    assert!(Path::new(lines[2]).exists(), "what lies where all can see it stays");
}

//! `tmpx exec` without a terminal: what a command inherits, and how it ends, is the same as without
//! tmpx.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::sandbox::{Sandbox, names};

/// Runs a shell line twice, with RUN as a command that changes nothing and as `tmpx exec`, and
/// expects the same output. Returns it.
fn prints_the_same(sandbox: &Sandbox, line: &str) -> String {
    let run = |name: &str| sandbox.sh(&line.replace("RUN", name)).run();
    let (plain, under_tmpx) = (run("env"), run("tmpx exec"));
    assert_eq!((plain.status, plain.stderr.as_str()), (Some(0), ""), "{line}");
    let end = (under_tmpx.status, under_tmpx.stdout.as_str(), under_tmpx.stderr.as_str());
    assert_eq!(end, (plain.status, plain.stdout.as_str(), plain.stderr.as_str()), "{line}");
    plain.stdout
}

/// Returns the sets of signals in /proc/PID/status, without the two signals that the C library
/// reserves: it ignores one or the other in the processes that it starts.
fn signal_sets(status: &str) -> Vec<(&str, u64)> {
    let sets = status.lines().filter_map(|line| line.split_once(":\t"));
    let of_signals = sets.filter(|(name, _)| name.starts_with("Sig") || name.starts_with("Shd"));
    of_signals
        .filter_map(|(name, set)| Some((name, u64::from_str_radix(set, 16).ok()? & !(0b11 << 31))))
        .collect()
}

#[test]
fn blocked_and_ignored_signals_are_inherited() {
    let sandbox = Sandbox::new();
    let mut seen = Vec::new();
    for before in [
        "",
        "env --ignore-signal=INT,QUIT,TERM,HUP",
        "env --ignore-signal=PIPE,CHLD,USR1,WINCH,TSTP,TTIN,TTOU,CONT",
        "env --block-signal=INT,TERM,CHLD,USR2",
        "env --block-signal --ignore-signal",
        "nohup",
    ] {
        let show = |run| format!("{before} {run} cat /proc/self/status 2>/dev/null");
        let plain = sandbox.sh(&show("env")).succeeds().stdout;
        let under_tmpx = sandbox.sh(&show("tmpx exec")).succeeds().stdout;
        assert_eq!(signal_sets(&under_tmpx), signal_sets(&plain), "{before}");
        seen.push(format!("{:?}", signal_sets(&plain)));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 6, "some of these do nothing: {seen:#?}");
}

#[test]
fn a_broken_pipe_affects_the_command_as_without_tmpx() {
    let sandbox = Sandbox::new();
    for (before, status) in [("", "141\n"), ("trap '' PIPE; ", "1\n")] {
        let line = format!("{before}{{ RUN cat /dev/zero 2>/dev/null; echo $? >status; }} | :");
        prints_the_same(&sandbox, &line);
        assert_eq!(fs::read_to_string(sandbox.cwd().join("status")).unwrap(), status);
    }
}

#[test]
fn every_exit_status_of_the_command_is_passed_on() {
    let sandbox = Sandbox::new();
    let line = "i=0; while [ $i -le 255 ]; do RUN sh -c \"exit $i\"; echo $?; i=$((i + 1)); done";
    let printed = prints_the_same(&sandbox, line);
    let statuses: Vec<u32> = printed.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(statuses, (0..=255).collect::<Vec<u32>>());
}

/// Returns how a script ends, as its parent sees it.
fn end_of(sandbox: &Sandbox, run: &[&str], script: &str) -> ExitStatus {
    let mut command = Command::new("env");
    command.args(run).args(["sh", "-c", script]);
    let mut command = sandbox.command(command).prepared();
    command.spawn().unwrap().wait().unwrap()
}

#[test]
fn tmpx_dies_by_every_signal_that_kills_the_command() {
    let sandbox = Sandbox::new();
    // All signals except for those that stop, and the two that the C library reserves.
    for signal in (1..=64).filter(|signal| ![19, 20, 21, 22, 32, 33].contains(signal)) {
        let script = format!("ulimit -c 0; kill -{signal} $$; exit 9");
        let plain = end_of(&sandbox, &[], &script);
        let under_tmpx = end_of(&sandbox, &["tmpx", "exec"], &script);
        let end = |status: ExitStatus| (status.code(), status.signal());
        assert_eq!(end(under_tmpx), end(plain));
        assert!([(None, Some(signal)), (Some(9), None)].contains(&end(plain)), "{plain}");
        assert!(!under_tmpx.core_dumped(), "{signal}");
    }
    let line = "for signal in $(seq 18) $(seq 23 31) $(seq 34 64); do \
                RUN sh -c \"ulimit -c 0; kill -$signal \\$\\$; exit 9\"; echo $signal $?; done";
    let line = format!("{{ {line}; }} 2>/dev/null");
    assert!(prints_the_same(&sandbox, &line).contains("\n11 139\n"));
}

#[test]
fn only_the_command_dumps_core() {
    let sandbox = Sandbox::new();
    let script = "ulimit -c unlimited; exec \"$@\"";
    let end = |run: &[&str]| {
        let before = [&["sh", "-c", script, "sh"], run].concat();
        end_of(&sandbox, &before, "cd \"$HOME\"; kill -ABRT $$")
    };
    assert_eq!(end(&[]).signal(), Some(6));
    let under_tmpx = end(&["tmpx", "exec"]);
    assert_eq!((under_tmpx.signal(), under_tmpx.core_dumped()), (Some(6), false));
    assert_eq!(names(&sandbox.cwd()), Vec::<String>::new());
}

#[test]
fn the_command_inherits_all_descriptors_and_one_more_above_99() {
    let sandbox = Sandbox::new();
    let list = |first: u32, last: u32| {
        format!(
            "RUN sh -c 'fd={first}; while [ $fd -le {last} ]; do \
             [ -h /proc/$$/fd/$fd ] && echo $fd && readlink /proc/$$/fd/$fd; fd=$((fd + 1)); done; :'"
        )
    };
    let open = "echo >in; exec <in 2>err 3<in 4>out 5<>in 6<&4 7>/dev/null 9<in";
    let line = format!("{open}; {} >list; cat list err", list(0, 99));
    let listed = prints_the_same(&sandbox, &line);
    assert!(listed.contains("\n6\n$ROOT/cwd/out\n7\n/dev/null\n9\n"), "{listed}");
    let line = list(100, 200).replace("RUN", "tmpx exec");
    let listed = sandbox.sh(&line).succeeds().stdout;
    assert!(listed.starts_with("100\n$ROOT/home/state/leases/"), "{listed}");
    assert_eq!(listed.lines().count(), 2, "{listed}");
}

#[test]
fn standard_input_and_output_are_the_same_open_files() {
    let sandbox = Sandbox::new();
    // Processes that share an open file continue where the last one stopped.
    let line = "echo abcdef >in; { RUN dd bs=1 count=2; head -c 3; RUN cat; } <in 2>/dev/null; \
                { RUN echo one; echo two; RUN sh -c 'echo three >&2' 2>&1; } >out; cat out";
    assert_eq!(prints_the_same(&sandbox, line), "abcdef\none\ntwo\nthree\n");
}

#[test]
fn limits_priority_umask_and_arguments_are_inherited() {
    let sandbox = Sandbox::new();
    let show = "umask; nice; cat /proc/self/limits /proc/self/oom_score_adj; \
                grep -E \"^(NoNewPrivs|Cpus_allowed_list|Seccomp):\" /proc/self/status; \
                for word; do printf \"[%s]\" \"$word\"; done; echo";
    let line = format!(
        "umask 027; ulimit -n 512; ulimit -f 9999; ulimit -c 0; ulimit -s 4096; \
         nice -n 3 RUN sh -c '{show}' sh '' 'two words' --in -- \"$(printf 'x\\ny')\""
    );
    let shown = prints_the_same(&sandbox, &line);
    assert!(shown.starts_with("0027\n"), "{shown}");
    assert!(shown.ends_with("[][two words][--in][--][x\ny]\n"), "{shown}");
}

#[test]
fn the_environment_is_inherited_except_for_four_variables_of_the_workspace() {
    let sandbox = Sandbox::new();
    let own = "^(TMPX_WORKSPACE|TMPDIR|PWD|OLDPWD)=";
    let line = format!(
        "export EMPTY= EQUALS=a=b=c TEMP=/nowhere TMP=/nowhere RAW=$(printf '\\377'); \
         RUN env | grep -avE '{own}' | sort"
    );
    assert!(prints_the_same(&sandbox, &line).contains("\nEQUALS=a=b=c\n"));
    let line = "env -i \"$(command -v tmpx)\" exec -p \"$HOME\" /usr/bin/env | cut -d= -f1 | sort";
    let run = sandbox.sh(&format!("export TMPX_STATE_DIR; {line}"));
    run.expects(0, "OLDPWD\nPWD\nTMPDIR\nTMPX_WORKSPACE\n", "");
}

/// Starts a command under tmpx and waits until it is ready.
fn ready(sandbox: &Sandbox, options: &[&str], command: &[&str]) -> Child {
    let args = [&["exec"], options, &["--"], command].concat();
    let mut child = sandbox.tmpx(args).spawn();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

/// Signals only tmpx, and waits for its end.
fn signalled(mut child: Child, signal: Signal) -> ExitStatus {
    kill_process(Pid::from_child(&child), signal).unwrap();
    child.wait().unwrap()
}

#[test]
fn a_command_can_save_its_state_when_a_batch_system_terminates_tmpx() {
    let sandbox = Sandbox::new();
    let script = "trap 'kill -KILL $!; echo step 7 >> checkpoint; exit 9' TERM USR1; \
                  echo step 1 > checkpoint; sleep 1000 & echo ready; wait";
    for signal in [Signal::TERM, Signal::USR1] {
        let options = ["--out-always", "checkpoint", "--out", "result"];
        let child = ready(&sandbox, &options, &["sh", "-c", script]);
        assert_eq!(signalled(child, signal).code(), Some(9));
        let saved = fs::read_to_string(sandbox.cwd().join("checkpoint")).unwrap();
        assert_eq!(saved, "step 1\nstep 7\n");
        assert_eq!(names(&sandbox.cwd()), ["checkpoint"]);
        assert_eq!(sandbox.left(), Vec::<String>::new());
        fs::remove_file(sandbox.cwd().join("checkpoint")).unwrap();
    }
}

#[test]
fn out_always_saves_results_of_a_command_that_a_batch_system_terminated() {
    let sandbox = Sandbox::new();
    let script = "echo step 1 > checkpoint; echo ready; exec sleep 1000";
    for signal in [Signal::TERM, Signal::USR2] {
        let child = ready(&sandbox, &["--out-always", "checkpoint"], &["sh", "-c", script]);
        assert_eq!(signalled(child, signal).signal(), Some(signal.as_raw()));
        let saved = fs::read_to_string(sandbox.cwd().join("checkpoint")).unwrap();
        assert_eq!(saved, "step 1\n");
        assert_eq!(sandbox.left(), Vec::<String>::new());
        fs::remove_file(sandbox.cwd().join("checkpoint")).unwrap();
    }
}

#[test]
fn resources_in_the_workspace_are_removed_with_it_whatever_their_lifetime() {
    let sandbox = Sandbox::new();
    let script = "tmpx file --ttl 1h; tmpx dir --until-exit=$$ --session s; tmpx workspace; \
                  tmpx exec sh -c 'pwd; touch made; kill -KILL $PPID'; \
                  tmpx exec --keep sh -c 'pwd; tmpx exec pwd' 2>&1; exit 4";
    let ran = sandbox.tmpx(["exec", "sh", "-c", script]).run();
    assert_eq!(ran.status, Some(4), "{ran:?}");
    let paths: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with('$')).collect();
    assert_eq!(paths.len(), 6, "{ran:?}");
    assert!(paths.iter().all(|path| path.starts_with("$ROOT/tmp/tmp.RANDOM/.tmp/")), "{ran:?}");
    assert_eq!(sandbox.left(), Vec::<String>::new());
    sandbox.tmpx(["cleanup", "-q", "--all"]).succeeds();
}

#[test]
fn a_workspace_that_cannot_be_removed_is_reported_and_the_commands_status_stays() {
    let sandbox = Sandbox::for_nobody();
    let shut_in = |end: &str| {
        let script = format!("chmod 555 ..; {end}");
        let ran = sandbox.tmpx(["exec", "sh", "-c", &script]).by_nobody().run();
        sandbox.sh("chmod 755 $TMPDIR").by_nobody().succeeds();
        assert!(ran.stderr.starts_with("tmpx: could not remove $ROOT/tmp/tmp.RANDOM: "), "{ran:?}");
        assert_eq!((sandbox.left().len(), sandbox.leases().len()), (1, 1), "{ran:?}");
        sandbox.tmpx(["cleanup", "-q"]).by_nobody().succeeds();
        assert_eq!((sandbox.left().len(), sandbox.leases().len()), (0, 0));
        (ran.status, ran.signal)
    };
    assert_eq!(shut_in("exit 0"), (Some(0), None));
    assert_eq!(shut_in("exit 7"), (Some(7), None));
    assert_eq!(shut_in("kill -HUP $$"), (None, Some(1)));
}

#[test]
fn a_command_runs_with_few_descriptors() {
    let sandbox = Sandbox::new();
    prints_the_same(&sandbox, "ulimit -n 64; RUN echo text");
}

#[test]
fn each_signal_to_tmpx_alone_reaches_the_command() {
    let sandbox = Sandbox::new();
    // Grid Engine announces a limit with SIGXCPU; SIGPWR announces a power failure.
    let names = "USR1 USR2 ALRM XCPU XFSZ VTALRM PROF IO PWR WINCH RTMIN RTMAX URG PIPE CONT TSTP TTIN TTOU";
    for name in names.split(' ') {
        let script =
            format!("trap 'kill -KILL $!; exit 9' {name}; sleep 1000 & echo ready; wait; wait");
        let mut child = ready(&sandbox, &[], &["bash", "-c", &script]);
        sandbox.sh(&format!("bash -c 'kill -{name} {}'", child.id())).succeeds();
        assert_eq!(child.wait().unwrap().code(), Some(9), "{name}");
    }
}

#[test]
fn socket_activation_reaches_the_command() {
    let sandbox = Sandbox::new();
    let activated = |run: &str| format!("export LISTEN_FDS=1; LISTEN_PID=$$ exec {run}");
    let script = "[ $LISTEN_PID = $$ ] && env | grep -c ^LISTEN_PID=";
    let named = activated(&format!("tmpx exec --here -- sh -c '{script}'"));
    sandbox.sh(&named).expects(0, "1\n", "");
    // Sockets of another process stay its own.
    sandbox.sh("LISTEN_PID=7 tmpx exec sh -c 'echo $LISTEN_PID'").expects(0, "7\n", "");
}

//! Processes that a command leaves running.

use rustix::process::{Pid, Signal, kill_process};

use crate::support::sandbox::{Sandbox, has, is_root, skip_unless};

#[test]
fn processes_left_running_are_reported_by_number_and_name() {
    let sandbox = Sandbox::new();
    // Also a process that has its own session and closed all descriptors, as a daemon does.
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
        let message = format!("tmpx: sleep ({pid}) is still running; its workspace was removed\n");
        assert_eq!((ran.status, &ran.stderr), (Some(0), &message));
        assert_eq!(sandbox.left(), Vec::<String>::new());
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }
}

#[test]
fn a_process_that_has_ended_by_then_is_not_reported() {
    let sandbox = Sandbox::new();
    // Its number becomes free once its parent has waited for it; tmpx is now its parent.
    let script = "(sh -c 'echo $$ >pid' &); until [ -s pid ] && ! kill -0 $(cat pid) 2>/dev/null; do :; done";
    sandbox.tmpx(["exec", "sh", "-c", script]).expects(0, "", "");
}

/// A PID namespace that sees the /proc of its parent: there, the numbers of tmpx and of a bystander are
/// those of a shell and its child.
#[test]
fn a_time_limit_ends_nobody_whose_number_only_another_pid_namespace_has() {
    if !skip_unless(is_root(), "root") || !has("unshare") {
        return;
    }
    let sandbox = Sandbox::new();
    let inner = r"next() { echo $(($1 - 1)) > /proc/sys/kernel/ns_last_pid; }
        next $child 2>/dev/null || { echo none; exit; }
        sleep 60 & bystander=$!
        next $shell
        tmpx exec --timeout 0.1s sleep 60 & us=$!
        wait $us; status=$?
        { kill -KILL $bystander; wait $bystander; } 2>/dev/null; echo $status $?";
    let script = format!(
        "sh -c 'sleep 60 & echo $! > child; wait' & export shell=$!; \
         until [ -s child ]; do :; done; export child=$(cat child); \
         unshare -p -f --kill-child sh -c '{inner}'; kill $shell $child"
    );
    let ran = sandbox.sh(&script).run();
    if !skip_unless(ran.stdout != "none\n", "ns_last_pid") {
        return;
    }
    assert_eq!((&*ran.stdout, &*ran.stderr), ("124 137\n", "tmpx: timed out after 100ms\n"));
}

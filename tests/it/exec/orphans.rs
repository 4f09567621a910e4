//! Processes that a command leaves running.

use rustix::process::{Pid, Signal, kill_process};

use crate::support::sandbox::{Sandbox, has};

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

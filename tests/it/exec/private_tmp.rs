//! `tmpx exec --private-tmp`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::filter::{FCHMODAT2, shell_function};
use crate::support::namespaces::mounting;
use crate::support::sandbox::{Sandbox, has, is_root, names, skip_unless, words};

/// Whether a command can have mounts of its own here.
fn can_mount(sandbox: &Sandbox) -> bool {
    let mut command = Command::new("unshare");
    command.args(if is_root() { &["-m", "true"][..] } else { &["-Urm", "true"] });
    has("unshare") && skip_unless(sandbox.command(command).run().status == Some(0), "namespaces")
}

const IN_PRIVATE: &str = "touch /tmp/in-tmp /var/tmp/in-var; ls /var/tmp; stat -c %a /tmp /var/tmp; \
                          echo $TMPDIR; mktemp -u; pwd; ls -A; cd \"$TMPX_WORKSPACE\" && pwd";

#[test]
fn a_private_tmp_is_empty_open_to_all_users_and_removed_afterwards() {
    let sandbox = Sandbox::new();
    if !can_mount(&sandbox) {
        return;
    }
    let workspace = "$ROOT/tmp/tmp.RANDOM";
    let expected = format!(
        "in-var\n1777\n1777\n/tmp\n/tmp/tmp.RANDOM\n{workspace}\n.tmp\n.tmp-var\n{workspace}\n"
    );
    sandbox.tmpx(["exec", "--private-tmp", "--", "sh", "-c", IN_PRIVATE]).expects(0, &expected, "");
    for path in ["/tmp/in-tmp", "/var/tmp/in-var"] {
        assert!(!Path::new(path).exists(), "{path}");
    }
    // Files inside are invisible outside, and the reverse.
    let script = "ls /tmp; grep -c ' /tmp ' /proc/self/mounts";
    let ran = sandbox.tmpx(["exec", "--private-tmp", "--", "sh", "-c", script]).succeeds();
    assert_eq!(ran.stdout.lines().count(), 2, "{ran:?}");
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(sandbox.root().to_str().unwrap()), "{mounts}");
}

#[test]
fn a_private_tmp_never_hides_the_workspace() {
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
fn an_ordinary_user_gets_a_private_tmp_if_the_system_allows_it() {
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
fn a_private_tmp_that_the_system_forbids_is_reported_with_a_hint() {
    let sandbox = Sandbox::new();
    if !skip_unless(is_root(), "root") || !has("unshare") {
        return;
    }
    // A limit on user namespaces applies in the user namespace in which it is set.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces; echo 0 > /proc/sys/user/max_mnt_namespaces; \
                  tmpx exec --private-tmp -- touch ran; echo $?; ls $TMPDIR";
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", script]);
    let ran = sandbox.command(command).run();
    let message = "tmpx: could not set up a private /tmp for the command: No space left on device\n\
                   hint: --private-tmp needs root or user namespaces, which this system or container may forbid\n";
    if !skip_unless(!ran.stderr.contains("unshare:"), "user namespaces") {
        return;
    }
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("125\n", message));
}

#[test]
fn a_directory_that_a_private_tmp_would_hide_is_refused_before_the_command_runs() {
    let sandbox = Sandbox::new();
    if !skip_unless(sandbox.root().starts_with("/tmp"), "tests that run in /tmp") {
        return;
    }
    let message = "tmpx: --here: --private-tmp hides the current directory\n";
    sandbox.tmpx(words("exec --private-tmp --here true")).expects(2, "", message);
    let message = "tmpx: ./tool: --private-tmp hides its directory\n\
                   hint: copy it into the workspace: --in ./tool -- sh -c …\n";
    sandbox.tmpx(words("exec --private-tmp ./tool")).expects(2, "", message);
}

#[test]
fn leases_of_resources_in_a_private_tmp_are_removed_with_it() {
    let sandbox = Sandbox::new();
    if !can_mount(&sandbox) {
        return;
    }
    // The sandbox is in /tmp, and with it the store and tmpx itself. They must be elsewhere.
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let script = "cp $(command -v tmpx) $E/tmpx; PATH=$E:$PATH TMPX_STATE_DIR=$E/state; \
                  export PATH TMPX_STATE_DIR; tmpx exec --private-tmp -- sh -c \
                  'tmpx file; tmpx dir --until-exit=$$; tmpx file -p $E'; ls $E/state/leases | wc -l";
    let ran = sandbox.sh(script).env("E", elsewhere.path()).succeeds();
    let lines: Vec<&str> = ran.raw.lines().collect();
    assert_eq!((lines.len(), lines[3]), (4, "1"), "{ran:?}");
    assert!(Path::new(lines[2]).exists(), "what lies where all can see it stays");
}

#[test]
fn leases_are_removed_with_the_private_tmp_of_a_command_that_ends_at_once() {
    let sandbox = Sandbox::new();
    if !has("strace") || !can_mount(&sandbox) {
        return;
    }
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    // tmpx asks the system for the mounts of the command late. The command is not slowed down.
    let script = "cp $(command -v tmpx) $E/tmpx; PATH=$E:$PATH TMPX_STATE_DIR=$E/state; \
                  export PATH TMPX_STATE_DIR; strace -qq -o /dev/null -e trace=statx \
                  -e inject=statx:delay_enter=100000 tmpx exec --private-tmp -- tmpx file; \
                  ls $E/state/leases | wc -l";
    let ran = sandbox.sh(script).env("E", elsewhere.path()).succeeds();
    assert_eq!(ran.raw.lines().last(), Some("0"), "{ran:?}");
}

#[test]
fn leases_of_resources_in_the_private_tmp_of_a_killed_exec_end_with_its_workspace() {
    let sandbox = Sandbox::new();
    if !can_mount(&sandbox) {
        return;
    }
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let script = "cp $(command -v tmpx) $E/tmpx; PATH=$E:$PATH TMPX_STATE_DIR=$E/state; \
                  export PATH TMPX_STATE_DIR; tmpx exec --private-tmp -- sh -c \
                  'kill -9 $PPID; tmpx file; mkdir /tmp/d; tmpx dir -p /tmp/d; tmpx file -p $E; \
                   tmpx cleanup -q; echo done > $E/fifo' & read end < $E/fifo; \
                  while ! tmpx cleanup -q || [ $(ls -A $TMPDIR) ]; do :; done; tmpx list";
    std::process::Command::new("mkfifo").arg(elsewhere.path().join("fifo")).status().unwrap();
    let ran = sandbox.sh(script).env("E", elsewhere.path()).run();
    let lines: Vec<&str> = ran.raw.lines().collect();
    assert_eq!((lines.len(), lines.get(3)), (4, lines.get(2)), "{ran:?}");
    assert!(Path::new(lines[3]).exists(), "what lies where all can see it stays");
}

#[test]
fn socket_activation_reaches_a_command_with_a_private_tmp() {
    let sandbox = Sandbox::new();
    if !can_mount(&sandbox) {
        return;
    }
    let script = "export LISTEN_FDS=1; LISTEN_PID=$$ exec tmpx exec --private-tmp -- sh -c \
                  '[ $LISTEN_PID = $$ ] && env | grep -c ^LISTEN_PID='";
    sandbox.sh(script).expects(0, "1\n", "");
}

/// The calls that set a mode.
fn chmod_calls() -> String {
    let calls = [libc::SYS_fchmod, libc::SYS_fchmodat, FCHMODAT2];
    #[cfg(target_arch = "x86_64")]
    let calls = [calls.as_slice(), &[libc::SYS_chmod]].concat();
    calls.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
}

#[test]
fn a_workspace_and_a_private_tmp_need_no_mode_that_the_filesystem_refuses() {
    if !has("python3") {
        return;
    }
    for error in [libc::EPERM, libc::EOPNOTSUPP, libc::ENOSYS] {
        let sandbox = Sandbox::new();
        if !can_mount(&sandbox) {
            return;
        }
        let script = format!(
            "{} old() {{ filter {error} {} tmpx \"$@\"; }}; \
             old exec --private-tmp -- sh -c 'echo a >/tmp/a; cat /tmp/a; stat -c %a /tmp'; \
             old workspace --mkdir a; echo b | old spool -- cat; \
             echo c | old spool --max-size 1 -- cat {{}}; \
             old workspace --mode 750; echo $?; old dir --mode 750; echo $?; \
             (umask 0777; old workspace 2>/dev/null; echo $?)",
            shell_function(&sandbox),
            chmod_calls()
        );
        let ran = sandbox.sh(&script).run();
        let made = "$ROOT/tmp/tmp.RANDOM";
        let stdout = format!("a\n700\n{made}\nb\nc\n1\n1\n1\n");
        assert_eq!(ran.stdout, stdout, "{error} {ran:?}");
        // Who asks for a mode is told that it cannot be had.
        let refused = format!("tmpx: could not set the mode of {made}: ");
        assert!(ran.stderr.starts_with(&refused), "{error} {ran:?}");
        sandbox.clean_up();
    }
}

#[test]
fn a_disk_that_refuses_every_mode_has_workspaces_and_private_temp_dirs() {
    let sandbox = Sandbox::new();
    // A disk from another system, with the mode of the mount for all.
    let filesystem = "mkdir m; truncate -s 16M image; mkfs.ntfs -q -F -f image >/dev/null 2>&1; \
                      mount_it() { ntfs-3g -o no_def_opts,umask=022 image m; }";
    let script = "export TMPDIR=$PWD/m; touch m/x; chmod 700 m/x 2>/dev/null || echo refused; rm m/x; \
                  tmpx exec --private-tmp -- sh -c 'echo a >/tmp/a; cat /tmp/a; stat -c %a /tmp'; \
                  tmpx exec -- pwd; tmpx workspace --mkdir a; tmpx file --name n; tmpx dir --name d; \
                  echo b | tmpx spool --max-size 1 -- cat {}; tmpx cleanup --all -q; ls -A m";
    let Some(ran) = mounting(&sandbox, filesystem, &["mkfs.ntfs", "ntfs-3g"], script) else {
        return;
    };
    let random = "$ROOT/cwd/m/tmp.RANDOM\n".repeat(2);
    let named = "$ROOT/cwd/m/n\n$ROOT/cwd/m/d\n";
    assert_eq!(ran.stdout, format!("refused\na\n755\n{random}{named}b\n"), "{ran:?}");
    assert_eq!(ran.stderr, "");
}

#[test]
fn a_private_tmp_is_closed_to_others_where_its_mode_cannot_be_set_whatever_the_umask() {
    for option in ["--chmod-deny", "--chmod-ignore"] {
        let sandbox = Sandbox::new();
        let filesystem = format!("mkdir src m; mount_it() {{ bindfs {option} src m; }}");
        let script = "for mask in 000 002 022 077; do umask $mask; \
                      tmpx exec -p m --private-tmp -- stat -c %a . /tmp /var/tmp; done; ls -A m";
        let Some(ran) = mounting(&sandbox, &filesystem, &["bindfs"], script) else { return };
        assert_eq!(ran.stdout, "700\n".repeat(12), "{option} {ran:?}");
        assert_eq!(ran.stderr, "", "{option}");
    }
}

#[test]
fn a_private_tmp_is_closed_to_others_where_they_can_reach_it() {
    let sandbox = Sandbox::new();
    let filesystem = "mkdir src m; mount_it() { bindfs --perms=go+rx src m; }";
    let script = "umask 000; tmpx exec -p m --private-tmp -- stat -c %a . /tmp /var/tmp; \
                  tmpx exec -p m --private-tmp --mode 777 -- stat -c %a .; ls -A m";
    let Some(ran) = mounting(&sandbox, filesystem, &["bindfs"], script) else { return };
    assert_eq!(ran.stdout, "755\n755\n755\n777\n", "{ran:?}");
    assert_eq!(ran.stderr, "");
}

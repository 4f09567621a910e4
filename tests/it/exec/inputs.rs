//! `tmpx exec --in`: copies of inputs in the workspace.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::support::sandbox::{Sandbox, is_root, names, skip_unless, words};

#[test]
fn inputs_keep_mode_and_time_and_directories_are_copied_whole() {
    let sandbox = Sandbox::new();
    let tree = sandbox.cwd().join("tree");
    fs::create_dir_all(tree.join("deep/er")).unwrap();
    fs::write(tree.join("deep/er/file"), "x").unwrap();
    fs::write(tree.join("tool"), "#!/bin/sh\necho tool\n").unwrap();
    fs::set_permissions(tree.join("tool"), fs::Permissions::from_mode(0o750)).unwrap();
    std::os::unix::fs::symlink("tool", tree.join("link")).unwrap();
    fs::set_permissions(tree.join("deep/er"), fs::Permissions::from_mode(0o555)).unwrap();
    sandbox.sh("touch -d 2001-02-03 tree/tool tree/deep").succeeds();
    let script = "find tree t2 | sort; readlink tree/link; stat -c '%a %y' tree/tool tree/deep | \
                  cut -d' ' -f1,2; stat -c %a tree/deep/er; ls x.d";
    let args = ["exec", "--in", "tree", "--in", "tree/deep:t2", "--in", "tree/tool:x.d/"];
    let args = args.into_iter().chain(["--", "sh", "-c", script]);
    let expected = "t2\nt2/er\nt2/er/file\ntree\ntree/deep\ntree/deep/er\ntree/deep/er/file\n\
                    tree/link\ntree/tool\ntool\n750 2001-02-03\n755 2001-02-03\n555\ntool\n";
    sandbox.tmpx(args).expects(0, expected, "");
}

#[test]
fn src_slash_dot_copies_the_content_and_the_workspace_stays_private() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.cwd().join("src")).unwrap();
    fs::write(sandbox.cwd().join("src/a"), "").unwrap();
    let args = words("exec --in src/. --mkdir b --in src/.:b -- sh -c");
    let args = args.into_iter().chain(["ls . b; stat -c %a .".into()]);
    sandbox.tmpx(args).expects(0, ".:\na\nb\n\nb:\na\n700\n", "");
}

#[test]
fn a_source_with_a_colon_in_its_name_is_not_split() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("a:b"), "colon").unwrap();
    sandbox.tmpx(words("exec --in a:b cat a:b")).expects(0, "colon", "");
    sandbox.tmpx(words("exec --in a:b:c cat c")).expects(0, "colon", "");
}

#[test]
fn an_input_may_be_a_pipe() {
    let sandbox = Sandbox::new();
    let script = "tmpx exec --in <(echo streamed):data cat data";
    sandbox.shell("bash", script).expects(0, "streamed\n", "");
}

#[test]
fn two_inputs_with_one_name_are_refused_before_the_command_runs() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("a"), "").unwrap();
    sandbox.tmpx(words("exec --in a --in a sh -c ran>&2")).expects(
        125,
        "",
        "tmpx: --in a: two inputs would both be a\n\
         hint: choose another name: --in SRC:DEST\n",
    );
    assert!(sandbox.leases().is_empty());
}

#[test]
fn an_input_does_not_escape_through_a_symlink_that_an_earlier_input_copied() {
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
    run.expects(0, "./file\n", "");
    fs::remove_file(sandbox.tmp().join("file")).unwrap();
}

#[test]
fn a_signal_while_inputs_are_copied_ends_exec() {
    use rustix::process::{Pid, Signal, kill_process};
    use std::os::unix::process::ExitStatusExt as _;
    let sandbox = Sandbox::new();
    sandbox.sh("mkfifo slow").succeeds();
    let mut child = sandbox.tmpx(words("exec --in slow:data touch ran")).spawn();
    // tmpx copies once the pipe has a reader.
    let writer = fs::File::options().write(true).open(sandbox.cwd().join("slow")).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(2));
    drop(writer);
    // Now a pipe without a writer: the workspace exists before the wait begins.
    let mut child = sandbox.tmpx(words("exec --in slow:data touch ran")).spawn();
    while sandbox.left().is_empty() {
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    assert!(!sandbox.cwd().join("ran").exists());
}

/// A file that states 4096 bytes and delivers fewer.
fn kernel_file() -> Option<&'static str> {
    let files = ["/sys/kernel/mm/transparent_hugepage/enabled", "/sys/kernel/uevent_seqnum"];
    let found =
        files.into_iter().find(|file| fs::metadata(file).is_ok_and(|file| file.len() > 1000));
    crate::support::sandbox::skip_unless(found.is_some(), "a file in /sys").then_some(())?;
    found
}

#[test]
fn a_copy_of_a_file_in_sys_holds_what_was_read_and_no_padding() {
    let sandbox = Sandbox::new();
    let Some(file) = kernel_file() else { return };
    let content = fs::read_to_string(file).unwrap();
    let input = format!("{file}:copy");
    sandbox.tmpx(["exec", "--in", &input, "cat", "copy"]).expects(0, &content, "");
    let input = format!("{}:tree", Path::new(file).parent().unwrap().display());
    let script = format!("cat tree/{}", Path::new(file).file_name().unwrap().display());
    let is_small = fs::read_dir(Path::new(file).parent().unwrap()).unwrap().count() < 50;
    if is_small {
        sandbox.tmpx(["exec", "--in", &input, "sh", "-c", &script]).expects(0, &content, "");
    }
    let path = sandbox.tmpx(["file", "--from", file]).path();
    assert_eq!(fs::read_to_string(path).unwrap(), content);
    sandbox.clean_up();
}

#[test]
fn a_kernel_file_that_states_no_size_is_copied_whole() {
    let sandbox = Sandbox::new();
    for file in ["/proc/sys/kernel/ostype", "/sys/fs/cgroup/cgroup.controllers"] {
        let Ok(content) = fs::read_to_string(file) else { continue };
        let input = format!("{file}:copy");
        sandbox.tmpx(["exec", "--in", &input, "cat", "copy"]).expects(0, &content, "");
    }
}

#[test]
fn sockets_and_fifos_in_an_input_are_skipped_and_reported() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.cwd().join("repo/.git")).unwrap();
    fs::write(sandbox.cwd().join("repo/file"), "content").unwrap();
    let socket = sandbox.cwd().join("repo/.git/fsmonitor--daemon.ipc");
    let _socket = std::os::unix::net::UnixListener::bind(socket).unwrap();
    sandbox.sh("mkfifo repo/fifo").succeeds();
    let ran = sandbox.tmpx(words("exec --in repo -- find repo -type f")).run();
    let why = "it is neither file, directory nor symlink";
    let expected = format!(
        "tmpx: skipped repo/fifo: {why}\ntmpx: skipped repo/.git/fsmonitor--daemon.ipc: {why}\n"
    );
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "repo/file\n"));
    assert_eq!(ran.stderr, expected);
    let path = sandbox.tmpx(words("workspace --in repo/.")).run();
    assert_eq!((path.status, path.stderr), (Some(0), expected.replace("repo/", "repo/./")));
    sandbox.clean_up();

    sandbox.sh("for n in $(seq 30); do mkfifo repo/$n; done").succeeds();
    let ran = sandbox.tmpx(words("exec --in repo true")).run();
    assert_eq!(ran.stderr.lines().count(), 11, "{ran:?}");
    assert!(ran.stderr.ends_with("tmpx: skipped 22 more entries\n"), "{ran:?}");
}

#[test]
fn a_device_in_an_input_is_skipped_and_reported() {
    if !skip_unless(is_root(), "root") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.sh("mkdir repo; touch repo/file; mknod repo/null c 1 3").succeeds();
    let message = "tmpx: skipped repo/null: it is neither file, directory nor symlink\n";
    sandbox.tmpx(words("exec --in repo -- ls repo")).expects(0, "file\n", message);
}

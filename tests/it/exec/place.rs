//! `tmpx exec`: the name, the mode and the path of the workspace, and where it runs from.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::support::sandbox::{Sandbox, is_root, names, words};

#[test]
fn name_names_the_workspace_and_a_taken_name_gets_a_number() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.tmp().join("taken")).unwrap();
    let run = |args: &str| sandbox.tmpx(words(args));
    run("exec --name work pwd").expects(0, "$ROOT/tmp/work\n", "");
    run("exec --name taken pwd").expects(0, "$ROOT/tmp/taken_1\n", "");
    fs::remove_dir(sandbox.tmp().join("taken")).unwrap();
    run("exec --name w --prefix p true").expects(
        2,
        "",
        "tmpx: give --name or --prefix, not both\n",
    );
    run("workspace --name w wXXX").expects(2, "", "tmpx: give --name or TEMPLATE, not both\n");
    run("workspace --name w").expects(0, "$ROOT/tmp/w\n", "");
    assert_eq!(names(&sandbox.tmp().join("w")), [".tmp"]);
    sandbox.clean_up();
}

#[test]
fn mode_opens_the_temp_dir_as_far_as_the_workspace() {
    let sandbox = Sandbox::new();
    for (mode, modes) in [
        ("0777", "777 1777"),
        ("750", "750 750"),
        ("770", "770 1770"),
        ("700", "700 700"),
        ("500", "500 700"),
        ("2775", "2775 1775"),
    ] {
        let script = "stat -c %a . .tmp | paste -sd' '";
        let args = ["exec", "--mode", mode, "--", "sh", "-c", script];
        sandbox.tmpx(args).expects(0, &format!("{modes}\n"), "");
    }
    let script = "stat -c %a .tmp";
    let workspace = sandbox.tmpx(words("workspace -m 755")).path();
    sandbox.sh(script).cwd(workspace).expects(0, "755\n", "");
    sandbox.clean_up();
}

#[test]
fn another_user_can_use_the_temp_dir_of_an_open_workspace() {
    if !is_root() {
        println!("skipped: only root can run as another user");
        return;
    }
    let sandbox = Sandbox::for_nobody();
    let script =
        "setpriv --reuid 65534 --regid 65534 --clear-groups mktemp >/dev/null && ls .tmp | wc -l";
    let args = ["exec", "-m", "0777", "--", "sh", "-c", script];
    sandbox.tmpx(args).expects(0, "1\n", "");
}

#[test]
fn a_socket_of_ssh_fits_below_four_nested_workspaces() {
    let sandbox = Sandbox::new();
    // At most four characters longer than /tmp, for which 107 must suffice.
    let short = tempfile::Builder::new().prefix("").rand_bytes(3).tempdir_in("/tmp").unwrap();
    let nested = "exec tmpx exec tmpx exec tmpx exec -- sh -c";
    let script = "mkdir $TMPDIR/ssh-XXXXXXXXXX; echo $TMPDIR; read x";
    let args = words(nested).into_iter().chain([script.into()]);
    let mut child = sandbox.tmpx(args).env("TMPDIR", short.path()).spawn();
    let mut dir = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut dir).unwrap();
    let socket = Path::new(dir.trim_end()).join("ssh-XXXXXXXXXX/agent.1234567");
    let path = socket.to_str().unwrap();
    let length = path.len() - short.path().to_str().unwrap().len() + "/tmp".len();
    UnixListener::bind(&socket).unwrap_or_else(|err| panic!("{path}: {err}"));
    assert!(length <= 107, "{path}");
    child.stdin.take();
    child.wait().unwrap();
    assert_eq!(names(short.path()), Vec::<String>::new());
}

#[test]
fn a_name_that_the_user_chose_is_kept_in_a_nested_workspace() {
    let sandbox = Sandbox::new();
    let inner = |args: &str| {
        let script = format!("basename $(tmpx exec {args} -- pwd)");
        let ran = sandbox.tmpx(["exec", "--", "sh", "-c", &script]).succeeds();
        ran.raw.trim_end().to_owned()
    };
    assert!(inner("--prefix p.").starts_with("p."));
    assert!(inner("--suffix .s").starts_with("tmp."));
    assert_eq!(inner("--name n"), "n");
    assert_eq!(inner("").len(), 10);
}

#[test]
fn a_command_runs_from_a_directory_that_has_been_removed() {
    let sandbox = Sandbox::new();
    let run = |script: &str| {
        sandbox.sh(&format!("mkdir gone; cd gone; rmdir ../gone; unset OLDPWD; {script}"))
    };
    let found = "$ROOT/tmp/tmp.RANDOM\nnone\n";
    run("tmpx exec -- sh -c 'pwd; echo ${OLDPWD-none}'").expects(0, found, "");
    run("tmpx exec --here -- true").expects(0, "", "");
    run("echo in | tmpx spool -- cat").expects(0, "in\n", "");
    let file = sandbox.cwd().join("file");
    let script = format!("tmpx replace {} -- echo new", file.display());
    run(&script).expects(0, "", "");
    assert_eq!(fs::read_to_string(&file).unwrap(), "new\n");
    run("printf '1\n2\n' | tmpx chunk --format lines --rows 1 -- cat").expects(0, "1\n2\n", "");
    let no_dir = "tmpx: could not find the working directory: No such file or directory\n";
    run("tmpx exec --out x -- touch x").expects(125, "", no_dir);
    let to = format!("tmpx exec --out x:{}/ -- touch x", sandbox.cwd().display());
    run(&to).expects(0, "", "");
    assert_eq!(names(&sandbox.cwd()), ["file", "x"]);
    let not_run = "tmpx: could not run ../file: No such file or directory\n";
    run("tmpx exec ../file").expects(127, "", not_run);
    run("PATH=..:$PATH; tmpx exec -- true").expects(0, "", "");
}

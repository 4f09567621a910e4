//! `tmpx workspace`: a directory with a layout.

use std::fs;

use crate::support::sandbox::{Sandbox, has, names, words};

#[test]
fn a_workspace_has_its_layout_and_a_private_temp_dir() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("input.pdf"), "pdf").unwrap();
    let args =
        words("workspace --prefix pdf_ --mkdir extracted --mkdir output/deep --in input.pdf");
    let path = sandbox.tmpx(args).path();
    assert!(path.file_name().unwrap().to_str().unwrap().starts_with("pdf_"));
    assert_eq!(names(&path), [".tmp", "extracted", "input.pdf", "output"]);
    assert_eq!(names(&path.join("output")), ["deep"]);
    assert_eq!(crate::support::sandbox::mode(&path), 0o700);
    sandbox.clean_up();
}

/// A name of which shells have much to read in.
const ODD: &str = "it's $HOME; \"x\"\n* \\\\ \\' \\";

#[test]
fn export_can_be_evaluated_whatever_the_path() {
    let rest = "cd \"$TMPX_WORKSPACE\" && pwd && tmpx file && test -d \"$TMPDIR\"";
    for (shell, evaluate) in [
        ("sh", "eval \"$(tmpx workspace --export -p \"$ODD\")\""),
        ("fish --no-config", "tmpx workspace --export -p \"$ODD\" | source"),
    ] {
        if !has(shell.split(' ').next().unwrap()) {
            continue;
        }
        let sandbox = Sandbox::new();
        let odd = sandbox.cwd().join(ODD);
        fs::create_dir(&odd).unwrap();
        let script = format!("{evaluate}; {rest}");
        let ran = sandbox.shell(shell, &script).env("ODD", &odd).succeeds();
        assert!(ran.stdout.starts_with(&format!("$ROOT/cwd/{ODD}/tmp.RANDOM\n")), "{ran:?}");
        sandbox.clean_up();
        assert_eq!(names(&odd), Vec::<String>::new());
    }
}

#[test]
fn a_layout_that_fails_halfway_leaves_nothing() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.cwd().join("tree")).unwrap();
    fs::write(sandbox.cwd().join("tree/a"), "").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(sandbox.cwd().join("socket")).unwrap();
    sandbox.tmpx(words("workspace --in tree --in socket")).expects(
        1,
        "",
        "tmpx: could not copy socket: No such device or address\n",
    );
}

#[test]
fn json_and_templates_work_as_with_dir() {
    let sandbox = Sandbox::new();
    let created = sandbox.tmpx(words("workspace --json ./w.XXXXXXXXXX")).succeeds().json();
    let path = created[0]["path"].as_str().unwrap();
    assert!(sandbox.plain(path).starts_with("$ROOT/cwd/w."), "{path}");
    assert_eq!(created[0]["kind"], "dir");
    sandbox.clean_up();
}

#[test]
fn an_export_that_fails_makes_eval_fail() {
    let sandbox = Sandbox::new();
    let script = "set -e; TMPX_WORKSPACE=outer; eval \"$(tmpx workspace --in nope --export)\" || \
                  { echo \"failed, [${TMPX_WORKSPACE-unset}]\"; exit 3; }; echo went on";
    let message = "tmpx: --in nope: No such file or directory\n";
    sandbox.sh(script).expects(3, "failed, [unset]\n", message);
}

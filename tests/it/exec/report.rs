//! `tmpx exec --report`.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde_json::Value;

use crate::support::sandbox::{KEPT, Sandbox, names, words};

fn report(sandbox: &Sandbox) -> Value {
    serde_json::from_slice(&fs::read(sandbox.cwd().join("report")).unwrap()).unwrap()
}

#[test]
fn a_report_has_every_field_of_a_successful_run() {
    let sandbox = Sandbox::new();
    let script =
        "echo a > a; echo b > b; head -c 50000000 /dev/zero | tail -c 50000000 > /dev/null";
    let args = ["exec", "--report", "report", "--out", "?", "--", "sh", "-c", script];
    sandbox.tmpx(args).expects(0, "", "");
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
    // tail(1) holds its output in memory.
    assert!(report["peak_memory_bytes"].as_u64().unwrap() > 50_000_000, "{report}");
    let used = report["user_ms"].as_u64().unwrap() + report["system_ms"].as_u64().unwrap();
    assert!(used > 0 && report["wall_ms"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(names(&sandbox.cwd()), ["a", "b", "report"]);
}

#[test]
fn a_report_has_the_failure_and_the_path_of_the_kept_workspace() {
    let sandbox = Sandbox::new();
    let ran = sandbox
        .tmpx(
            words("exec --report report --keep=on-failure -- sh -c")
                .into_iter()
                .chain(["exit 7".into()]),
        )
        .run();
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(7), KEPT));
    let json = report(&sandbox);
    assert_eq!((&json["status"], &json["kept"]), (&7.into(), &true.into()));
    assert!(Path::new(json["workspace"].as_str().unwrap()).is_dir());
    sandbox.clean_up();

    sandbox.tmpx(["exec", "--report", "report", "--", "sh", "-c", "kill -9 $$"]).run();
    let json = report(&sandbox);
    assert_eq!((&json["status"], &json["signal"]), (&Value::Null, &9.into()));

    sandbox.tmpx(words("exec --report report --timeout 10ms -- sleep 100")).expects(
        124,
        "",
        "tmpx: timed out after 10ms\n",
    );
    let json = report(&sandbox);
    assert_eq!((&json["timed_out"], &json["signal"]), (&true.into(), &15.into()));

    sandbox.tmpx(words("exec --report report nosuch")).run();
    let json = report(&sandbox);
    assert_eq!(
        (&json["status"], &json["signal"], &json["exit"]),
        (&Value::Null, &Value::Null, &127.into())
    );
}

#[test]
fn a_report_replaces_the_old_one_atomically_and_its_path_is_checked_before_the_command_runs() {
    let sandbox = Sandbox::new();
    let path = sandbox.cwd().join("report");
    fs::write(&path, "old").unwrap();
    let before = fs::metadata(&path).unwrap().ino();
    sandbox.tmpx(words("exec --report report -- cat ../../cwd/report")).expects(0, "old", "");
    assert_ne!(fs::metadata(&path).unwrap().ino(), before);
    let message = "tmpx: --report: could not replace no/report: No such file or directory\n";
    sandbox.tmpx(words("exec --report no/report --here touch ran")).expects(125, "", message);
    assert_eq!(names(&sandbox.cwd()), ["report"]);
}

#[test]
fn a_report_does_not_replace_the_file_that_a_run_prints_to() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("in"), "1\n").unwrap();
    let file = sandbox.cwd().join("f");
    for command in [
        "spool --report f <in",
        "spool --report f <in -- touch ran",
        "exec --here --report f touch ran",
        "replace --report f in -- touch ran",
        "chunk --report f --rows 1 in -- touch ran",
        "cache run --report f --ttl 1h touch ran",
    ] {
        let message = "tmpx: --report: standard output is the same file\n";
        for to in [">f", ">>f", ">f 2>&1"] {
            let here = if to.contains('2') { "" } else { message };
            sandbox.sh(&format!("tmpx {command} {to}")).expects(2, "", here);
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), message, "{command}");
        sandbox.sh(&format!("tmpx {command} 2>f")).expects(2, "", "");
        let message = "tmpx: --report: standard error is the same file\n";
        assert_eq!(fs::read_to_string(&file).unwrap(), message, "{command}");
    }
    assert_eq!(names(&sandbox.cwd()), ["f", "in"]);
}

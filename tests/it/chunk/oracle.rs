//! Python's csv and json modules decide what a record is.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::sandbox::{Sandbox, has};

const ORACLE: &str = include_str!("oracle.py");

#[test]
fn records_are_those_of_python_for_files_and_pipes() {
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::new();
    fs::write(sandbox.root().join("oracle.py"), ORACLE).unwrap();
    let stress = std::env::var("TMPX_STRESS").ok();
    let since_epoch = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let seed = stress.as_ref().map_or(1, |_| since_epoch());
    let seconds = stress.unwrap_or_else(|| "0".into());
    let script = format!("PYTHONUTF8=1 python3 ../oracle.py {seed} 40 {seconds}");
    // This may take longer than the sandbox lets a command run.
    let output = sandbox.sh(&script).prepared().output().unwrap();
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{stdout}{stderr}");
    print!("{stdout}");
}

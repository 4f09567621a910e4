//! The file `f` that a test replaces.

use std::fs;

use crate::support::sandbox::Sandbox;

/// Creates a sandbox with a file `f`.
pub(super) fn with_file(content: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.cwd().join("f"), content).unwrap();
    sandbox
}

/// Returns the content of `f`.
pub(super) fn content(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.cwd().join("f")).unwrap()
}

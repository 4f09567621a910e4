//! Scripts in mount namespaces of their own.

use std::process::Command;

use crate::support::sandbox::{Ran, Sandbox, has, is_root, skip_unless};

/// Runs a script as root in a mount namespace of its own.
pub(crate) fn with_mounts(sandbox: &Sandbox, script: &str) -> Option<Ran> {
    if !skip_unless(is_root(), "root") || !has("unshare") {
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script]);
    Some(sandbox.command(command).run())
}

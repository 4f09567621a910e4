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

/// Runs a script in which `mount_it` mounts the filesystem at `m`, and `again` mounts it anew. Returns
/// `None` if that is not possible here.
pub(crate) fn mounting(
    sandbox: &Sandbox,
    filesystem: &str,
    tools: &[&str],
    script: &str,
) -> Option<Ran> {
    if !tools.iter().all(|tool| has(tool)) {
        return None;
    }
    let script = format!(
        "{filesystem}; again() {{ umount m && mount_it; }}; mount_it >/dev/null 2>&1 || exit 9; \
         {script}; umount m"
    );
    let ran = with_mounts(sandbox, &script)?;
    if !skip_unless(ran.status != Some(9), "permission to mount this filesystem") {
        return None;
    }
    Some(ran)
}

//! The user that tmpx acts as.

use std::sync::OnceLock;

/// Returns the number of the effective user. tmpx never changes it, so the kernel is asked once.
pub(crate) fn effective_user() -> u32 {
    static USER: OnceLock<u32> = OnceLock::new();
    *USER.get_or_init(|| rustix::process::geteuid().as_raw())
}

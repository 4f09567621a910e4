//! The system calls that rustix lacks, and the start and end of the process. The only folder with
//! `unsafe` code: each function wraps one call or one step, keeps no state, and says why it is sound.

#![expect(unsafe_code, reason = "the one folder that may; every block says why it is sound")]

mod fd;
mod file_handle;
mod lock;
mod mount_ns;
mod older;
mod signal_set;
mod signals;
pub(crate) mod simd;
mod spawn;
mod start;
mod statfs;
mod write_guard;

pub(crate) use fd::{
    can_link_open_file, chmod_path_fd, close_from, duplicate_inheritable, exec_path,
    link_open_file, proc_path, unshare_working_directory,
};
pub(crate) use file_handle::{Handle, fid_at, handle_at, mount_id, open_by_handle};
pub(crate) use lock::{
    ByteLock, is_byte_locked, is_locked, share_lock, try_lock, try_lock_byte, unlock_byte,
    wait_lock_byte,
};
pub(crate) use mount_ns::PrivateMounts;
pub(crate) use older::{fd_limit, fill_random, is_unknown_call, may_access, statx};
pub(crate) use signals::{
    HeldSignals, ReceivedSignal, SignalQueue, is_ignored, is_session_leader, other_group, send,
    would_end_process,
};
pub(crate) use spawn::{ExitInfo, SpawnError, SpawnRequest, has_children, reap, reap_one};
pub(crate) use start::{Exit, InheritedSignals};
pub use start::{Start, enter};
pub(crate) use statfs::filesystem_id;
pub(crate) use write_guard::{acquire_read_lease, has_read_lease};

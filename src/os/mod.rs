//! Facts that only the operating system knows: variables, the locale, times, random bytes, and
//! processes.

#[cfg(target_env = "musl")]
mod allocator;
mod boot;
pub(crate) mod clock;
mod current_dir;
pub(crate) mod env;
mod locale;
mod namespaces;
mod pid_namespaces;
mod process;
pub(crate) mod processes;
mod procfs;
pub(crate) mod random;
mod user;
pub(crate) use boot::BootClock;
#[cfg(test)]
pub(crate) use clock::last_tick;
pub(crate) use clock::{Moment, await_tick_after};
pub(crate) use current_dir::{CurrentDir, NoCurrentDir};
pub(crate) use env::Env;
pub(crate) use locale::Charset;
pub(crate) use namespaces::{Mounts, Namespaces};
pub(crate) use pid_namespaces::PidNamespaces;
pub(crate) use process::{Liveness, Process};
pub(crate) use procfs::{has_mapping, is_initial_user_namespace, mount_id_of_fd};
pub(crate) use random::Random;
pub(crate) use user::effective_user;

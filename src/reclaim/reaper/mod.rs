//! The one small background process that reclaims resources at the moment their lease ends.
//!
//! One runs per store, PID namespace and mount namespace while it has leases to watch. It only saves
//! waiting: without it, the next `tmpx cleanup` does the same.

mod fifo;
mod notify;
mod place;
mod run;
mod watch;
pub(crate) use notify::{NAME, SHARED, notify_or_spawn, wake};
pub(crate) use run::run;

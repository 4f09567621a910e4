//! os

#[cfg(target_env = "musl")]
mod allocator;
pub(crate) mod clock;
pub(crate) mod env;
mod locale;
pub(crate) mod processes;
pub(crate) mod random;
pub(crate) use clock::Moment;
pub(crate) use env::Env;
pub(crate) use locale::Charset;
pub(crate) use processes::{Liveness, Namespaces, Process};
pub(crate) use random::Random;

//! os

pub(crate) mod clock;
pub(crate) mod env;
pub(crate) mod processes;
pub(crate) mod random;

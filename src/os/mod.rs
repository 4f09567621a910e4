//! os

pub mod clock;
pub mod env;
pub mod processes;
pub mod random;

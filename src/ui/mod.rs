//! ui

pub(crate) mod gnu_quote;
pub(crate) mod json;
pub(crate) mod progress;
pub(crate) mod sh_quote;
pub(crate) mod stdout;

//! ui

pub mod gnu_quote;
pub mod json;
pub mod progress;
pub mod sh_quote;
pub mod stdout;

//! process

pub mod command;

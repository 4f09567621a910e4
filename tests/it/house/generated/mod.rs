//! The man pages and completions are exactly what the clap types generate.

mod files;
mod json;
mod man;
mod shells;

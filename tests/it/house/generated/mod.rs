//! The man pages and completions are exactly what the clap types generate.

mod files;
mod man;
mod shells;

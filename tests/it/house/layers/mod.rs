//! The sources keep to the floors of ARCHITECTURE.md and to the rules of their folders.

mod floors;
mod graph;
mod imports;
mod planted;
mod rules;
mod source;

//! The repository itself: layers, generated files, README and examples.

mod console;
mod examples;
mod generated;
mod layers;
mod readme;

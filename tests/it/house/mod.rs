//! The repository itself: layers, generated files, README and examples.

mod examples;
mod generated;
mod layers;
mod readme;

//! The repository itself: layers, generated files, README and examples.

mod ci;
mod console;
mod documents;
mod examples;
mod generated;
mod layers;
mod readme;

//! `tmpx mktemp`, and tmpx called by the name `mktemp`.

mod arguments;
mod leases;
mod like_gnu;
mod names;
mod output;
mod places;
mod script;
mod world;

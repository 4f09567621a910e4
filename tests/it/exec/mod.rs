//! `tmpx exec`: a command in a workspace that is removed when it ends.

mod cases;
mod command;
mod descriptors;
mod inputs;
mod limits;
mod metadata;
mod orphans;
mod outputs;
mod place;
mod private_tmp;
mod report;
mod run;
mod signals;
mod stops;
mod targets;

mod terminal;
mod transparent;

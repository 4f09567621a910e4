//! `tmpx exec`: a command in a workspace that ends with it.

mod command;
mod descriptors;
mod inputs;
mod outputs;
mod private_tmp;
mod report;
mod run;
mod signals;
mod stragglers;
mod terminal;
mod transparent;

//! `tmpx exec`: a command in a workspace that ends with it.

mod options;
mod outputs;
mod run;
mod terminal;
mod transparent;

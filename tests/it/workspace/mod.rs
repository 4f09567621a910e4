//! Workspaces: their layout and what is copied into and out of them.

mod layout;
mod reflink;

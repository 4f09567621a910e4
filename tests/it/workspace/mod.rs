//! Workspaces: their layout, and copies into and out of them.

mod layout;
mod reflink;

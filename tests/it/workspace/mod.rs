//! Workspaces: their layout, and copies into and out of them.

mod copying;
mod layout;
mod open_mounts;
mod reflink;

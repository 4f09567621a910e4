//! fs

pub mod copy;
pub mod dir;
pub mod disk_full;
pub mod identity;
pub mod metadata;
pub mod transfer;

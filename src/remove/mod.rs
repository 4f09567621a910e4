//! remove

pub mod entries;
pub mod frame;
pub mod open;
pub mod pool;
pub mod root;
pub mod walk;

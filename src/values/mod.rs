//! values

pub mod duration;
pub mod encoding;
pub mod error;
pub mod mode;
pub mod size;
pub mod template;

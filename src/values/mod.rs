//! values

pub(crate) mod duration;
pub(crate) mod encoding;
pub(crate) mod error;
pub(crate) mod mode;
pub(crate) mod size;
pub(crate) mod template;

//! workspace

pub mod dir;
pub mod layout;
pub mod plan;
pub mod private_tmp;
pub mod save;

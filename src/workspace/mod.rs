//! workspace

pub(crate) mod dir;
pub(crate) mod layout;
pub(crate) mod plan;
pub(crate) mod private_tmp;
pub(crate) mod save;

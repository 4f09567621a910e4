//! workspace

pub(crate) mod dir;
pub(crate) mod layout;
pub(crate) mod plan;
pub(crate) mod private_tmp;
pub(crate) mod save;
pub(crate) use dir::Workspace;
pub(crate) use layout::Layout;
pub(crate) use plan::{Pattern, SaveError, Snapshot};

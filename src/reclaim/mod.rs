//! reclaim

pub(crate) mod inventory;
pub(crate) mod judge;
pub(crate) mod presence;
pub(crate) mod reaper;
pub(crate) mod release;
pub(crate) mod sweep;

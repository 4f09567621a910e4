//! reclaim

pub mod inventory;
pub mod judge;
pub mod presence;
pub mod reaper;
pub mod release;
pub mod sweep;

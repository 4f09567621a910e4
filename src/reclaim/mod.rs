//! reclaim

pub(crate) mod inventory;
pub(crate) mod judge;
pub(crate) mod presence;
pub(crate) mod reaper;
pub(crate) mod release;
pub(crate) mod sweep;
pub(crate) use inventory::InventoryEntry;
pub(crate) use judge::{KeepReason, Selection, SystemState};
pub(crate) use release::Outcome;
pub(crate) use sweep::Sweep;

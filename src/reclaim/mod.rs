//! Decides which leases have ended, and removes their resources, then the leases.
//!
//! A plan says what to do with each lease; a sweep carries it out. The reaper does this at the moment
//! a lease ends, `cleanup` on request, and every run for its own lease.

#[cfg(test)]
mod fixture;
mod inventory;
mod judge;
#[cfg(test)]
mod mutations;
mod occupants;
mod outcome;
mod ownership;
mod plan;
mod presence;
mod problem;
pub(crate) mod prune;
pub(crate) mod reaper;
mod release;
mod selection;
mod sight;
mod state;
mod sweep;
mod system;
mod unproven;
pub(crate) use inventory::{InventoryEntry, survey};
pub(crate) use outcome::{Observer, Outcome};
pub(crate) use problem::LeaseProblem;
pub(crate) use release::release;
pub(crate) use selection::Selection;
pub(crate) use sight::Absence;
pub(crate) use state::{KeepReason, Remedy, State};
pub(crate) use sweep::Sweep;
pub(crate) use system::SystemState;

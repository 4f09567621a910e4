//! Leases: their lifetimes and the store that holds them.

mod lifetimes;
mod store;
mod trust;

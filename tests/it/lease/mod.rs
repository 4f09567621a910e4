//! Leases: their lifetimes and the store that holds them.

mod damage;
mod lifetimes;
mod store;
mod trust;

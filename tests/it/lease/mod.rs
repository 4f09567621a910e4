//! Leases: their lifetimes and the store that holds them.

mod damage;
mod lifetimes;
mod remote_store;
mod store;
mod trust;

//! Leases: their lifetimes and the store that holds them.

mod damage;
mod entries;
mod first_format;
mod lifetimes;
mod mounted_store;
mod remote_store;
mod store;
mod trust;

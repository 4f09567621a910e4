//! `tmpx cache`: what a hit is, how an output is kept, and what happens when it cannot be.

mod age;
mod crowd;
mod damage;
mod faults;
mod filling;
mod fixture;
mod keys;
mod named;
mod replay;
mod store;
mod stress;
mod trouble;
mod usage;

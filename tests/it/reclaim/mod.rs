//! Reclaiming what leases name: `tmpx cleanup`, `tmpx list` and the reaper.

mod attacks;
mod cleanup;
mod jobs;
mod list;
mod namespaces;
mod reaper;

//! Reclaiming: `tmpx cleanup`, `tmpx list` and the reaper.

mod agers;
mod cleanup;
mod concurrent;
mod fat;
mod filesystems;
mod forgetting;
mod identity;
mod jobs;
mod list;
mod namespaces;
mod old_overlay;
mod reaper;
mod reaper_place;
mod replaced;
mod unpublished;

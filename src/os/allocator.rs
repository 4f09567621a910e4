//! The allocator of the musl build.

/// musl's own allocator maps and unmaps pages for each of clap's tables. This one keeps its pages.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

//! Workspaces: directories with a layout and a private temp dir. Fills them before a command runs, and
//! saves files from them afterwards.

mod dir;
mod glob;
mod layout;
mod pattern;
mod plan;
pub(crate) mod private_tmp;
pub(crate) mod save;
mod snapshot;
mod target_dirs;

pub(crate) use dir::Workspace;
pub(crate) use layout::{Layout, LayoutError, TEMP_DIR};
pub(crate) use pattern::{Pattern, PatternError};
pub(crate) use plan::{Plan, PlanError, ShadowedMatches};
pub(crate) use save::TargetError;
pub(crate) use snapshot::Snapshot;

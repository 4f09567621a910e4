//! Values that users write and read, which parse once and are valid from then on: durations, sizes,
//! modes, templates, paths in JSON, error messages and exit statuses.

mod decimal;
pub(crate) mod duration;
pub(crate) mod encoding;
mod errno;
pub(crate) mod hex;
pub(crate) mod message;
pub(crate) mod mode;
mod progress;
pub(crate) mod size;
mod status;
pub(crate) mod template;
pub(crate) use duration::Span;
pub(crate) use encoding::{OsJson, PathField, WorkspaceField};
pub(crate) use mode::FileMode;
pub(crate) use progress::Progress;
pub(crate) use size::ByteSize;
pub use status::Status;
pub(crate) use template::{Affix, BadName, ExactName, Template, TemplatePath};

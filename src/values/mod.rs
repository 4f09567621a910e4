//! values

pub(crate) mod duration;
pub(crate) mod encoding;
pub(crate) mod error;
pub(crate) mod mode;
pub(crate) mod size;
pub(crate) mod template;
pub(crate) use duration::Span;
pub(crate) use encoding::{OsJson, PathField, WorkspaceField};
pub(crate) use error::ErrorExt;
pub use error::Status;
pub(crate) use mode::FileMode;
pub(crate) use size::ByteSize;
pub(crate) use template::{Affix, ExactName, Template, TemplatePath};

//! ui

pub(crate) mod gnu_quote;
pub(crate) mod json;
pub(crate) mod progress;
pub(crate) mod sh_quote;
pub(crate) mod stdout;
pub(crate) use json::{
    CleanupRow, CreatedRow, ExecReport, GettempdirRow, ListRow, ReplaceReport, SpoolReport,
};
pub(crate) use stdout::{Format, Output};

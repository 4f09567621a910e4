//! Which chunks there are: inputs, and the parts of them that each chunk consists of.

pub(super) mod chunk_plan;
pub(super) mod input;
pub(super) mod origin;
pub(super) mod part;
pub(super) mod stream;
pub(super) mod supply;

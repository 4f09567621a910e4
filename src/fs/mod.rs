//! Directories, file identities, metadata, copying and transfers, relative to descriptors.

pub(crate) mod copy;
pub(crate) mod dir;
pub(crate) mod disk_full;
mod filesystem_type;
pub(crate) mod identity;
mod kernel_file;
pub(crate) mod metadata;
mod obstacle;
pub(crate) mod private_dir;
mod resolve;
pub(crate) mod rw;
mod stamp;
pub(crate) mod transfer;
pub(crate) use copy::{CopyOptions, Interrupt, SkipReason, Skipped};
pub use dir::Dir;
pub(crate) use dir::Protection;
pub(crate) use filesystem_type::{Class, is_local};
pub(crate) use identity::DirId;
pub use identity::EntryId;
pub(crate) use identity::{Proof, Witness};
pub(crate) use kernel_file::states_true_size;
pub(crate) use obstacle::Obstacle;
pub(crate) use private_dir::PrivateDirError;
pub(crate) use resolve::may_be_planted;
pub(crate) use stamp::FileStamp;
pub(crate) use transfer::TransferError;

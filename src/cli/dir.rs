//! `tmpx dir`

use clap::Args;

use super::Make;

/// Arguments of `tmpx dir`.
#[derive(Args, Debug)]
pub struct Dir {
    #[command(flatten)]
    #[allow(missing_docs, reason = "the struct has them")]
    pub make: Make,
}

//! `tmpx gettempdir`

use clap::Args;

/// Arguments of `tmpx gettempdir`.
#[derive(Args, Debug)]
pub struct Gettempdir {
    /// Show every candidate, and why it was passed over
    #[arg(long)]
    pub all: bool,
    /// Print a JSON object per line
    #[arg(long)]
    pub json: bool,
}

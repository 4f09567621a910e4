//! The layout that `exec` and `workspace` share: `--mkdir` and `--in`.

use anyhow::Context as _;

use crate::cli::LayoutArgs;
use crate::workspace::Layout;

/// Plans a layout, so that a mistake is reported before anything is created.
pub(super) fn plan(args: &LayoutArgs) -> anyhow::Result<Layout> {
    let mut layout = Layout::default();
    for dir in &args.mkdir {
        layout.add_dir(dir).with_context(|| format!("--mkdir {}", dir.display()))?;
    }
    for input in &args.inputs {
        layout.add_input(input).with_context(|| format!("--in {}", input.display()))?;
    }
    Ok(layout)
}

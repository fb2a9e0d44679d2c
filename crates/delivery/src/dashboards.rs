//! Writes the dashboards.

use std::path::Path;

/// Writes them below this folder.
pub fn write(_root: &Path) -> anyhow::Result<()> {
    Ok(())
}

//! Writes the Grafana dashboards of the chart. What is on them stands in `fleet` and `operator`; what Grafana makes of it in `grafana`.

mod fleet;
mod grafana;
mod model;
mod operator;

use std::path::Path;

use anyhow::Context as _;

/// Where they stand in the repository.
const FOLDER: &str = "charts/agentcore-operator/dashboards";

/// Writes them below this folder.
pub fn write(root: &Path) -> anyhow::Result<()> {
    let folder = root.join(FOLDER);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    for dashboard in [fleet::dashboard(), operator::dashboard()] {
        let path = folder.join(format!("{}.json", dashboard.uid));
        let text = serde_json::to_string_pretty(&grafana::render(&dashboard)?)?;
        std::fs::write(&path, text + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

//! The CustomResourceDefinitions, for people and scripts.

use anyhow::Context as _;

/// Prints all CRDs as one YAML stream.
pub fn print() -> anyhow::Result<()> {
    for crd in agentcore_api::crds() {
        print!(
            "---\n{}",
            serde_yaml::to_string(&crd).context("cannot write a CRD as YAML")?
        );
    }
    Ok(())
}

//! Writes the CustomResourceDefinitions to a folder: `cargo run -p agentcore-api --example crdgen -- DIR`.

mod render;

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(
        std::env::args()
            .nth(1)
            .ok_or("give the folder to write to, such as charts/agentcore-operator/files/crds/")?,
    );
    for (name, text) in render::files()? {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}

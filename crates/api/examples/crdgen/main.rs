//! Writes the CustomResourceDefinitions to a folder: `cargo run -p agentcore-api --example crdgen -- crds/`.

mod render;

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(
        std::env::args()
            .nth(1)
            .ok_or("give the folder to write to, such as crds/")?,
    );
    for (name, text) in render::files()? {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}

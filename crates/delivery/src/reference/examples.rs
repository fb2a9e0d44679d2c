//! The examples of the reference: small manifests, each of which says in its first line which fields of the spec it shows.
//!
//! ```yaml
//! # Shows: env, envFrom. An API key from a Secret, and a whole ConfigMap.
//! apiVersion: agentcore.dev/v1alpha1
//! ```

use std::path::Path;

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// One manifest.
pub(super) struct Example {
    /// Its file name.
    pub file: String,
    /// What it says of itself.
    pub says: String,
    kind: String,
    shows: Vec<String>,
    text: String,
}

/// All of them, in order of their names.
pub(super) struct Examples(Vec<Example>);

impl Examples {
    /// Reads the manifests of a folder.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let entries = std::fs::read_dir(folder)
            .with_context(|| format!("cannot read {}", folder.display()))?;
        let mut paths = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<anyhow::Result<Vec<_>>>()?;
        paths.sort();
        let examples = paths
            .iter()
            .map(|path| Example::read(path).with_context(|| path.display().to_string()));
        Ok(Self(examples.collect::<anyhow::Result<_>>()?))
    }

    /// Those that show this field of a kind's spec.
    pub fn of(&self, kind: &str, field: &str) -> Vec<&Example> {
        let shows = |example: &&Example| {
            example.kind == kind && example.shows.iter().any(|shown| shown == field)
        };
        self.0.iter().filter(shows).collect()
    }
}

impl Example {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let (shows, says) = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# Shows: ")?.split_once(". "))
            .context("does not begin with `# Shows: FIELD, FIELD. What it is.`")?;
        let shows: Vec<String> = shows.split(", ").map(str::to_owned).collect();
        let object: Value = serde_yaml::from_str(&text)?;
        for field in &shows {
            ensure!(
                object["spec"][field] != Value::Null,
                "shows {field}, but its spec has none"
            );
        }
        let kind = object["kind"].as_str().context("has no kind")?.to_owned();
        let file = path.file_name().context("has no name")?;
        Ok(Self {
            file: file.to_string_lossy().into_owned(),
            says: says.to_owned(),
            kind,
            shows,
            text,
        })
    }

    /// The lines of one field of the spec, as they are written.
    pub fn block(&self, field: &str) -> String {
        let begin = format!("  {field}:");
        let lines = self
            .text
            .lines()
            .skip_while(|line| !line.starts_with(&begin));
        let more = |line: &&str| line.starts_with("   ") || line.starts_with("  -");
        let mut block = String::from("spec:\n");
        for (number, line) in lines.enumerate() {
            if number > 0 && !more(&line) {
                break;
            }
            block.push_str(line);
            block.push('\n');
        }
        block
    }
}

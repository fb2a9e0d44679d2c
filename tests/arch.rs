//! Who may import whom, how long files may be, and where AWS may be named: read from the sources and manifests.

#[path = "arch/rules.rs"]
mod rules;

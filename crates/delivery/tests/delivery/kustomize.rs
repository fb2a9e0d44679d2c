//! The plain manifests below config/, as kubectl renders them.

//! The Secret that the runtime's spec may refer to, and the history of the runtime.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agentcore_api::runtime::{ConfigKey, EnvVar, EnvVarSource};
use agentcore_plan::config::{ConfigInput, EnvValue, Found, HashKey, sources};
use agentcore_plan::runtime as rt;

use super::{Secret, World};

/// What every value begins with.
pub const SECRET: &str = "s3cr3t-";

/// `TOKEN`, from a Secret.
pub fn token_variable() -> EnvVar {
    EnvVar {
        name: "TOKEN".into(),
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(ConfigKey {
                name: "support".into(),
                key: "token".into(),
                optional: None,
            }),
            config_map_key_ref: None,
        }),
    }
}

impl World {
    /// Changes the Secret, which wakes the runtime.
    pub fn set_secret(&mut self, secret: Secret) {
        self.secret = secret;
        if let Some(stored) = &mut self.runtime {
            stored.dirty = true;
        }
    }

    /// What a pass is given of the Secret.
    pub fn config(&self) -> ConfigInput {
        let Some(stored) = &self.runtime else {
            return ConfigInput::NotNeeded;
        };
        let wanted = sources(&stored.now.spec);
        if wanted.is_empty() {
            return ConfigInput::NotNeeded;
        }
        let found = match self.secret {
            Secret::Missing => Found::Missing,
            Secret::Forbidden => Found::Forbidden,
            Secret::Unavailable => Found::Unavailable,
            Secret::Value(which) => {
                let value = EnvValue::hidden(format!("{SECRET}{which}"));
                Found::Data(Arc::new(BTreeMap::from([("token".into(), Some(value))])))
            }
        };
        ConfigInput::Given {
            key: HashKey::new(vec![self.hash_key; 32]).expect("long enough"),
            found: wanted
                .into_iter()
                .map(|source| (source, found.clone()))
                .collect(),
        }
    }

    /// Versions that the endpoint's object names.
    pub fn used_versions(&self) -> BTreeSet<String> {
        let Some(endpoint) = &self.endpoint else {
            return self.sessions.clone();
        };
        let status = endpoint.now.status.clone().unwrap_or_default();
        [
            Some(endpoint.now.spec.version.clone()),
            status.live_version,
            status.target_version,
        ]
        .into_iter()
        .flatten()
        .chain(self.sessions.clone())
        .collect()
    }

    /// Writes the history that the view allows, as the driver does with each status.
    pub fn keep_history(&mut self, revision: Option<rt::Revision>) {
        let Some(revision) = revision else { return };
        let text = serde_json::to_string(&revision.data).expect("JSON");
        assert!(!text.contains(SECRET), "a value in the history: {text}");
        let kept = self.revisions.get(&revision.name);
        if kept.is_none_or(|kept| kept.time != revision.time) {
            self.revisions.insert(revision.name.clone(), revision);
        }
    }
}

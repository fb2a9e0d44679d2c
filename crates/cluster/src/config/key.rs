//! The operator's own key for hashes of values: a Secret that the first replica makes and all of them read.

use std::collections::BTreeMap;

use agentcore_plan::config::HashKey;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::core::ObjectMeta;
use kube::{Api, Client};
use tokio::sync::Mutex;

use crate::MANAGED_BY;
use crate::errors::told;

/// Name of the Secret; the chart's rights name it too.
pub const SECRET: &str = "agentcore-operator-hash-key";
/// Key of its data.
const DATA_KEY: &str = "key";
/// Bytes of a new key.
const LENGTH: usize = 32;

/// Reads the key once, making it where there is none.
pub struct KeyKeeper {
    api: Api<Secret>,
    known: Mutex<Option<HashKey>>,
}

impl KeyKeeper {
    /// Nothing is read yet.
    pub fn new(kube: Client, namespace: &str) -> Self {
        Self {
            api: Api::namespaced(kube, namespace),
            known: Mutex::default(),
        }
    }

    /// The key, or why there is none, for people.
    pub async fn get(&self) -> Result<HashKey, String> {
        let mut known = self.known.lock().await;
        if let Some(key) = &*known {
            return Ok(key.clone());
        }
        let secret = match self.api.get_opt(SECRET).await {
            Ok(Some(secret)) => secret,
            Ok(None) => self.make().await?,
            Err(error) => return Err(told(&error)),
        };
        let data = secret.data.unwrap_or_default().remove(DATA_KEY);
        let key = data.and_then(|ByteString(bytes)| HashKey::new(bytes));
        let key = key.ok_or_else(|| {
            format!(
                "Secret {SECRET} has no {DATA_KEY} of at least {} bytes",
                HashKey::LEAST
            )
        })?;
        *known = Some(key.clone());
        Ok(key)
    }

    /// Makes a random key; what is there afterwards counts, whoever made it.
    async fn make(&self) -> Result<Secret, String> {
        let random: [u8; LENGTH] = rand::random();
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(SECRET.to_owned()),
                labels: Some(BTreeMap::from([MANAGED_BY.map(str::to_owned).into()])),
                ..ObjectMeta::default()
            },
            // Another key would make every hash another one.
            immutable: Some(true),
            data: Some(BTreeMap::from([(
                DATA_KEY.to_owned(),
                ByteString(random.to_vec()),
            )])),
            ..Secret::default()
        };
        match self.api.create(&PostParams::default(), &secret).await {
            Ok(_) => tracing::info!(secret = SECRET, "created the key for hashes"),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(told(&error)),
        }
        self.api.get(SECRET).await.map_err(|error| told(&error))
    }
}

//! Whether an image can run: linux/arm64, whole, not too large. What cannot change is asked once.

use agentcore_plan::fault::Fault;
use agentcore_plan::image::{Flaw, Inspected, MOST_BYTES, Repository, Trouble};
use jiff::Timestamp;
use serde::Deserialize;

use super::blob::Blobs;
use super::calls::{get_images, id, trouble};
use super::registry::Registry;
use crate::aws::classify;
use crate::aws::control::Caller;
use crate::aws::lanes::Lane;
use crate::aws::operation::Operation;
use crate::errors::unparsed;

/// What AgentCore runs.
const OS: &str = "linux";
const ARCHITECTURE: &str = "arm64";

/// A manifest or an index, as far as it is read.
#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    manifests: Option<Vec<Entry>>,
    #[serde(default)]
    config: Option<Blob>,
    #[serde(default)]
    layers: Vec<Blob>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Platform {
    os: String,
    architecture: String,
}

#[derive(Deserialize)]
struct Blob {
    #[serde(default)]
    digest: String,
    #[serde(default)]
    size: u64,
}

impl Manifest {
    fn bytes(&self) -> u64 {
        let layers = self.layers.iter().map(|layer| layer.size);
        let config = self.config.as_ref().map_or(0, |config| config.size);
        layers.fold(config, u64::saturating_add)
    }
}

/// A step that failed.
type Failed = (Operation, Fault);

impl Registry {
    /// Looks into an image.
    pub async fn inspect(
        &self,
        caller: &Caller,
        blobs: &Blobs,
        repository: &Repository,
        digest: &str,
    ) -> Result<Inspected, Trouble> {
        let known = || Some(Ok(self.state.lock().images.get(digest)?.clone()));
        let look = async {
            let found = self.look_into(caller, blobs, repository, digest).await;
            self.doors.tell();
            found
        };
        self.doors.look(caller.tenant(), known, look).await
    }

    async fn look_into(
        &self,
        caller: &Caller,
        blobs: &Blobs,
        repository: &Repository,
        digest: &str,
    ) -> Result<Inspected, Trouble> {
        let found = Inspection {
            registry: self,
            caller,
            blobs,
            repository,
        }
        .run(digest)
        .await
        .map_err(|(operation, fault)| trouble(operation, repository, &fault))?;
        // What is not there or not whole may come.
        if !matches!(found.flaw, Some(Flaw::Missing | Flaw::Incomplete)) {
            self.state.lock().remember(digest, &found);
        }
        Ok(found)
    }
}

struct Inspection<'a> {
    registry: &'a Registry,
    caller: &'a Caller,
    blobs: &'a Blobs,
    repository: &'a Repository,
}

impl Inspection<'_> {
    async fn run(&self, digest: &str) -> Result<Inspected, Failed> {
        let flawed = |flaw| Inspected {
            flaw: Some(flaw),
            ..Inspected::default()
        };
        let Some(top) = self.manifest(digest).await? else {
            return Ok(flawed(Flaw::Missing));
        };
        let Some(pushed_at) = self.pushed_at(digest).await? else {
            return Ok(flawed(Flaw::Missing));
        };
        let (platform_digest, image) = match &top.manifests {
            None => (digest.to_owned(), top),
            Some(entries) => {
                let fits = |entry: &&Entry| {
                    let platform = entry.platform.as_ref();
                    platform.is_some_and(|it| it.os == OS && it.architecture == ARCHITECTURE)
                };
                let Some(entry) = entries.iter().find(fits) else {
                    return Ok(Inspected {
                        pushed_at,
                        ..flawed(Flaw::NoArm64)
                    });
                };
                match self.manifest(&entry.digest).await? {
                    Some(image) => (entry.digest.clone(), image),
                    None => {
                        return Ok(Inspected {
                            pushed_at,
                            ..flawed(Flaw::Incomplete)
                        });
                    }
                }
            }
        };
        let bytes = image.bytes();
        let flaw = if platform_digest == digest && !self.is_arm64(&image).await? {
            Some(Flaw::NoArm64)
        } else if bytes > MOST_BYTES {
            Some(Flaw::TooLarge { bytes })
        } else {
            None
        };
        Ok(Inspected {
            platform_digest: Some(platform_digest),
            pushed_at,
            flaw,
        })
    }

    /// The manifest of a digest; `None` when it is not there.
    async fn manifest(&self, digest: &str) -> Result<Option<Manifest>, Failed> {
        let operation = Operation::BatchGetImage;
        let brought = self.registry.state.lock().manifests.remove(digest);
        let text = if let Some(text) = brought {
            Some(text)
        } else {
            let ids = vec![id(None, Some(digest))];
            let request = get_images(self.caller, self.repository, ids);
            let answer = self
                .caller
                .call(operation, Lane::Urgent, || request.clone().send())
                .await
                .map_err(|fault| (operation, fault))?;
            let image = answer.images().first();
            image.and_then(|image| image.image_manifest().map(str::to_owned))
        };
        text.map(|text| {
            serde_json::from_str(&text)
                .map_err(|error| (operation, classify::unreadable(&unparsed(&error), None)))
        })
        .transpose()
    }

    /// When the image was pushed, if ECR says so; `None` when it is not there.
    async fn pushed_at(&self, digest: &str) -> Result<Option<Option<Timestamp>>, Failed> {
        let operation = Operation::DescribeImages;
        let request = self
            .caller
            .ecr
            .describe_images()
            .registry_id(&self.repository.account)
            .repository_name(&self.repository.name)
            .image_ids(id(None, Some(digest)));
        let answer = self
            .caller
            .call(operation, Lane::Urgent, || request.clone().send())
            .await;
        match answer {
            Ok(answer) => {
                let image = answer.image_details().first();
                let at = image.and_then(|image| image.image_pushed_at());
                Ok(Some(at.and_then(|at| {
                    Timestamp::from_millisecond(at.to_millis().ok()?).ok()
                })))
            }
            Err(fault) if fault.code == "ImageNotFoundException" => Ok(None),
            Err(fault) => Err((operation, fault)),
        }
    }

    /// Whether an image says in its configuration that it is for linux/arm64. Where the configuration cannot be fetched from
    /// where ECR says it is, AgentCore itself has to tell.
    async fn is_arm64(&self, image: &Manifest) -> Result<bool, Failed> {
        let operation = Operation::GetDownloadUrlForLayer;
        let Some(config) = image.config.as_ref().filter(|it| !it.digest.is_empty()) else {
            return Ok(false);
        };
        let request = self
            .caller
            .ecr
            .get_download_url_for_layer()
            .registry_id(&self.repository.account)
            .repository_name(&self.repository.name)
            .layer_digest(&config.digest);
        let answer = self
            .caller
            .call(operation, Lane::Urgent, || request.clone().send())
            .await
            .map_err(|fault| (operation, fault))?;
        let url = answer.download_url().unwrap_or_default();
        let platform = match self.blobs.fetch(url).await {
            Ok(bytes) => serde_json::from_slice::<Platform>(&bytes).unwrap_or_default(),
            Err(error) => {
                tracing::warn!(repository = %self.repository.name, %error, "the image's configuration could not be fetched: its platform is not checked");
                return Ok(true);
            }
        };
        Ok(platform.os == OS && platform.architecture == ARCHITECTURE)
    }
}

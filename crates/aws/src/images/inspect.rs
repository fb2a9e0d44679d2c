//! Whether an image can run: an image at all, for linux/arm64 or linux/amd64, whole, not too large. What cannot change is asked once.

use agentcore_plan::fault::Fault;
use agentcore_plan::image::{Flaw, Inspected, MOST_BYTES, Repository, Trouble};
use jiff::Timestamp;
use serde::Deserialize;

use super::blob::Blobs;
use super::calls::{get_images, id, trouble};
use super::registry::Registry;
use crate::classify;
use crate::control::Caller;
use crate::operation::Operation;
use crate::rate_limiter::Priority;
use agentcore_cluster::errors::unparsed;

/// What AgentCore runs: microVMs the first architecture, capacity providers both.
const OS: &str = "linux";
const ARCHITECTURES: [&str; 2] = ["arm64", "amd64"];

/// Media types of configurations and beginnings of those of layers that images have (OCI, Docker).
const CONFIGURATIONS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];
const LAYERS: [&str; 2] = [
    "application/vnd.oci.image.layer.",
    "application/vnd.docker.image.rootfs.",
];

/// A manifest or an index, as far as it is read.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Manifest {
    /// What an artifact other than an image is.
    artifact_type: Option<String>,
    manifests: Option<Vec<Entry>>,
    config: Option<Blob>,
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

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Blob {
    media_type: String,
    digest: String,
    size: u64,
}

impl Manifest {
    /// Whether it says that it is something else than an image: a signature, say, of which cosign makes the configuration of an image and a layer
    /// of its own.
    fn is_other(&self) -> bool {
        let config = self.config.as_ref().map_or("", |config| &config.media_type);
        let layer = |layer: &Blob| {
            let media_type = layer.media_type.as_str();
            media_type.is_empty() || LAYERS.iter().any(|known| media_type.starts_with(known))
        };
        self.artifact_type.is_some()
            || !(config.is_empty() || is_configuration(config))
            || !(self.layers.is_empty() || self.layers.iter().any(layer))
    }

    fn bytes(&self) -> u64 {
        let layers = self.layers.iter().map(|layer| layer.size);
        let config = self.config.as_ref().map_or(0, |config| config.size);
        layers.fold(config, u64::saturating_add)
    }
}

/// Whether a media type is that of an image's configuration.
pub(super) fn is_configuration(media_type: &str) -> bool {
    CONFIGURATIONS.contains(&media_type)
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
        if top.is_other() {
            return Ok(Inspected {
                pushed_at,
                ..flawed(Flaw::NotAnImage)
            });
        }
        let Some((architecture, platform_digest)) = self.platform(&top, digest).await? else {
            return Ok(Inspected {
                pushed_at,
                ..flawed(Flaw::NoArm64)
            });
        };
        let image = if platform_digest == digest {
            top
        } else {
            match self.manifest(&platform_digest).await? {
                Some(image) => image,
                None => {
                    return Ok(Inspected {
                        pushed_at,
                        ..flawed(Flaw::Incomplete)
                    });
                }
            }
        };
        let bytes = image.bytes();
        Ok(Inspected {
            platform_digest: Some(platform_digest),
            pushed_at,
            only_amd64: architecture != ARCHITECTURES[0],
            flaw: (bytes > MOST_BYTES).then_some(Flaw::TooLarge { bytes }),
        })
    }

    /// The first of [`ARCHITECTURES`] that it has, and the digest of its image.
    async fn platform(
        &self,
        top: &Manifest,
        digest: &str,
    ) -> Result<Option<(&'static str, String)>, Failed> {
        let Some(entries) = &top.manifests else {
            let architecture = self.architecture(top).await?;
            return Ok(architecture.map(|architecture| (architecture, digest.to_owned())));
        };
        let with = |architecture: &'static str| {
            let fits = |entry: &&Entry| {
                let platform = entry.platform.as_ref();
                platform.is_some_and(|it| it.os == OS && it.architecture == architecture)
            };
            let entry = entries.iter().find(fits)?;
            Some((architecture, entry.digest.clone()))
        };
        Ok(ARCHITECTURES.into_iter().find_map(with))
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
                .call(operation, Priority::Urgent, || request.clone().send())
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
            .call(operation, Priority::Urgent, || request.clone().send())
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

    /// Which of [`ARCHITECTURES`] an image is for, as its configuration says. Where that cannot be fetched from where ECR says it is,
    /// AgentCore itself has to tell.
    async fn architecture(&self, image: &Manifest) -> Result<Option<&'static str>, Failed> {
        let operation = Operation::GetDownloadUrlForLayer;
        let Some(config) = image.config.as_ref().filter(|it| !it.digest.is_empty()) else {
            return Ok(None);
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
            .call(operation, Priority::Urgent, || request.clone().send())
            .await
            .map_err(|fault| (operation, fault))?;
        let url = answer.download_url().unwrap_or_default();
        let platform = match self.blobs.fetch(url).await {
            Ok(bytes) => serde_json::from_slice::<Platform>(&bytes).unwrap_or_default(),
            Err(error) => {
                tracing::warn!(repository = %self.repository.name, %error, "cannot fetch the image's configuration, skipping the platform check");
                return Ok(Some(ARCHITECTURES[0]));
            }
        };
        let known = ARCHITECTURES
            .into_iter()
            .find(|one| *one == platform.architecture);
        Ok(known.filter(|_| platform.os == OS))
    }
}

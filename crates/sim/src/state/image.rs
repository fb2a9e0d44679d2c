//! Pushed images: real manifests and config blobs over the program that stands for the image.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

/// Media type of an image for one architecture.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an index over several architectures.
pub const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What a session of the image runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Program and arguments; `{port}` stands for the session's port.
    pub argv: Vec<String>,
    /// The image's own environment variables.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// Media types of something that is stored beside images: a signature, an SBOM, a chart.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Artifact {
    /// Of the configuration, and what ECR tells as `artifactMediaType`; else an image's, as cosign makes signatures.
    #[serde(default = "config_type")]
    pub media_type: String,
    /// Of its layer.
    pub layer_media_type: String,
}

fn config_type() -> String {
    CONFIG_TYPE.to_owned()
}

/// A manifest in a repository: an index or an image for one architecture.
#[derive(Debug, Clone)]
pub struct Image {
    /// `sha256:...` of the manifest.
    pub digest: String,
    /// [`MANIFEST_TYPE`] or [`INDEX_TYPE`].
    pub media_type: &'static str,
    /// The manifest's text.
    pub manifest: String,
    /// What ECR says of its configuration.
    pub artifact_type: String,
    /// Architectures it has, such as `arm64`; none where it is no image.
    pub architectures: Vec<String>,
    /// What it runs.
    pub program: Program,
    /// Size as ECR tells it, in bytes.
    pub size: u64,
    /// When it was pushed.
    pub pushed_at: Timestamp,
}

/// A repository of a registry.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Name without the registry.
    pub name: String,
    /// When its first image was pushed.
    pub created_at: Timestamp,
    /// Digest by tag.
    pub tags: BTreeMap<String, String>,
    /// Manifests by digest, those inside an index included.
    pub images: BTreeMap<String, Arc<Image>>,
}

/// A push, as the admin API takes it.
#[derive(Debug, Clone)]
pub struct Push {
    /// Registry and repository, such as `111122223333.dkr.ecr.us-east-1.amazonaws.com/support`.
    pub repository_uri: String,
    /// The tag to set.
    pub tag: String,
    /// What the image runs.
    pub program: Program,
    /// Architectures; one makes a plain manifest, several make an index.
    pub architectures: Vec<String>,
    /// An index also of one architecture.
    pub index: bool,
    /// The index alone, without the images that it names.
    pub index_only: bool,
    /// Size that the image's layer is said to have, in bytes.
    pub size: Option<u64>,
    /// When it is said to have been pushed; else now.
    pub pushed_at: Option<Timestamp>,
    /// It is no image.
    pub artifact: Option<Artifact>,
}

/// All images of all registries.
#[derive(Debug, Default)]
pub struct Images {
    repositories: BTreeMap<String, Repository>,
    blobs: HashMap<String, Bytes>,
}

impl Images {
    /// Stores an image and moves the tag to it. The same content always gives the same digest.
    pub fn push(&mut self, push: Push, content: &Content, now: Timestamp) -> String {
        let content = &Content {
            size: push.size.unwrap_or(content.size),
            ..content.clone()
        };
        let now = push.pushed_at.unwrap_or(now);
        let mut made: Vec<Image> = push
            .architectures
            .iter()
            .map(|arch| self.single(&push, arch, content, now))
            .collect();
        if made.len() > 1 || push.index || push.index_only {
            made.push(index(&made, &push, now));
        }
        // The last one made is what the tag names: the index, or the only image.
        let digest = made
            .last()
            .map(|image| image.digest.clone())
            .unwrap_or_default();
        let name = push
            .repository_uri
            .split_once('/')
            .map_or(push.repository_uri.as_str(), |(_, name)| name)
            .to_owned();
        let repository = self
            .repositories
            .entry(push.repository_uri)
            .or_insert_with(|| Repository {
                name,
                created_at: now,
                tags: BTreeMap::new(),
                images: BTreeMap::new(),
            });
        let skipped = if push.index_only { made.len() - 1 } else { 0 };
        for image in made.into_iter().skip(skipped) {
            repository
                .images
                .entry(image.digest.clone())
                .or_insert_with(|| Arc::new(image));
        }
        repository.tags.insert(push.tag, digest.clone());
        digest
    }

    /// Moves a tag to an image that is there. False: there is no such repository or image.
    pub fn tag(&mut self, uri: &str, tag: &str, digest: &str) -> bool {
        let repository = self.repositories.get_mut(uri);
        let Some(repository) = repository.filter(|it| it.images.contains_key(digest)) else {
            return false;
        };
        repository.tags.insert(tag.to_owned(), digest.to_owned());
        true
    }

    /// Removes a tag, or the whole repository. False: it was not there.
    pub fn remove(&mut self, uri: &str, tag: Option<&str>) -> bool {
        match tag {
            None => self.repositories.remove(uri).is_some(),
            Some(tag) => self
                .repositories
                .get_mut(uri)
                .is_some_and(|repository| repository.tags.remove(tag).is_some()),
        }
    }

    fn single(&mut self, push: &Push, arch: &str, content: &Content, now: Timestamp) -> Image {
        let program = &push.program;
        let image = Artifact {
            media_type: config_type(),
            layer_media_type: LAYER_TYPE.to_owned(),
        };
        let Artifact {
            media_type,
            layer_media_type,
        } = push.artifact.as_ref().unwrap_or(&image);
        let env: Vec<String> = program
            .env
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        let (arch, os) = match push.artifact {
            None => (arch, "linux"),
            Some(_) => ("", ""),
        };
        let config = json!({
            "architecture": arch,
            "os": os,
            "config": { "Env": env, "Entrypoint": program.argv },
            "rootfs": { "type": "layers", "diff_ids": [content.digest] },
        })
        .to_string();
        let config_digest = sha256(config.as_bytes());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": { "mediaType": media_type, "digest": config_digest, "size": config.len() },
            "layers": [{ "mediaType": layer_media_type, "digest": content.digest, "size": content.size }],
        })
        .to_string();
        self.blobs.insert(config_digest, Bytes::from(config));
        Image {
            digest: sha256(manifest.as_bytes()),
            media_type: MANIFEST_TYPE,
            manifest,
            artifact_type: media_type.clone(),
            architectures: match push.artifact {
                None => vec![arch.to_owned()],
                Some(_) => Vec::new(),
            },
            program: program.clone(),
            size: content.size,
            pushed_at: now,
        }
    }

    /// The repository of this URI (registry and name, no tag).
    pub fn repository(&self, uri: &str) -> Option<&Repository> {
        self.repositories.get(uri)
    }

    /// The repositories of a registry, by name.
    pub fn repositories_of<'a>(
        &'a self,
        registry: &'a str,
    ) -> impl Iterator<Item = &'a Repository> {
        self.repositories
            .iter()
            .filter(move |(uri, _)| {
                uri.split_once('/')
                    .is_some_and(|(host, _)| host == registry)
            })
            .map(|(_, repository)| repository)
    }

    /// A config blob by its digest.
    pub fn blob(&self, digest: &str) -> Option<Bytes> {
        self.blobs.get(digest).cloned()
    }

    /// The image of a `repository[:tag][@digest]` reference; without tag and digest the tag `latest`. A tag beside
    /// a digest is not looked at, as everywhere.
    pub fn resolve(&self, reference: &str) -> Option<Arc<Image>> {
        let (rest, digest) = match reference.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (reference, None),
        };
        let (uri, tag) = match rest.rsplit_once(':') {
            Some((uri, tag)) if !tag.contains('/') => (uri, tag),
            _ => (rest, "latest"),
        };
        let repository = self.repositories.get(uri)?;
        repository
            .images
            .get(digest.or_else(|| repository.tags.get(tag).map(String::as_str))?)
            .cloned()
    }
}

fn index(made: &[Image], push: &Push, now: Timestamp) -> Image {
    let manifests: Vec<_> = made
        .iter()
        .map(|image| {
            json!({
                "mediaType": image.media_type,
                "digest": image.digest,
                "size": image.manifest.len(),
                "platform": { "architecture": image.architectures.first(), "os": "linux" },
            })
        })
        .collect();
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests }).to_string();
    Image {
        digest: sha256(manifest.as_bytes()),
        media_type: INDEX_TYPE,
        manifest,
        artifact_type: config_type(),
        architectures: push.architectures.clone(),
        program: push.program.clone(),
        size: made.iter().map(|image| image.size).max().unwrap_or(0),
        pushed_at: now,
    }
}

/// What a program's files hold: the layer of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// `sha256:...` over the files.
    pub digest: String,
    /// Bytes of all files.
    pub size: u64,
}

impl Content {
    /// Reads the program and every argument that is the path of a file. Blocks.
    ///
    /// A file that cannot be read counts as its name: it fails when a session starts it, as a broken image would.
    pub fn read(program: &Program) -> Self {
        let mut hash = Sha256::new();
        let mut size = 0;
        for argument in &program.argv {
            hash.update(argument.as_bytes());
            hash.update([0]);
            if let Ok(bytes) = std::fs::read(argument) {
                size += bytes.len() as u64;
                hash.update(&bytes);
            }
        }
        Self {
            digest: format!("sha256:{}", hex::encode(hash.finalize())),
            size,
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

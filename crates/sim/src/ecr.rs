//! ECR, as far as a digest, a manifest and an architecture are asked for.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::operation::Operation;
use crate::request::Call;
use crate::state::image::{Image, Images, Repository};
use crate::state::world::App;
use crate::wire::errors::ApiError;
use crate::wire::reply::Reply;
use crate::wire::shape::parse;
use crate::wire::shapes;

/// Entries on a page where nothing is said.
const PAGE: usize = 100;

/// Answers an operation of ECR.
///
/// # Errors
/// What the service refuses.
pub fn handle(app: &App, call: &Call) -> Result<Reply, ApiError> {
    let world = app.world.lock();
    let body = match call.route.operation {
        Operation::DescribeImages => describe_images(&world.images, call),
        Operation::BatchGetImage => batch_get_image(&world.images, call),
        Operation::DescribeRepositories => describe_repositories(&world.images, call),
        Operation::GetDownloadUrlForLayer => download_url(&world.images, call),
        other => Err(ApiError::new(
            "UnknownOperationException",
            format!("{other} is not of ECR"),
        )),
    };
    body.map(Reply::ok)
}

/// Host name of a registry.
pub fn registry_host(account: &str, region: &str) -> String {
    let suffix = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    format!("{account}.dkr.ecr.{region}.{suffix}")
}

/// Reads a request; ECR words what breaks a shape as `InvalidParameterException`.
fn read(
    members: &'static [crate::wire::shape::Member],
    call: &Call,
) -> Result<Map<String, Value>, ApiError> {
    parse(members, &call.body).map_err(|error| match error.name() {
        "ValidationException" => ApiError::new(
            "InvalidParameterException",
            format!("Invalid parameter: {}", error.message()),
        ),
        _ => error,
    })
}

fn text<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    map.get(name).and_then(Value::as_str)
}

fn registry_of<'a>(request: &'a Map<String, Value>, call: &'a Call) -> &'a str {
    text(request, "registryId").unwrap_or(&call.account)
}

fn repository<'a>(
    images: &'a Images,
    request: &Map<String, Value>,
    call: &Call,
) -> Result<&'a Repository, ApiError> {
    let name = text(request, "repositoryName").unwrap_or_default();
    named_repository(images, registry_of(request, call), &call.region, name)
}

fn named_repository<'a>(
    images: &'a Images,
    account: &str,
    region: &str,
    name: &str,
) -> Result<&'a Repository, ApiError> {
    images.repository(&format!("{}/{name}", registry_host(account, region))).ok_or_else(|| {
        let text = format!("The repository with name '{name}' does not exist in the registry with id '{account}'");
        ApiError::new("RepositoryNotFoundException", text)
    })
}

fn describe_images(images: &Images, call: &Call) -> Result<Value, ApiError> {
    let request = read(shapes::DESCRIBE_IMAGES, call)?;
    let repository = repository(images, &request, call)?;
    let account = registry_of(&request, call);
    let wished: Vec<&Image> = if let Some(ids) = request.get("imageIds").and_then(Value::as_array) {
        ids.iter()
            .map(|id| find(repository, id).map_err(|_| no_image(repository, id, account)))
            .collect::<Result<_, _>>()?
    } else {
        let status = request
            .get("filter")
            .and_then(|f| f.get("tagStatus"))
            .and_then(Value::as_str);
        listed(repository, status)
    };
    let details = wished
        .into_iter()
        .map(|image| detail(repository, image, account));
    page(&request, "imageDetails", details.collect())
}

fn no_image(repository: &Repository, id: &Value, account: &str) -> ApiError {
    let part = |name: &str| {
        id.get(name)
            .and_then(Value::as_str)
            .unwrap_or("null")
            .to_owned()
    };
    let text = format!(
        "The image with imageId {{imageDigest:'{}', imageTag:'{}'}} does not exist within the repository with name '{}' in \
         the registry with id '{account}'",
        part("imageDigest"),
        part("imageTag"),
        repository.name
    );
    ApiError::new("ImageNotFoundException", text)
}

fn listed<'a>(repository: &'a Repository, status: Option<&str>) -> Vec<&'a Image> {
    let tagged = |image: &Image| {
        repository
            .tags
            .values()
            .any(|digest| *digest == image.digest)
    };
    let images = repository.images.values().map(AsRef::as_ref);
    images
        .filter(|image| match status {
            Some("TAGGED") => tagged(image),
            Some("UNTAGGED") => !tagged(image),
            _ => true,
        })
        .collect()
}

fn detail(repository: &Repository, image: &Image, account: &str) -> Value {
    let tags: Vec<&String> = repository
        .tags
        .iter()
        .filter(|(_, digest)| **digest == image.digest)
        .map(|(tag, _)| tag)
        .collect();
    let mut detail = json!({
        "registryId": account,
        "repositoryName": repository.name,
        "imageDigest": image.digest,
        "imageSizeInBytes": image.size,
        "imagePushedAt": epoch(image.pushed_at),
        "imageManifestMediaType": image.media_type,
        "artifactMediaType": image.artifact_type,
        "imageStatus": "ACTIVE",
    });
    if !tags.is_empty() {
        detail["imageTags"] = json!(tags);
    }
    detail
}

fn batch_get_image(images: &Images, call: &Call) -> Result<Value, ApiError> {
    let request = read(shapes::BATCH_GET_IMAGE, call)?;
    let repository = repository(images, &request, call)?;
    let account = registry_of(&request, call);
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for id in request
        .get("imageIds")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        match find(repository, id) {
            Ok(image) => {
                let mut image_id = json!({ "imageDigest": image.digest });
                if let Some(tag) = id.get("imageTag") {
                    image_id["imageTag"] = tag.clone();
                }
                found.push(json!({
                    "registryId": account,
                    "repositoryName": repository.name,
                    "imageId": image_id,
                    "imageManifest": image.manifest,
                    "imageManifestMediaType": image.media_type,
                }));
            }
            Err((code, reason)) => {
                failures
                    .push(json!({ "imageId": id, "failureCode": code, "failureReason": reason }));
            }
        }
    }
    Ok(json!({ "images": found, "failures": failures }))
}

/// The image of an `ImageIdentifier`, or the code and reason of the failure.
fn find<'a>(
    repository: &'a Repository,
    id: &Value,
) -> Result<&'a Image, (&'static str, &'static str)> {
    let part = |name: &str| id.get(name).and_then(Value::as_str);
    let by_tag = part("imageTag").map(|tag| repository.tags.get(tag));
    let digest = match (part("imageDigest"), by_tag) {
        (None, None) => {
            return Err((
                "MissingDigestAndTag",
                "Invalid request parameters: both tag and digest cannot be null",
            ));
        }
        (Some(digest), _) if !digest.starts_with("sha256:") => {
            return Err((
                "InvalidImageDigest",
                "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
            ));
        }
        (Some(digest), Some(Some(tagged))) if digest != tagged => {
            return Err((
                "ImageTagDoesNotMatchDigest",
                "The image tag does not match the image digest",
            ));
        }
        (Some(digest), _) => Some(digest),
        (None, Some(tagged)) => tagged.map(String::as_str),
    };
    digest
        .and_then(|digest| repository.images.get(digest))
        .map(AsRef::as_ref)
        .ok_or(("ImageNotFound", "Requested image not found"))
}

fn describe_repositories(images: &Images, call: &Call) -> Result<Value, ApiError> {
    let request = read(shapes::DESCRIBE_REPOSITORIES, call)?;
    let account = registry_of(&request, call);
    let host = registry_host(account, &call.region);
    let wished: Vec<&Repository> = match request.get("repositoryNames").and_then(Value::as_array) {
        Some(names) => names
            .iter()
            .filter_map(Value::as_str)
            .map(|name| named_repository(images, account, &call.region, name))
            .collect::<Result<_, _>>()?,
        None => images.repositories_of(&host).collect(),
    };
    let entries = wished.into_iter().map(|repository| {
        json!({
            "repositoryArn": format!("arn:{}:ecr:{}:{account}:repository/{}", crate::state::ids::aws_partition(&call.region), call.region, repository.name),
            "registryId": account,
            "repositoryName": repository.name,
            "repositoryUri": format!("{host}/{}", repository.name),
            "createdAt": epoch(repository.created_at),
            "imageTagMutability": "MUTABLE",
            "imageScanningConfiguration": { "scanOnPush": false },
            "encryptionConfiguration": { "encryptionType": "AES256" },
        })
    });
    page(&request, "repositories", entries.collect())
}

fn download_url(images: &Images, call: &Call) -> Result<Value, ApiError> {
    let request = read(shapes::DOWNLOAD_URL, call)?;
    let repository = repository(images, &request, call)?;
    let digest = text(&request, "layerDigest").unwrap_or_default();
    let mentioned = repository
        .images
        .values()
        .any(|image| image.manifest.contains(digest));
    if !mentioned {
        let text = format!(
            "The layer with digest '{digest}' does not exist in the repository with name '{}'",
            repository.name
        );
        return Err(ApiError::new("LayersNotFoundException", text));
    }
    if images.blob(digest).is_none() {
        let text = format!("layer '{digest}' holds a program of this machine, which is not served");
        return Err(ApiError::new("LayerInaccessibleException", text));
    }
    Ok(
        json!({ "downloadUrl": format!("http://{}/_sim/blobs/{digest}", call.host), "layerDigest": digest }),
    )
}

fn page(request: &Map<String, Value>, member: &str, items: Vec<Value>) -> Result<Value, ApiError> {
    let size = request
        .get("maxResults")
        .and_then(Value::as_u64)
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(PAGE);
    let from = match text(request, "nextToken") {
        None => 0,
        Some(token) => URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok()?.parse::<usize>().ok())
            .ok_or_else(|| {
                ApiError::new("InvalidParameterException", "Invalid parameter: nextToken")
            })?,
    };
    let more = items.len() > from.saturating_add(size);
    let entries: Vec<Value> = items.into_iter().skip(from).take(size).collect();
    let mut body = Map::from_iter([(member.to_owned(), Value::Array(entries))]);
    if more {
        body.insert(
            "nextToken".to_owned(),
            json!(URL_SAFE_NO_PAD.encode((from + size).to_string())),
        );
    }
    Ok(Value::Object(body))
}

/// Seconds since 1970 with fractions, as JSON 1.1 has timestamps.
fn epoch(at: Timestamp) -> Value {
    json!(at.as_duration().as_secs_f64())
}

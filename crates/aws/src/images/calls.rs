//! Calls of ECR that looks and inspections share, and what their failures mean.

use agentcore_api::reasons;
use agentcore_plan::fault::{Class, Fault};
use agentcore_plan::image::{Repository, Trouble};
use aws_sdk_ecr::operation::batch_get_image::builders::BatchGetImageFluentBuilder;
use aws_sdk_ecr::types::ImageIdentifier;

use crate::control::Caller;
use crate::operation::Operation;

/// What a manifest may be.
const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
/// An identifier in ECR's words.
pub(super) fn id(tag: Option<&str>, digest: Option<&str>) -> ImageIdentifier {
    ImageIdentifier::builder()
        .set_image_tag(tag.map(str::to_owned))
        .set_image_digest(digest.map(str::to_owned))
        .build()
}

/// BatchGetImage.
pub(super) fn get_images(
    caller: &Caller,
    repository: &Repository,
    ids: Vec<ImageIdentifier>,
) -> BatchGetImageFluentBuilder {
    caller
        .ecr
        .batch_get_image()
        .registry_id(&repository.account)
        .repository_name(&repository.name)
        .set_image_ids(Some(ids))
        .set_accepted_media_types(Some(MEDIA_TYPES.map(str::to_owned).to_vec()))
}

/// A failed call for people: the step, and the right that is missing if one is.
pub(super) fn trouble(operation: Operation, repository: &Repository, fault: &Fault) -> Trouble {
    let Fault { code, message, .. } = fault;
    let (reason, message) = match fault.class {
        _ if code == "RepositoryNotFoundException" => (
            reasons::REPOSITORY_NOT_FOUND,
            format!("repository {repository} not found"),
        ),
        Class::Denied => (
            reasons::REGISTRY_ACCESS_DENIED,
            format!(
                "ecr:{operation} on repository {repository} was refused ({code}): allow it to the operator's role, and in the repository's policy if that is in another account"
            ),
        ),
        _ => (
            reasons::REGISTRY_UNREACHABLE,
            format!("ecr:{operation} on repository {repository} failed: {code}: {message}"),
        ),
    };
    Trouble {
        reason,
        message,
        again: None,
    }
}

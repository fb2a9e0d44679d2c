//! What the data plane asks the control plane: which version an invocation reaches.

use std::sync::Arc;

use super::endpoint::DEFAULT_ENDPOINT;
use super::image::Image;
use super::partition::View;
use super::runtime::{Config, Status};
use super::settings::TagResolution;
use crate::wire::errors::ApiError;

/// Where an invocation goes.
#[derive(Debug, Clone)]
pub struct Target {
    /// ARN of the runtime.
    pub runtime_arn: String,
    /// Id of the runtime.
    pub runtime_id: String,
    /// Name of the endpoint.
    pub endpoint: String,
    /// The version that a session beginning now runs.
    pub version: u32,
    /// Configuration of that version.
    pub config: Arc<Config>,
    /// Image of that version; none for a code artifact that nobody pushed.
    pub image: Option<Arc<Image>>,
}

impl View<'_> {
    /// The version that an endpoint is live on.
    ///
    /// `runtime` is an ARN or a bare id; `qualifier` an endpoint's name, DEFAULT where `None` or empty.
    ///
    /// # Errors
    /// `ResourceNotFoundException` for an unknown runtime or endpoint, one of another account or region, and one
    /// that is not live yet.
    pub fn target(&self, runtime: &str, qualifier: Option<&str>) -> Result<Target, ApiError> {
        let id = self.runtime_id(runtime)?;
        let runtime = self.part.runtime(&id, self.settings)?;
        let name = qualifier
            .filter(|q| !q.is_empty())
            .unwrap_or(DEFAULT_ENDPOINT);
        let missing = || {
            ApiError::not_found(format!(
                "endpoint {name} of agent runtime {id} was not found"
            ))
        };
        let endpoint = runtime.endpoints.get(name).ok_or_else(missing)?;
        if runtime.status == Status::Deleting || endpoint.status == Status::Deleting {
            return Err(missing());
        }
        let version = endpoint
            .live
            .and_then(|live| runtime.versions.get(&live))
            .ok_or_else(missing)?;
        let image = match self.settings.tags_resolve {
            TagResolution::Version => version.image.clone(),
            TagResolution::Session => version
                .config
                .container_uri()
                .and_then(|uri| self.images.resolve(uri))
                .or_else(|| version.image.clone()),
        };
        Ok(Target {
            runtime_arn: runtime.arn.clone(),
            runtime_id: id.clone(),
            endpoint: name.to_owned(),
            version: version.number,
            config: Arc::clone(&version.config),
            image,
        })
    }

    /// The id in an ARN of this partition, or a bare id as it is.
    ///
    /// # Errors
    /// `ResourceNotFoundException` for an ARN of another account or region or of something that is no runtime.
    pub fn runtime_id(&self, reference: &str) -> Result<String, ApiError> {
        if !reference.starts_with("arn:") {
            return Ok(reference.to_owned());
        }
        let parts: Vec<&str> = reference.splitn(6, ':').collect();
        let id = match parts.as_slice() {
            [_, _, "bedrock-agentcore", region, account, resource]
                if *region == self.part.region && *account == self.part.account =>
            {
                resource.strip_prefix("runtime/")
            }
            _ => None,
        };
        id.map(|id| id.split('/').next().unwrap_or(id).to_owned())
            .ok_or_else(|| ApiError::not_found(format!("agent runtime {reference} was not found")))
    }
}

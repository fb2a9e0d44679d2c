//! Writing status by server-side apply, with one field manager per controller. Of an answer only the metadata is read.

use kube::api::{Patch, PatchParams};
use kube::core::{ObjectMeta, Request};
use kube::{Api, Resource};
use serde::Serialize;

use super::readable::Head;

/// What is asked for in answers.
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// What is applied. It borrows: hundreds of writes may wait for their turn.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Applied<'a, S> {
    api_version: &'a str,
    kind: &'a str,
    metadata: Identity<'a>,
    status: &'a S,
}

#[derive(Debug, Serialize)]
struct Identity<'a> {
    name: &'a str,
    uid: Option<&'a str>,
}

/// Applies `status` to the object of this metadata; gives the metadata as it is then. The UID goes along, so that a recreated object of the same name is
/// refused (409).
pub async fn apply<K, S>(
    api: &Api<Head<K>>,
    object: &ObjectMeta,
    manager: &str,
    status: &S,
) -> kube::Result<Head<K>>
where
    K: Resource<DynamicType = ()>,
    S: Serialize + std::fmt::Debug,
{
    let name = object.name.as_deref().unwrap_or_default();
    let patch = Applied {
        api_version: &K::api_version(&()),
        kind: &K::kind(&()),
        metadata: Identity {
            name,
            uid: object.uid.as_deref(),
        },
        status,
    };
    let how = PatchParams::apply(manager).force();
    let request = Request::new(api.resource_url());
    let mut request = request
        .patch_subresource("status", name, &how, &Patch::Apply(&patch))
        .map_err(kube::Error::BuildRequest)?;
    let accept = http::HeaderValue::from_static(METADATA_ONLY);
    request.headers_mut().insert(http::header::ACCEPT, accept);
    api.clone().into_client().request(request).await
}

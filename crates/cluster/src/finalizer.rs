//! Adding and removing our finalizer, by JSON patches that fail when the object is not the one that was looked at.

use agentcore_api::names::FINALIZER;
use kube::api::{Patch, PatchParams};
use kube::core::{ObjectMeta, Status};
use kube::{Api, Resource, ResourceExt};
use serde_json::{Value, json};

use super::kept::Kept;
use super::readable::{Head, Raw};

/// Adds the finalizer; gives the object as it is then.
pub async fn add<K: Kept>(api: &Api<Head<K>>, object: &K) -> kube::Result<K> {
    let operations = if object.finalizers().is_empty() {
        json!([
            {"op": "test", "path": "/metadata/uid", "value": object.uid()},
            {"op": "test", "path": "/metadata/finalizers", "value": null},
            {"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]},
        ])
    } else {
        json!([
            {"op": "test", "path": "/metadata/uid", "value": object.uid()},
            {"op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER},
        ])
    };
    let metadata = patch(api, object, operations).await?;
    let before = object.meta();
    if metadata.generation == before.generation
        && metadata.annotations == before.annotations
        && metadata.deletion_timestamp == before.deletion_timestamp
    {
        let mut added = object.clone();
        *added.meta_mut() = metadata;
        return Ok(added);
    }
    // It was edited in between: what is to be done follows from how it is now.
    let namespace = object.namespace().unwrap_or_default();
    let api = Api::<Raw<K>>::namespaced(api.clone().into_client(), &namespace);
    let raw = api.get(&object.name_any()).await?;
    raw.whole().map(|(object, _)| object).map_err(|why| {
        let status = Status::failure(&why.to_string(), "Conflict").with_code(409);
        kube::Error::Api(status.boxed())
    })
}

/// Removes the finalizer, if the object is there and has it.
pub async fn remove<K>(api: &Api<Head<K>>, object: &K) -> kube::Result<()>
where
    K: Resource<DynamicType = ()>,
{
    let Some(index) = object
        .finalizers()
        .iter()
        .position(|name| name == FINALIZER)
    else {
        return Ok(());
    };
    let path = format!("/metadata/finalizers/{index}");
    let operations = json!([
        {"op": "test", "path": "/metadata/uid", "value": object.uid()},
        {"op": "test", "path": path, "value": FINALIZER},
        {"op": "remove", "path": path},
    ]);
    match patch(api, object, operations).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error),
    }
}

async fn patch<K>(api: &Api<Head<K>>, object: &K, operations: Value) -> kube::Result<ObjectMeta>
where
    K: Resource<DynamicType = ()>,
{
    let operations = serde_json::from_value(operations).map_err(kube::Error::SerdeError)?;
    let (how, patch) = (PatchParams::default(), Patch::<()>::Json(operations));
    let patched = api.patch(&object.name_any(), &how, &patch).await?;
    Ok(patched.meta().clone())
}

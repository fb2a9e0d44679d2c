//! Adding and removing our finalizer, by JSON patches that fail when the object is not the one that was looked at.

use agentcore_api::names::FINALIZER;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::store::drop_unread;

/// Adds the finalizer; gives the object as it is then.
pub async fn add<K>(api: &Api<K>, object: &K) -> kube::Result<K>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
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
    patch(api, object, operations).await
}

/// Removes the finalizer. `None`: the object was gone already.
pub async fn remove<K>(api: &Api<K>, object: &K) -> kube::Result<Option<K>>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    let Some(index) = object
        .finalizers()
        .iter()
        .position(|name| name == FINALIZER)
    else {
        return Ok(Some(object.clone()));
    };
    let path = format!("/metadata/finalizers/{index}");
    let operations = json!([
        {"op": "test", "path": "/metadata/uid", "value": object.uid()},
        {"op": "test", "path": path, "value": FINALIZER},
        {"op": "remove", "path": path},
    ]);
    match patch(api, object, operations).await {
        Ok(object) => Ok(Some(object)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

async fn patch<K>(api: &Api<K>, object: &K, operations: Value) -> kube::Result<K>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    let operations = serde_json::from_value(operations).map_err(kube::Error::SerdeError)?;
    let (how, patch) = (PatchParams::default(), Patch::<()>::Json(operations));
    let mut patched = api.patch(&object.name_any(), &how, &patch).await?;
    drop_unread(&mut patched);
    Ok(patched)
}

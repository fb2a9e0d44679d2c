//! Writing status by server-side apply, with one field manager per controller.

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

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

/// Applies `status`; gives the object as it is then. The UID goes along, so that a recreated object of the same name is refused (409).
pub async fn apply<K, S>(api: &Api<K>, object: &K, manager: &str, status: &S) -> kube::Result<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    S: Serialize + std::fmt::Debug,
{
    let name = object.name_any();
    let patch = Applied {
        api_version: &K::api_version(&()),
        kind: &K::kind(&()),
        metadata: Identity {
            name: &name,
            uid: object.meta().uid.as_deref(),
        },
        status,
    };
    let how = PatchParams::apply(manager).force();
    api.patch_status(&name, &how, &Patch::Apply(&patch)).await
}

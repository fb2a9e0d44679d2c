//! Keeps a watch of agents up to date, and tells when anything changed.

use std::future::ready;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use tokio::sync::Notify;

use super::Made;
use crate::cluster::store::Watch;

/// Keeps one watch running.
pub(super) fn drive<K>(
    watch: Watch<K>,
    client: &Client,
    namespace: &str,
    made: &Arc<Made<K>>,
    changed: &Arc<Notify>,
) -> BoxFuture<'static, ()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug
        + Send
        + Sync
        + 'static,
{
    let api = if namespace.is_empty() {
        Api::all(client.clone())
    } else {
        Api::namespaced(client.clone(), namespace)
    };
    let (made, changed) = (made.clone(), changed.clone());
    Box::pin(
        watch
            .drive(api, move |object| made.forget(object))
            .for_each(move |()| {
                changed.notify_one();
                ready(())
            }),
    )
}

//! What a watch tells, against an API server that is played.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agentcore_api::AgentEndpoint;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http_body_util::StreamBody;
use hyper::body::Frame;
use kube::{Api, Client, ResourceExt as _};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::super::room::Room;
use super::{Told, Watch};

/// Names of what went away, in order.
#[derive(Clone, Default)]
struct Gone(Arc<Mutex<Vec<String>>>);

impl Told<AgentEndpoint> for Gone {
    fn gone(&self, object: &AgentEndpoint) {
        self.0.lock().push(object.name_any());
    }
}

fn endpoint(name: &str, uid: &str) -> Value {
    json!({"apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentEndpoint",
        "metadata": {"name": name, "namespace": "team", "uid": uid, "resourceVersion": "1"},
        "spec": {"runtimeRef": {"name": "support"}, "version": "Latest"}})
}

/// A client of an API server that gives these lists, one after the other; each but the last is followed by the end of its watch.
fn lists(lists: Vec<Vec<Value>>) -> Client {
    let (lists, given) = (Arc::new(lists), Arc::new(AtomicUsize::new(0)));
    let service = tower::service_fn(move |_: http::Request<kube::client::Body>| {
        let at = given.fetch_add(1, Ordering::Relaxed).min(lists.len() - 1);
        let mut events: Vec<_> = lists[at]
            .iter()
            .map(|object| ("ADDED", object.clone()))
            .collect();
        let listed = json!({"apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentEndpoint",
            "metadata": {"resourceVersion": "1", "annotations": {"k8s.io/initial-events-end": "true"}}});
        events.push(("BOOKMARK", listed));
        if at + 1 < lists.len() {
            let over = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "Expired",
                "code": 410, "message": "too old resource version"});
            events.push(("ERROR", over));
        }
        async move {
            // The type comes first, as the API server has it.
            let frames = events.into_iter().map(|(kind, object)| {
                let line = format!(r#"{{"type":"{kind}","object":{object}}}"#);
                Ok::<_, Infallible>(Frame::data(Bytes::from(line + "\n")))
            });
            let frames = stream::iter(frames).chain(stream::pending());
            Ok::<_, Infallible>(http::Response::new(StreamBody::new(frames)))
        }
    });
    Client::new(service, "default")
}

#[tokio::test]
async fn what_a_list_has_no_more_is_told_as_gone() {
    let client = lists(vec![
        vec![
            endpoint("stays", "1"),
            endpoint("vanishes", "2"),
            endpoint("replaced", "3"),
        ],
        vec![endpoint("stays", "1"), endpoint("replaced", "4")],
        vec![endpoint("stays", "1"), endpoint("replaced", "4")],
    ]);
    let watch = Watch::<AgentEndpoint>::new(&Room::usual());
    let (store, gone) = (watch.store.clone(), Gone::default());
    let mut driven = Box::pin(watch.drive(Api::all(client), gone.clone()));
    let mut seen = gone.0.lock().clone();
    while seen.len() < 2 {
        driven.next().await.expect("a watch has no end");
        seen.clone_from(&gone.0.lock());
    }
    seen.sort();
    assert_eq!(seen, ["replaced", "vanishes"]);
    assert_eq!(store.state().len(), 2);
}

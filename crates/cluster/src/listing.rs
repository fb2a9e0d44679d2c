//! Lists and watches of a kind that take little memory: the first list comes as a stream where the API server can, object by object, else in
//! small pages.
//!
//! A watch is believed for some time only: what an API server failed to tell, such as an event lost between it and its store, would else stay
//! unseen until the object changes again.

use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;

use futures::stream::{Stream, StreamExt};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::time::sleep;

/// Objects of one page where the list does not stream: each may have 1.5 MiB, and a page is in memory several times over.
const PAGE: u32 = 10;

/// After so long, and up to a tenth more, all is listed anew. Thousands of objects are a few MB then, of which those that did not change are left alone.
const BELIEVED: Duration = Duration::from_mins(10);

/// Lists and watches for ever; pauses after errors.
pub fn listing<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    listing_anew(api, config, BELIEVED)
}

fn listing_anew<K>(
    api: Api<K>,
    config: watcher::Config,
    believed: Duration,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    async_stream::stream! {
        let mut streams = true;
        loop {
            let config = if streams {
                config.clone().streaming_lists()
            } else {
                config.clone().page_size(PAGE)
            };
            let mut events = pin!(watcher(api.clone(), config).default_backoff());
            let mut over = pin!(sleep(believed.mul_f64(1.0 + rand::random::<f64>() / 10.0)));
            let mut listed = false;
            loop {
                let event = tokio::select! {
                    biased;
                    event = events.next() => event,
                    () = &mut over, if listed => break,
                };
                let Some(event) = event else {
                    return;
                };
                match &event {
                    Ok(Event::Init) => listed = false,
                    Ok(Event::InitDone) => listed = true,
                    Err(error) if streams && cannot_stream(error) => {
                        tracing::debug!(page = PAGE, "the API server does not stream lists");
                        streams = false;
                        break;
                    }
                    _ => {}
                }
                yield event;
            }
        }
    }
}

/// Whether the API server refuses to stream a list: it does not know how, or its gate is closed.
fn cannot_stream(error: &watcher::Error) -> bool {
    let watcher::Error::WatchStartFailed(kube::Error::Api(status)) = error else {
        return false;
    };
    matches!(status.code, 400 | 422)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU32, Ordering};

    use bytes::Bytes;
    use futures::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{Client, ResourceExt as _};
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn what_no_watch_told_is_seen_with_the_next_list() {
        static LISTS: AtomicU32 = AtomicU32::new(0);
        // Its watches are silent, whatever happens.
        let service = tower::service_fn(async |_: http::Request<kube::client::Body>| {
            let version = (LISTS.fetch_add(1, Ordering::Relaxed) + 1).to_string();
            let lines = [
                json!({"type": "ADDED", "object": {"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": "one", "resourceVersion": version}}}),
                json!({"type": "BOOKMARK", "object": {"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"resourceVersion": version, "annotations": {"k8s.io/initial-events-end": "true"}}}}),
            ];
            let frames = lines
                .map(|line| Ok::<_, Infallible>(Frame::data(Bytes::from(format!("{line}\n")))));
            let body = StreamBody::new(stream::iter(frames).chain(stream::pending()));
            Ok::<_, Infallible>(http::Response::new(body))
        });
        let api = Api::<ConfigMap>::all(Client::new(service, "default"));
        let anew = listing_anew(api, watcher::Config::default(), Duration::from_millis(20));
        let seen = anew.filter_map(async |event| match event {
            Ok(Event::InitApply(object)) => object.resource_version(),
            _ => None,
        });
        let seen: Vec<String> = seen.take(3).collect().await;
        assert_eq!(seen, ["1", "2", "3"]);
    }
}

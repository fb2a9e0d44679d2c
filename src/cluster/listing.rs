//! Lists and watches of a kind that take little memory: the first list comes as a stream where the API server can, object by object, else in
//! small pages.

use std::fmt::Debug;

use futures::stream::{Stream, StreamExt};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

/// Objects of one page where the list does not stream: each may have 1.5 MiB, and a page is in memory several times over.
const PAGE: u32 = 10;

/// Lists and watches for ever; pauses after errors.
pub fn listing<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    async_stream::stream! {
        let streamed = config.clone().streaming_lists();
        let mut events = std::pin::pin!(watcher(api.clone(), streamed).default_backoff());
        while let Some(event) = events.next().await {
            if let Err(error) = &event && cannot_stream(error) {
                break;
            }
            yield event;
        }
        tracing::debug!(page = PAGE, "the API server does not stream lists");
        let mut events = std::pin::pin!(watcher(api, config.page_size(PAGE)).default_backoff());
        while let Some(event) = events.next().await {
            yield event;
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

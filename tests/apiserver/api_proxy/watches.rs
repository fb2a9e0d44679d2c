//! Lists and watches, as they are passed on and spoiled.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::http::{Request, Response, header, response};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader, Lines};
use tokio_util::io::StreamReader;

use super::{Answer, Fault, Listed, Shared, whole};

/// The lines of a watch of the API server.
type Upstream = Lines<BufReader<Pin<Box<dyn AsyncRead + Send>>>>;

impl Shared {
    /// Passes a watch on, with what spoils it.
    pub(super) async fn watch(
        self: Arc<Self>,
        request: Request<Body>,
        uri: &str,
    ) -> io::Result<Answer> {
        let mut weather = self.weather.subscribe();
        let begun = *weather.borrow_and_update();
        let answer = self.begin(request).await?;
        let (head, opened) = match answer {
            Ok(opened) => opened,
            Err(refused) => {
                return Ok(refused.map(whole));
            }
        };
        let (first, mut lines) = if uri.contains("sendInitialEvents=true") {
            self.list(opened, uri, begun.gone).await?
        } else {
            (Vec::new(), opened)
        };
        let shared = self.clone();
        let events = async_stream::stream! {
            for line in first {
                yield Ok(format!("{line}\n"));
            }
            loop {
                let line = tokio::select! {
                    biased;
                    changed = weather.changed() => {
                        if changed.is_err() {
                            break;
                        }
                        let now = *weather.borrow();
                        if now.cuts != begun.cuts {
                            yield Err(io::Error::other("cut"));
                            break;
                        }
                        if now.gone != begun.gone {
                            shared.feel(Fault::Gone);
                            let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                                "message": "too old resource version", "reason": "Expired", "code": 410});
                            yield Ok(format!("{}\n", json!({"type": "ERROR", "object": status})));
                            break;
                        }
                        continue;
                    }
                    line = lines.next_line() => line,
                };
                let Ok(Some(line)) = line else {
                    break;
                };
                // Of a write that is under way it is not known yet what happens after it.
                drop(shared.gate.lock().await);
                let now = *weather.borrow();
                shared.wait(now.frozen, Fault::Freeze).await;
                shared.wait(now.lagging, Fault::Lag).await;
                if shared.is_dropped(&line) {
                    shared.feel(Fault::Drop);
                } else {
                    yield Ok(format!("{line}\n"));
                }
            }
        };
        let body = StreamBody::new(events.map_ok(|line| Frame::data(Bytes::from(line))));
        Ok(Response::from_parts(head, body.boxed_unsync()))
    }

    /// Begins a watch at the API server; what it says where it refuses.
    async fn begin(
        &self,
        request: Request<Body>,
    ) -> io::Result<Result<(response::Parts, Upstream), Response<Bytes>>> {
        let answer = self.to.send(request).await.map_err(io::Error::other)?;
        let (mut head, body) = answer.into_parts();
        head.headers.remove(header::TRANSFER_ENCODING);
        if !head.status.is_success() {
            let body = body.collect_bytes().await.map_err(io::Error::other)?;
            return Ok(Err(Response::from_parts(head, body)));
        }
        let reader = StreamReader::new(body.into_data_stream().map_err(io::Error::other));
        let reader: Pin<Box<dyn AsyncRead + Send>> = Box::pin(reader);
        Ok(Ok((head, BufReader::new(reader).lines())))
    }

    /// The list that a watch begins with, and what follows it. Where it is to be replayed, both are as of the list before.
    async fn list(
        &self,
        mut opened: Upstream,
        uri: &str,
        round: u64,
    ) -> io::Result<(Vec<String>, Upstream)> {
        let mut listed = Listed::default();
        while let Some(line) = opened.next_line().await? {
            let event: Value = serde_json::from_str(&line).map_err(io::Error::other)?;
            listed.lines.push(line);
            let metadata = &event["object"]["metadata"];
            if metadata["annotations"]["k8s.io/initial-events-end"] == "true" {
                let version = metadata["resourceVersion"].as_str().unwrap_or_default();
                version.clone_into(&mut listed.resource_version);
                break;
            }
        }
        let before = self.lists.lock().insert(uri.to_owned(), listed.clone());
        let (Some(before), true) = (before, self.replayed.lock().contains(&round)) else {
            return Ok((listed.lines, opened));
        };
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let kept = query.split('&').filter(|part| {
            let name = part.split('=').next().unwrap_or_default();
            ![
                "sendInitialEvents",
                "resourceVersionMatch",
                "resourceVersion",
            ]
            .contains(&name)
        });
        let kept: Vec<_> = kept.collect();
        let version = &before.resource_version;
        let uri = format!("{path}?{}&resourceVersion={version}", kept.join("&"));
        let request = Request::get(uri).body(Body::from(Vec::new()));
        match self.begin(request.map_err(io::Error::other)?).await? {
            Ok((_, lines)) => {
                self.feel(Fault::Replay);
                Ok((before.lines, lines))
            }
            Err(refused) => Err(io::Error::other(format!("{refused:?}"))),
        }
    }

    /// Whether nobody is told of an event. The object's name and version are those of the write; the version of its end is another one.
    fn is_dropped(&self, line: &str) -> bool {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        let metadata = &event["object"]["metadata"];
        let text = |name: &str| metadata[name].as_str().unwrap_or_default();
        let dropped = self.dropped.lock();
        dropped.iter().any(|(name, version)| {
            name == text("name")
                && (version == text("resourceVersion") || event["type"] == "DELETED")
        })
    }
}
